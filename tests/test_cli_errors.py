"""One place maps errors to exit codes: sentences for people, one document with --json."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from synthstore import errors
from synthstore.cli import metering
from synthstore.cli import run as runner
from synthstore.cli.manual import EXIT_CODES
from synthstore.errors import OperationError, SynthstoreError
from synthstore.files.lock import Lock
from synthstore.testing.interrupt import interrupt
from synthstore.testing.spelling import Name
from synthstore.testing.stores import build
from tests.program import Program, on_terminal, spawn
from tests.trees import sha_tree
from tests.users import as_nobody, common_folder, is_root


def every_error() -> Iterator[type[SynthstoreError]]:
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, SynthstoreError):
            yield value


def test_every_exit_code_is_documented_and_belongs_to_an_error() -> None:
    codes = {error.exit_code for error in every_error()}
    assert codes | {0, 1} == set(EXIT_CODES)


def test_every_error_has_a_kind_of_its_own() -> None:
    kinds = [error.kind for error in every_error()]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("bogus",), "No such command 'bogus'"),
        (("verify", "--bogus"), "No such option: --bogus"),
        (("verify", "--fail-on", "x"), "'x' is not one of"),
        (("verify", "--jobs", "0"), "--jobs"),
        (("verify", "--jobs"), "--jobs"),
        (("undo",), "STORE"),
        (("repair", "one", "two"), "two"),
        (("verify", ""), "'STORE': it is empty"),
        (("verify", "one", ""), "'STORE': it is empty"),
        (("repair", "", "--yes"), "'STORE': it is empty"),
        (("migrate", "one", ""), "'TARGET': it is empty"),
        (("restore", "", "--repo", "two"), "'TARGET': it is empty"),
        (("import", "one", ""), "'FILE': it is empty"),
        (("undo", "one", ""), "'RUN': it is empty"),
    ],
)
def test_what_typer_rejects(cli: Program, args: tuple[str, ...], said: str) -> None:
    people = cli(*args)
    assert (people.code, people.out) == (2, "")
    assert said in people.err
    assert "--help`" in people.err
    document = cli(args[0], "--json", *args[1:]).document
    assert document["error"]["exit_code"] == 2
    assert said in document["error"]["message"]


def test_json_may_be_asked_for_in_every_way(cli: Program, tmp_path: Path) -> None:
    assert cli("verify", "--json", "--bogus").document["error"]["kind"] == "usage"
    cli.env(SYNTHSTORE_VERIFY_JSON="true")
    assert cli("verify", "--bogus").document["error"]["kind"] == "usage"
    assert cli("verify", tmp_path / "none").document["error"]["kind"] == "not-a-store"
    cli.env(SYNTHSTORE_VERIFY_JSON="0")
    assert cli("verify", "--bogus").out == ""
    assert cli("verify", "--", "--json").out == ""
    cli.monkeypatch.delenv("SYNTHSTORE_VERIFY_JSON")
    cli.config("[verify]\njson = true")
    assert cli("verify", "--jobs", "x").document["error"]["kind"] == "usage"
    assert cli("verify", tmp_path / "none").document["error"]["kind"] == "not-a-store"


def test_where_a_bad_value_came_from(cli: Program) -> None:
    cli.env(SYNTHSTORE_VERIFY_JOBS="none")
    assert "from $SYNTHSTORE_VERIFY_JOBS" in cli("verify").err
    cli.monkeypatch.delenv("SYNTHSTORE_VERIFY_JOBS")
    cli.config('[verify]\njobs = "none"')
    assert "in the config file" in cli("verify").err


def test_a_config_file_that_is_wrong(cli: Program) -> None:
    path = cli.config("[verify]\ncolour = true")
    result = cli("verify", "--json")
    assert result.code == 2
    assert str(path) in result.document["error"]["message"]
    assert cli("verify", "--config", "none.toml").code == 2


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def invoke(*_: object) -> int:
        raise error

    monkeypatch.setattr(runner, "_invoke", invoke)


def test_an_error_of_the_system(cli: Program) -> None:
    failing(cli.monkeypatch, OSError(28, "No space left on device", "/data/x"))
    result = cli("verify", "--json")
    assert result.code == 4
    assert result.document["error"]["message"] == "/data/x: No space left on device"
    failing(cli.monkeypatch, OSError("odd"))
    assert "odd" in cli("verify").err


def test_a_worker_that_was_ended_is_no_bug(cli: Program) -> None:
    failing(cli.monkeypatch, BrokenProcessPool("one was terminated abruptly"))
    result = cli("verify")
    assert result.code == 4
    assert "ended from outside" in result.err
    assert "--jobs 1" in result.err
    assert "Traceback" not in result.err


def test_a_bug_is_no_finding(cli: Program) -> None:
    failing(cli.monkeypatch, ZeroDivisionError("oh"))
    result = cli("verify", "--json")
    assert result.code == 4
    assert "bug" in result.document["error"]["message"]
    assert "Traceback" in result.err


def test_ctrl_c(cli: Program) -> None:
    failing(cli.monkeypatch, KeyboardInterrupt())
    result = cli("verify")
    assert result.code == 130
    assert "nothing was changed" in result.err


def test_ctrl_c_while_it_waits_for_a_lock(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    built.catalog.unlink()
    assert spawn("repair", built.root, "-y").returncode == 0
    built.catalog.unlink()
    before = sha_tree(built.root)
    with Lock(built.root / ".synthstore" / "lock"):
        terminal = on_terminal("repair", built.root, "-y", "--lock-wait", "3s")
        terminal.expect("stop the Memory Core")
        time.sleep(0.5)
        terminal.interrupt()
        assert terminal.finish() == 130
    assert "nothing was changed" in terminal.seen
    assert sha_tree(built.root) == before


def unread(*args: object) -> tuple[int, str]:
    """Run the program with a stdout whose reader is gone; the exit code, and what it says."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as pipe:  # noqa: PTH123 - a descriptor
        done = subprocess.run(
            [sys.executable, "-m", "synthstore", *map(str, args)],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    return done.returncode, done.stderr


@pytest.mark.parametrize("how", ["", "--json", "--metrics-file=-"])
def test_a_reader_that_is_gone(tmp_path: Path, how: str) -> None:
    built = build("native", tmp_path / "store")
    assert unread("verify", built.root, *how.split()) == (4, "")
    assert unread("repair", built.root, "-n", *how.split()) == (4, "")
    assert unread("verify", tmp_path / "none", "--json") == (10, "")


@pytest.mark.parametrize("how", ["", "--json", "-v"])
def test_work_is_done_though_nobody_reads_of_it(tmp_path: Path, how: str) -> None:
    built, repo, copy = build("native", tmp_path / "store"), tmp_path / "repo", tmp_path / "copy"
    rows = tmp_path / "rows.jsonl"
    assert spawn("export", built.root, "-o", rows).returncode == 0
    built.file(built.memories[0]).unlink()
    for code, *call in (
        (1, "repair", built.root, "-y", "--fail-on", "info"),
        (0, "undo", built.root, "-y"),
        (0, "rebuild-index", built.root),
        (0, "backup", built.root, "--repo", repo),
        (0, "restore", copy, "--repo", repo),
        (0, "migrate", copy, tmp_path / "moved"),
        (0, "import", tmp_path / "moved", rows),
        (0, "snapshots", "prune", "--repo", repo, "--keep-last", "1"),
        (0, "undo", tmp_path / "moved", "--prune", "-y"),
    ):
        ended, said = unread(*call, *how.split())
        assert (ended, "Traceback" in said) == (code, False), call


def test_work_that_cannot_be_told_is_done(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    built.catalog.unlink()
    done = redirected(">/dev/full", "repair", built.root, "-y", "--json")
    assert done.returncode == 4
    assert done.stderr.endswith("; but for that, the exit code would be 0\n")
    assert built.catalog.exists()


def redirected(how: str, *args: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program with its streams as the shell has them by ``how``."""
    call = [sys.executable, "-m", "synthstore", *map(str, args)]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {how}', "sh", *call],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("how", "why"), [(">/dev/full", "No space left"), (">&-", "Bad file")])
@pytest.mark.parametrize(
    "call",
    [
        "verify STORE",
        "verify STORE --json",
        "verify none --json",
        "verify STORE --metrics-file -",
        "export STORE",
        "undo STORE --list --json",
        "--help",
    ],
)
def test_a_stdout_that_takes_nothing(
    tmp_path: Path, call: str, how: str, why: str, unbuffered: str
) -> None:
    built = build("native", tmp_path / "store")
    args = [built.root if word == "STORE" else word for word in call.split()]
    done = redirected(how, *args, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(f"synthstore: cannot write to stdout: {why}")
    assert done.stderr.count("\n") == 1
    assert ("exit code would be 10" in done.stderr) == ("none" in call)


@pytest.mark.parametrize("how", [">/dev/full", ">&-", "2>/dev/full", "2>&-", "<&-"])
def test_a_stream_that_is_not_needed(tmp_path: Path, how: str) -> None:
    built = build("native", tmp_path / "store")
    assert redirected(how, "verify", built.root, "-q").returncode == 0
    assert redirected(how, "verify", tmp_path / "none").returncode == 10
    assert redirected(how, "repair", built.root).returncode == 2


@pytest.mark.parametrize("options", ["", "--dry-run", "--create", "--format json"])
def test_a_closed_stdin_is_told_in_words(tmp_path: Path, options: str) -> None:
    built = build("native", tmp_path / "store")
    store = tmp_path / "new" if options == "--create" else built.root
    done = redirected("<&-", "import", store, "-", *options.split())
    assert done.returncode == 2
    told, hint = done.stderr.splitlines()
    assert told == "synthstore: stdin is closed, so nothing can be read from it"
    assert hint.startswith("hint: ")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("how", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_stream(tmp_path: Path, how: str) -> None:
    code = (
        "import os; from synthstore.cli.streams import occupy; occupy()\n"
        f"os.write(os.open({str(tmp_path / 'file')!r}, os.O_CREAT | os.O_WRONLY), b'first')\n"
        "for fd, use in ((0, lambda: os.read(0, 1)), (1, lambda: os.write(1, b'x'))):\n"
        "    try: use()\n"
        "    except OSError: pass\n"
    )
    subprocess.run(["sh", "-c", f'exec "$@" {how}', "sh", sys.executable, "-c", code], check=True)
    assert (tmp_path / "file").read_text() == "first"


def test_a_locale_without_utf_8(tmp_path: Path) -> None:
    done = spawn("verify", tmp_path / "größe", PYTHONIOENCODING="ascii")
    assert done.returncode == 10
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["verify", "repair -n", "rebuild-index -n", "undo -n"])
def test_a_link_in_a_circle_is_no_store(cli: Program, tmp_path: Path, command: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    result = cli(*command.split(), tmp_path / "loop", "--json")
    assert (result.code, result.document["error"]["kind"]) == (10, "not-a-store")
    assert "Traceback" not in result.err


def test_a_metrics_file_that_is_a_link_in_a_circle(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    (tmp_path / "loop").symlink_to("loop")
    result = cli("verify", built.root, "--metrics-file", tmp_path / "loop")
    assert result.code == 2
    assert (tmp_path / "loop").is_symlink()


@pytest.mark.parametrize(
    "options",
    [
        ("verify", "--metrics-file"),
        ("verify", "--write-known"),
        ("repair", "-y", "--metrics-file"),
        ("stats", "--html"),
        ("stats", "--metrics-file"),
    ],
)
def test_a_file_that_cannot_be_is_told_before_any_work(
    cli: Program, tmp_path: Path, options: tuple[str, ...]
) -> None:
    built = build("native", tmp_path / "store")
    built.catalog.unlink()
    command, *rest = options
    result = cli(command, built.root, *rest, tmp_path / "none" / "file")
    assert (result.code, result.out) == (2, "")
    assert f"mkdir -p {tmp_path / 'none'}" in result.err
    assert cli(command, built.root, *rest, "/dev/null").code == 2
    assert not Path("/dev/null").is_file()
    assert not built.catalog.exists()


def test_a_metrics_file_that_is_a_link_stays_one(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    (tmp_path / "there.prom").write_text("")
    (tmp_path / "link.prom").symlink_to("there.prom")
    assert cli("verify", built.root, "--metrics-file", tmp_path / "link.prom").code == 0
    assert (tmp_path / "link.prom").is_symlink()
    assert "synthstore_exit_code" in (tmp_path / "there.prom").read_text()


@pytest.mark.parametrize(
    "call",
    [
        ("verify", "--select", "Q"),
        ("verify", "--known", "/none"),
        ("repair", "-y", "--select", "Q"),
        ("backup",),
        ("stats", "--repo", "/none"),
    ],
)
def test_metrics_of_a_call_that_fails(cli: Program, tmp_path: Path, call: tuple[str, ...]) -> None:
    built = build("native", tmp_path / "store")
    file = tmp_path / "m.prom"
    result = cli(call[0], built.root, *call[1:], "--metrics-file", file)
    assert result.code in (2, 10)
    labels = f'{{command="{call[0]}",store="{built.root}"}}'
    assert f"synthstore_exit_code{labels} {result.code}\n" in file.read_text()


def test_metrics_that_cannot_be_written_hide_no_other_error(
    cli: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OperationError("cannot write the metrics: no room")

    monkeypatch.setattr(metering, "put", full)
    file = tmp_path / "m.prom"
    failed = cli("verify", tmp_path / "none", "--metrics-file", file)
    assert failed.code == 10
    assert "no room" in failed.err
    assert "does not exist" in failed.err
    assert cli("verify", build("native", tmp_path / "store").root, "--metrics-file", file).code == 4


def test_exactly_one_document_on_stdout(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    built.catalog.unlink()
    done = spawn("repair", built.root, "-y", "-v", "--json")
    assert json.loads(done.stdout)["schema"] == "synthstore/report/1"


@pytest.mark.skipif(not is_root(), reason="needs another user")
def test_a_repository_that_cannot_be_written_comes_with_what_helps(cli: Program) -> None:
    with common_folder() as parent:
        built = build("native", parent / "store", memories=3)
        for folder, mode in (("closed", 0o700), ("open", 0o755)):
            (parent / folder).mkdir()
            (parent / folder).chmod(mode)
        # What it imports may not be nobody's to read.
        assert cli("backup", built.root, "--repo", parent / "closed" / "repo").code == 0
        (parent / "file").touch()
        for path in (built.root, *built.root.rglob("*")):
            path.chmod(0o755)
        with as_nobody():
            told = {
                repo: cli("backup", built.root, "--repo", parent / repo)
                for repo in ("closed/repo", "open", "open/new", "file/repo")
            }
    assert {result.code for result in told.values()} == {4}
    again = f"`sudo -u root synthstore backup {built.root} --repo {parent}/"
    assert f"{again}closed/repo`" in told["closed/repo"].err
    assert f"{again}open`" in told["open"].err
    assert f"`sudo install -d -m 700 -o nobody {parent}/open/new`" in told["open/new"].err
    assert "a file stands where a folder is meant" in told["file/repo"].err


@pytest.mark.skipif(not is_root(), reason="needs another user")
def test_a_store_of_another_user_is_left_to_its_owner_to_mend(cli: Program) -> None:
    with common_folder() as parent:
        built = build("native", parent / "a store", memories=3)
        built.index.unlink()
        # What it imports may not be nobody's to read.
        assert cli("repair", built.root, "--dry-run", "--redact").code == 1
        with as_nobody():
            denied = cli("repair", built.root, "-y")
            hidden = cli("repair", built.root, "-y", "--redact")
    assert denied.code == 4
    command = f"`sudo -u root synthstore repair '{built.root}' -y`"
    assert f"hint: run it as its owner: {command}" in denied.err
    assert "`sudo -u root synthstore ...`" in hidden.err


def test_where_no_store_is_given_it_is_told_where_one_is_looked_for(
    cli: Program, tmp_path: Path
) -> None:
    cli.monkeypatch.chdir(tmp_path)
    sought = "no store was given: it is looked for in $SYNTHSTORE_STORAGE_PATH, then the config"
    told = cli("verify")
    assert told.code == 10
    assert sought in told.err
    assert told.err.rstrip().endswith("this one is from ./storage")
    (tmp_path / "storage").mkdir()
    assert sought in cli("stats").err
    file = cli.config('[store]\nstorage_path = "elsewhere"')
    assert cli("repair", "-n").err.rstrip().endswith(f"this one is from the config file {file}")
    cli.env(SYNTHSTORE_STORAGE_PATH="there")
    assert cli("verify").err.rstrip().endswith("this one is from $SYNTHSTORE_STORAGE_PATH")
    assert sought not in cli("verify", "given").err
    build("native", tmp_path / "there")
    assert sought not in cli("verify", "--repo", tmp_path / "no-repository").err


@pytest.mark.parametrize("layout", ["native", "core-4"])
def test_a_refused_command_says_that_nothing_was_changed(
    layout: Name, cli: Program, tmp_path: Path
) -> None:
    built = build(layout, tmp_path / "store", memories=30)
    for memory in built.memories[:20]:
        built.file(memory).unlink()
    before = sha_tree(built.root, skip="")
    refused = cli("repair", built.root, "-y")
    assert "entities would go; nothing was changed\n" in refused.err
    assert (
        cli("repair", built.root, "-y", "--json")
        .document["error"]["message"]
        .endswith("; nothing was changed")
    )
    assert sha_tree(built.root).keys() == before.keys()
    with Lock(built.root / ".synthstore" / "lock"):
        assert "; nothing was changed\n" in cli("repair", built.root, "-y").err
    (built.root / "memories").rename(tmp_path / "memories")
    assert "is the disk mounted? nothing was changed\n" in cli("rebuild-index", built.root).err


def test_what_an_earlier_run_was_finished_by_is_not_said_to_be_nothing(
    cli: Program, tmp_path: Path
) -> None:
    built = build("native", tmp_path / "store", memories=30)
    built.index.unlink()
    interrupt(built)
    for memory in built.memories[:20]:
        built.file(memory).unlink()
    refused = cli("repair", built.root, "-y")
    assert refused.code == 12
    assert "nothing was changed" not in refused.err
