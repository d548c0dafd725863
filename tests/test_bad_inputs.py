"""Every bad input, through the command line, by root and by an ordinary user.

Whatever it is: no traceback, no hang, nothing written outside the store.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from synthstore.cli.run import run
from synthstore.testing.stores import Built, build
from tests.bad_inputs import GIVEN, PLANTED, Given, Planted
from tests.program import Program, Result
from tests.trees import Tree, sha_tree, stamps
from tests.users import NOBODY, as_nobody, common_folder, is_root

LIMIT = 10
"""Seconds after which a command counts as hung."""
MEMORY = 512 * 2**20
FORTY = 40
USERS = ("root", "nobody") if is_root() else ("nobody",)
PROJECT = Path(__file__).parents[1]
MEMORY_FOLDER = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - ours
"""Where an fsync costs nothing; None: wherever temporary files are."""

SHOWN = {19, 20, 21, 22, 38, 40}
"""About how outputs are spelt and kept: test_hostile_output and test_private_files."""
OWNERS = {37}
"""Below, for what comes of them hangs on the user."""

ONE_OF_EACH: list[Planted] = [*{bad.number: bad for bad in PLANTED if not bad.by_root}.values()]
BACKED_UP = [bad for bad in ONE_OF_EACH if bad.number != 23]
"""All but what takes its time for its size."""
HEAVY = [bad for bad in ONE_OF_EACH if bad.number in (23, 24, 30, 32, 36)]


COMMANDS: tuple[tuple[object, ...], ...] = (
    ("verify", "--quick"),
    ("verify", "--redact", "-v"),
    ("stats", "-v"),
    ("repair", "-n"),
    ("repair", "--safe"),
    ("rebuild-index",),
    ("undo", "-y"),
)


@contextmanager
def no_hang() -> Iterator[None]:
    """Fail where the body takes too long: a FIFO blocks, a device never ends."""

    def hung(*_: object) -> None:
        raise AssertionError(f"still at work after {LIMIT} s")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Ground:
    """A folder with a store in it, a user, and a watch on all that is not the store."""

    def __init__(self, folder: Path, cli: Program, user: str) -> None:
        self.folder, self.cli, self.user = folder, cli, user
        self.store = folder / "store"

    def build(self, bad: Planted) -> Built:
        """A healthy store with the bad input in it."""
        if bad.by_root and self.user != "root":
            pytest.skip("only root can make it")
        built = build(bad.layout, self.store)
        bad.plant(built)
        return built

    def beside(self) -> Tree:
        """All that is not the store; a repository's notes of its damage are its own."""
        found = sha_tree(self.folder, skip="store")
        return {path: what for path, what in found.items() if "/damage" not in path}

    def run(self, *args: object) -> Result:
        """One command, whatever it meets: told in words, in time, and the store alone touched."""
        before = self.beside()
        with no_hang():
            result = self.cli(*args, "--jobs", 1)
        skip_where_python_is_closed(result.out + result.err)
        assert "Traceback" not in result.err, result.err
        assert "a bug in synthstore" not in result.out + result.err
        assert self.beside() == before
        return result


def skip_where_python_is_closed(said: str) -> None:
    """What is no Flat index needs a process of its own, and so an interpreter to start."""
    if "FAISS could not be started" in said and "root" in USERS:
        pytest.skip("this Python is closed to other users")


@pytest.fixture(scope="module", autouse=True)
def everything_is_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A Python that is closed to other users lets them import nothing: root has to, before."""
    folder = tmp_path_factory.mktemp("first")
    root = build("native", folder / "store").root
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        for name in ("catalog-utf-16", "100000-levels-never-closed", "memory-bom", "memory-utf-16"):
            one = next(bad for bad in PLANTED if bad.name == name)
            one.plant(build("native", root))
            for command in COMMANDS:
                run([str(command[0]), str(root), *map(str, command[1:])])
        run(["repair", str(root), "-y"])
        run(["backup", str(root), "--repo", str(folder / "repo")])
        run(["restore", str(folder / "new"), "--repo", str(folder / "repo"), "--json"])
        run(["diff", str(root), str(folder / "new")])


@pytest.fixture(params=USERS)
def ground(request: pytest.FixtureRequest, cli: Program) -> Iterator[Ground]:
    with ExitStack() as held:
        folder = held.enter_context(common_folder(MEMORY_FOLDER))
        if request.param == "nobody":
            held.enter_context(as_nobody())
        (folder / "home").mkdir()
        cli.monkeypatch.chdir(folder)
        cli.env(HOME=str(folder / "home"))
        yield Ground(folder, cli, request.param)


def codes(result: Result) -> dict[str, int]:
    return dict(Counter(finding["code"] for finding in result.document["findings"]))


@pytest.mark.parametrize("bad", PLANTED, ids=repr)
def test_what_is_in_a_store_is_found_and_mended_or_left(bad: Planted, ground: Ground) -> None:
    root = ground.build(bad).root
    hurt = stamps(root)
    seen = ground.run("verify", root, "--json", "-v")
    assert (seen.code, codes(seen)) == (bad.found, bad.says), seen.out
    assert stamps(root) == hurt
    mended = ground.run("repair", root, "-y", "--json", "-v")
    assert mended.code == bad.mended, mended
    assert codes(ground.run("verify", root, "--json")) == bad.left


@pytest.mark.parametrize("bad", GIVEN, ids=repr)
def test_what_is_given_is_refused_by_a_typed_error(bad: Given, ground: Ground) -> None:
    built = build("native", ground.store)
    path = ground.folder / "given"
    bad.make(path, built)
    was = sha_tree(built.root)
    names = {"store": built.root, "path": path, "folder": ground.folder}
    result = ground.run(*(word.format_map(names) for word in bad.command), "--json")
    assert result.code == bad.code, result
    error = result.document.get("error")
    assert (error and error["kind"]) == bad.kind
    assert not result.document.get("inserted")
    assert sha_tree(built.root) == was


@pytest.mark.parametrize("ground", USERS[-1:], indirect=True)
@pytest.mark.parametrize("bad", ONE_OF_EACH, ids=repr)
def test_no_other_command_stumbles_over_it(bad: Planted, ground: Ground) -> None:
    root = ground.build(bad).root
    for command, *options in COMMANDS:
        assert ground.run(command, root, *options).code in (0, 1, 2, 3, 4, 12)


@pytest.mark.parametrize("ground", USERS[-1:], indirect=True)
@pytest.mark.parametrize("bad", BACKED_UP, ids=repr)
def test_backups_take_it_as_it_is(bad: Planted, ground: Ground) -> None:
    root = ground.build(bad).root
    repo, new = ground.folder / "repo", ground.folder / "new"
    with no_hang():
        taken = ground.cli("backup", root, "--repo", repo, "--jobs", 1)
        skip_where_python_is_closed(taken.err)
        assert taken.code in (0, 3)
        assert ground.cli("restore", new, "--repo", repo, "--jobs", 1).code in (0, 1, 3)
    assert ground.run("diff", root, new).code in (0, 1, 3)


def give_away(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        os.chown(path, 12345, 12345)


@pytest.mark.skipif(not is_root(), reason="only root gives a store to another")
@pytest.mark.parametrize("command", ["repair", "rebuild-index"])
@pytest.mark.parametrize(
    "hand_over",
    [lambda root: root.chmod(0o757), give_away],
    ids=["world-writable", "foreign-owned"],
)
def test_others_stores_are_refused_to_all_but_root(
    command: str, hand_over: Callable[[Path], None], cli: Program
) -> None:
    with common_folder() as folder:
        cli.monkeypatch.chdir(folder)
        cli.env(HOME=str(folder))
        with as_nobody():
            built = build("native", folder / "store")
            built.catalog.unlink()
        hand_over(built.root)
        owner = built.root.stat().st_uid, built.root.stat().st_gid
        before = sha_tree(built.root, skip="")
        with as_nobody():
            refused = cli(command, built.root, "-y", "--json")
        assert (refused.code, refused.document["error"]["kind"]) == (4, "permission")
        assert sha_tree(built.root, skip="") == before
        assert cli(command, built.root, "-y").code == 0
        made = [built.catalog, built.root / ".synthstore", built.root / ".synthstore" / "lock"]
        assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {owner}


@pytest.mark.parametrize("bad", HEAVY, ids=repr)
def test_it_costs_no_memory_in_the_real_program(bad: Planted) -> None:
    with common_folder() as folder:
        with as_nobody():
            built = build(bad.layout, folder / "store")
            bad.plant(built)
        done = as_a_program("verify", built.root, "--jobs", 1, folder=folder)
        skip_where_python_is_closed(done.stderr)
        assert done.returncode == bad.found, done.stderr
        assert done.stderr.strip() == ""


def as_a_program(*args: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """The program by an ordinary user, who has little memory and time."""
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    python = [*(prefix if is_root() else []), sys.executable, "-m", "synthstore"]
    probe = subprocess.run([*python, "--version"], cwd=PROJECT, capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this Python is closed to other users")
    return subprocess.run(
        [*python, *map(str, args)],
        env=unmeasured() | {"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=3 * LIMIT,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
    )


def unmeasured() -> dict[str, str]:
    """The environment without what has coverage start, and write where nobody may."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def test_all_forty_have_an_outcome() -> None:
    told = {bad.number for bad in PLANTED} | {bad.number for bad in GIVEN} | SHOWN | OWNERS
    assert told == set(range(1, FORTY + 1))
