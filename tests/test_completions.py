"""Completions: what bash, zsh and fish themselves make of them, and what the program answers."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from synthstore.cli import suggest
from synthstore.store.runs import list_runs
from synthstore.testing.stores import build
from tests.program import Program, Terminal

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "completions"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file, a store that was repaired and backed up, and a program to ask."""
    folder = tmp_path_factory.mktemp("completions")
    (folder / "file").touch()
    built = build("native", folder / "store")
    built.catalog.unlink()
    for args in (("repair", "store", "-y"), ("backup", "store", "--repo", "repo")):
        command = [sys.executable, "-m", "synthstore", *args, "-q"]
        assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0
    program = folder / "bin" / "synthstore"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m synthstore "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture
def ids(place: Path) -> tuple[str, str]:
    """The run and the snapshot that are there."""
    (run,) = list_runs(place / "store")
    (snapshot,) = (path.name for path in (place / "repo" / "snapshots").iterdir())
    return run.run, snapshot.partition("-")[2][:8]


def environment(place: Path) -> dict[str, str]:
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(place), "TERM": "xterm"}


LINES = [
    ("synthstore re", {"repair", "rebuild-index", "restore"}),
    ("synthstore verify --fail-on ", {"error", "warning", "info", "never"}),
    ("synthstore verify --qu", {"--quick", "--quiet"}),
    ("synthstore verify --known f", {"file"}),
    ("synthstore verify --select V01", {"V010", "V011"}),
    ("synthstore verify --select M001,V01", {"M001,V010", "M001,V011"}),
    ("synthstore verify --jobs ", set()),
    ("synthstore snapshots ", {"list", "find", "check", "prune"}),
    ("synthstore snapshots list --repo r", {"repo"}),
    ("synthstore undo store ", {"RUN", "bin", "repo", "store"}),
    ("synthstore undo store 2", {"RUN"}),
    ("synthstore restore new --repo repo --snapshot ", {"SNAPSHOT", "latest"}),
    ("synthstore diff re", {"repo"}),
]


def named(words: set[str], ids: tuple[str, str]) -> set[str]:
    return {word.replace("RUN", ids[0]).replace("SNAPSHOT", ids[1]).rstrip("/") for word in words}


def in_bash(line: str, place: Path) -> set[str]:
    words = line.split(" ")
    script = (
        f"source {SCRIPTS}/synthstore.bash; COMP_WORDS=({' '.join(words[:-1])} "
        f"'{words[-1]}'); COMP_CWORD={len(words) - 1}; _synthstore; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def in_fish(line: str, place: Path) -> set[str]:
    script = f"source {SCRIPTS}/synthstore.fish; complete -C '{line}'"
    done = subprocess.run(
        ["fish", "-c", script],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=True,
    )
    return {word.partition("\t")[0].rstrip("/") for word in done.stdout.splitlines()}


@needs("bash")
@pytest.mark.parametrize(("line", "words"), LINES)
def test_bash(line: str, words: set[str], place: Path, ids: tuple[str, str]) -> None:
    assert in_bash(line, place) == named(words, ids)


@needs("fish")
@pytest.mark.parametrize(("line", "words"), LINES)
def test_fish(line: str, words: set[str], place: Path, ids: tuple[str, str]) -> None:
    assert in_fish(line, place) == named(words, ids)


@needs("fish")
def test_fish_snapshots_of_a_repository(place: Path, ids: tuple[str, str]) -> None:
    words = in_fish("synthstore diff repo@", place)
    assert words == {"repo@latest", f"repo@{ids[1]}"}


def shell(*command: str, place: Path) -> Terminal:
    """A shell on a terminal of its own, 150 columns wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 150, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=place,
        env=environment(place),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    return Terminal(process, ours)


def typed(terminal: Terminal, keys: str, *expected: str) -> None:
    """Type into the line that stands there, erased first, and wait for what is expected."""
    terminal.seen = ""
    terminal.type("\x15" + keys)
    for text in expected:
        terminal.expect(text)


@needs("bash")
def test_bash_as_it_is_typed(place: Path, ids: tuple[str, str]) -> None:
    terminal = shell("bash", "--norc", "--noprofile", "-i", place=place)
    terminal.type(f"source {SCRIPTS}/synthstore.bash; PS1='ready'; PS1+='> '\n")
    terminal.expect("ready> ")
    typed(terminal, "synthstore re\t\t", "rebuild-index", "restore")
    typed(terminal, "synthstore undo store 2\t", ids[0])
    typed(terminal, "synthstore diff repo@\t\t", "@latest", ids[1])
    typed(terminal, f"synthstore diff repo@{ids[1][:3]}\t", f"repo@{ids[1]}")
    typed(terminal, "synthstore verify --fail-on=w\t", "--fail-on=warning")
    terminal.process.kill()
    terminal.finish()


@needs("zsh")
def test_zsh_as_it_is_typed(place: Path, ids: tuple[str, str]) -> None:
    terminal = shell("zsh", "-f", "-i", place=place)
    start = f"fpath=({SCRIPTS} $fpath); autoload -Uz compinit; compinit -u -D"
    terminal.type(f"{start}; unsetopt zle_bracketed_paste; PROMPT='ready'; PROMPT+='> '\n")
    terminal.expect("ready> ")
    typed(terminal, "synthstore re\t\t", "rebuild-index", "restore")
    typed(terminal, "synthstore verify --fail-on w\t", "warning")
    typed(terminal, "synthstore verify --select V01\t\t", "positional-index", "V011")
    typed(terminal, "synthstore verify --select M001,V01\t\t", "positional-index", "V011")
    typed(terminal, "synthstore undo store \t", ids[0])
    typed(terminal, "synthstore restore new --repo repo --snapshot \t\t", "latest", ids[1])
    typed(terminal, "synthstore diff repo@\t\t", "latest", ids[1])
    typed(terminal, "synthstore snapshots \t\t", "check", "prune")
    terminal.process.kill()
    terminal.finish()


def test_the_answers(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    built.catalog.unlink()
    cli("repair", built.root, "-y")
    cli("undo", built.root, "-y")
    cli("backup", built.root, "--repo", tmp_path / "repo")
    runs = [(run.run, run.command) for run in reversed(list_runs(built.root))]
    answers = list(suggest.answer(["runs", "undo", str(built.root), ""], {}))
    assert [(run, what.partition(",")[0]) for run, what in answers] == runs
    (snapshot,) = cli("snapshots", "list", "--repo", tmp_path / "repo", "--json").document[
        "snapshots"
    ]
    time = snapshot["time"]
    repo = str(tmp_path / "repo")
    expected = [("latest", "the newest"), (snapshot["id"], f"{time[:10]} {time[11:16]}Z")]
    for words, environ in (
        (["restore", "new", "--repo", repo, "--snapshot", ""], {}),
        (["restore", "new", "--repo", "=", repo, "--snapshot", ""], {}),
        ([f"--repo={repo}", ""], {}),
        (["diff", f"{repo}@"], {}),
        (["restore", "new", "--snapshot", ""], {"SYNTHSTORE_REPOSITORY": repo}),
    ):
        assert list(suggest.answer(["snapshots", *words], environ)) == expected


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["nonsense"],
        ["runs"],
        ["runs", "none", "'torn"],
        ["snapshots"],
        ["snapshots", "--repo", "s3://bucket/repo", ""],
        ["snapshots", "--repo"],
    ],
)
def test_what_is_not_there_is_no_suggestion(args: list[str]) -> None:
    assert list(suggest.answer(args, {})) == []


def test_a_damaged_record_is_passed_over(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    built.catalog.unlink()
    cli("repair", built.root, "-y")
    (run,) = list_runs(built.root)
    (built.root / ".synthstore" / "runs" / run.run / "done").write_text("[]")
    assert list(suggest.answer(["runs", str(built.root)], {})) == []


def test_an_answer_imports_nothing_heavy(place: Path, ids: tuple[str, str]) -> None:
    code = (
        "import sys; sys.argv = ['synthstore', '__complete', 'runs', 'undo', 'store'];"
        "from synthstore.__main__ import main; main();"
        "print(sorted({'numpy', 'faiss', 'typer', 'rich', 'orjson', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True
    )
    told, modules = done.stdout.splitlines()
    assert told.startswith(f"{ids[0]}\trepair, ")
    assert modules == "[]"
