"""Ctrl-C: exit code 130, nothing half done, and what state the store is in."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from synthstore.errors import InterruptedByUserError
from synthstore.files.lock import Lock, is_locked
from synthstore.progress import SilentProgress
from synthstore.render.progress import NoProgress
from synthstore.store.runs import ENTITY, Change, list_runs
from synthstore.store.session import Session
from synthstore.testing.interrupt import interrupt
from synthstore.testing.stores import Built, build
from tests.program import Program, on_terminal
from tests.trees import sha_tree

SLOW = """
import sys, time
import {module} as module
fast = module.{name}
def slow(*args, **settings):
    print({say!r}, end="", file=sys.stderr, flush=True)
    time.sleep({seconds})
    return fast(*args, **settings)
module.{name} = slow
"""


def slowed(module: str, name: str, seconds: float, *, say: str = "") -> str:
    """Code that makes one function of the program wait before it works."""
    return SLOW.format(module=module, name=name, seconds=seconds, say=say)


SMALL = "import synthstore.scan.pool as pool\npool.SHARD = 2\n"
WAITING = slowed("synthstore.repair.holding", "_opened", 0.0, say="waiting")


@pytest.fixture
def hurt(tmp_path: Path) -> Built:
    built = build("native", tmp_path / "store", memories=14)
    for name in built.memories[8:]:
        built.overwrite(name, b"{ torn")
    return built


ASKING = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


@ASKING
def test_while_a_run_is_staged(hurt: Built, number: signal.Signals) -> None:
    before = sha_tree(hurt.root)
    slow = slowed("synthstore.store.staging", "_write_one", 1.5)
    terminal = on_terminal("repair", hurt.root, "-y", first=slow)
    terminal.expect("staging")
    terminal.expect("left")
    terminal.interrupt(number)
    assert terminal.finish() == 130
    assert "interrupted; nothing was changed in" in terminal.seen
    assert sha_tree(hurt.root) == before
    assert list_runs(hurt.root) == []
    assert not list((hurt.root / ".synthstore" / "runs").iterdir())


def test_while_a_run_is_applied(hurt: Built, cli: Program) -> None:
    before = sha_tree(hurt.root)
    slow = slowed("synthstore.store.session", "complete", 1.5, say="applying")
    terminal = on_terminal("repair", hurt.root, "-y", first=slow)
    terminal.expect("applying")
    terminal.interrupt()
    assert terminal.finish() == 130
    (run,) = list_runs(hurt.root)
    assert (run.state, run.run in terminal.seen) == ("done", True)
    assert f"`synthstore undo {hurt.root}` takes it back" in terminal.seen
    assert cli("verify", hurt.root, "--fail-on", "error").code == 0
    assert cli("undo", hurt.root, "-y").code == 0
    assert sha_tree(hurt.root) == before


def test_with_a_run_that_was_left_open(hurt: Built) -> None:
    interrupt(hurt)
    (run,) = list_runs(hurt.root)
    with Lock(hurt.root / ".synthstore" / "lock"):
        terminal = on_terminal("rebuild-index", hurt.root, "--lock-wait", "9s", first=WAITING)
        terminal.expect("waiting")
        terminal.interrupt()
        assert terminal.finish() == 130
    assert f"interrupted while the run {run.run} (repair) was applied" in terminal.seen
    assert f"`synthstore repair {hurt.root}` completes it" in terminal.seen


@pytest.mark.parametrize(
    ("command", "slow", "said"),
    [
        ("verify", ("synthstore.scan.reading", "read_shard"), "nothing was changed"),
        ("backup", ("synthstore.backup.reading", "read_shard"), "no half snapshot"),
        ("diff", ("synthstore.diff", "read_file"), "nothing was changed"),
        ("migrate", ("synthstore.migrate.making", "Aside.settle"), "goes on from there"),
    ],
)
def test_of_what_only_reads(
    command: str, slow: tuple[str, str], said: str, hurt: Built, tmp_path: Path
) -> None:
    before = sha_tree(hurt.root, skip="")
    more = {
        "backup": ("--repo", tmp_path / "repo"),
        "diff": (hurt.root,),
        "migrate": (tmp_path / "copy",),
    }.get(command, ())
    terminal = on_terminal(command, hurt.root, *more, first=SMALL + slowed(*slow, 0.4))
    terminal.expect("files")
    terminal.interrupt()
    assert terminal.finish() == 130
    assert said in terminal.seen
    assert sha_tree(hurt.root, skip="") == before


@ASKING
def test_a_restore_that_is_laid_out_by_then_leaves_nothing(
    hurt: Built, tmp_path: Path, cli: Program, number: signal.Signals
) -> None:
    assert cli("backup", hurt.root, "--repo", tmp_path / "repo").code == 0
    before = sorted(path.name for path in tmp_path.iterdir())
    slow = slowed("synthstore.backup.laying", "_known", 1.0, say="all is laid out")
    terminal = on_terminal(
        "restore", tmp_path / "new", "--repo", tmp_path / "repo", "-y", first=slow
    )
    terminal.expect("all is laid out")
    terminal.interrupt(number)
    assert terminal.finish() == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == before


class Held(SilentProgress):
    """Stops the work where it is until it is told to go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def advance(self, units: int) -> None:  # noqa: ARG002
        """Wait."""
        self.reached.set()
        self.go_on.wait(30)


def test_the_lock_is_held_until_the_run_has_ended(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    session, progress = Session.open(built.root), Held()
    changes = [Change("memories/new.json", None, b"{}", ENTITY)]
    worker = threading.Thread(
        target=session.run, args=("test", changes), kwargs={"progress": progress}
    )
    worker.start()
    assert progress.reached.wait(30)
    closer = threading.Thread(target=session.close)
    closer.start()
    closer.join(0.2)
    assert is_locked(built.root / ".synthstore" / "lock")
    progress.go_on.set()
    worker.join(30)
    closer.join(30)
    assert not is_locked(built.root / ".synthstore" / "lock")
    assert [run.state for run in list_runs(built.root)] == ["done"]


def test_what_stops_the_staging_leaves_no_trace(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    before = sha_tree(built.root)

    pressed = NoProgress(lambda: True)
    changes = [Change("memories/new.json", None, b"{}", ENTITY)]
    with Session.open(built.root) as session, pytest.raises(InterruptedByUserError):
        session.run("test", changes, progress=pressed)
    assert sha_tree(built.root) == before
    assert list_runs(built.root) == []


@pytest.mark.parametrize(
    "module", ["synthstore.cli.ahead", "typer", "synthstore.cli.run", "asyncio"]
)
def test_while_the_program_is_imported(tmp_path: Path, module: str) -> None:
    code = (
        "import os, signal, sys\n"
        "from synthstore.__main__ import main\n"
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.modules.pop({module!r}, None)\n"
        "sys.meta_path.insert(0, Finder)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "verify", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (130, False)


def test_a_tour_leaves_nothing(tmp_path: Path) -> None:
    slow = (
        "import time; from synthstore import demo; make = demo.make_dirs\n"
        "demo.make_dirs = lambda *args: (time.sleep(0.5), make(*args))\n"
    )
    terminal = on_terminal("demo", variables={"TMPDIR": str(tmp_path)}, first=slow)
    while not list(tmp_path.glob("*/memories")):
        time.sleep(0.01)
    terminal.interrupt()
    assert terminal.finish() == 130
    assert list(tmp_path.iterdir()) == []
