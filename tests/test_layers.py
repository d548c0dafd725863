"""Who may import what, and who may change a file system."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import synthstore

ROOT = Path(synthstore.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))

MUTATING = frozenset(
    {
        "chmod", "chown", "fchmod", "fchown", "lchown", "ftruncate", "truncate", "link", "symlink",
        "hardlink_to", "symlink_to", "makedirs", "mkdir", "mkfifo", "mknod", "mkdtemp", "mkstemp",
        "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "remove", "removedirs",
        "rename", "renames", "replace", "rmdir", "rmtree", "setxattr", "touch", "unlink", "utime",
        "write_bytes", "write_text", "write_index", "tofile", "save", "savez", "copy2", "copyfile",
        "copytree", "move", "sendfile", "posix_fallocate",
    }
)  # fmt: skip
TO_A_PIPE = {
    "cli/streams.py: open",  # /dev/null, for the stream of a reader that has gone
    "store/faiss_child.py: fdopen",  # the child's own stdout
    "store/faiss_child.py: write_index",  # into that
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in SOURCES:
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def users_of(package: str) -> set[str]:
    return {
        name
        for name, tree in trees()
        if any(module.partition(".")[0] == package for module in imported(tree))
    }


def test_faiss_is_known_in_the_store_only() -> None:
    users = users_of("faiss")
    assert users
    assert all(name.startswith("store/") for name in users)


def test_rich_is_known_to_render_only() -> None:
    users = users_of("rich")
    assert users
    assert all(name.startswith("render/") for name in users)


def test_typer_is_known_to_the_command_line_only() -> None:
    users = users_of("typer")
    assert users
    assert all(name.startswith("cli/") for name in users)


def opens_for_writing(call: ast.Call) -> bool:
    """Whether an ``open`` gets a mode, or flags, with which something can be written."""
    path = 1 if isinstance(call.func, ast.Name) or "os." in ast.unparse(call.func) else 0
    given = [*call.args[path:], *(keyword.value for keyword in call.keywords)]
    modes = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    flags = {
        node.attr for arg in given for node in ast.walk(arg) if isinstance(node, ast.Attribute)
    }
    writing = flags & {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}
    return bool(writing) or any(set(mode) & set("wax+") for mode in modes if len(mode) <= 3)


def mutations(tree: ast.AST) -> Iterator[str]:
    """Calls that change a file system, as far as names tell."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in ("open", "fdopen") and opens_for_writing(node):
            yield name
        if isinstance(function, ast.Attribute) and name in MUTATING and not harmless(node):
            yield name


def harmless(call: ast.Call) -> bool:
    """Methods of the same name that touch no file: of strings, lists and sets."""
    assert isinstance(call.func, ast.Attribute)
    name, count = call.func.attr, len(call.args)
    owner = call.func.value
    if isinstance(owner, ast.Name) and owner.id in ("os", "shutil", "tempfile", "faiss", "np"):
        return False
    if name in ("save", "savez"):
        return True
    # Path.replace takes one argument, those of str, datetime and dataclasses two, or keywords only;
    # remove with one is of lists, for Path has none.
    return (name == "replace" and count != 1) or (name == "remove" and count == 1)


def test_only_files_changes_a_file_system() -> None:
    found = {
        f"{name}: {what}"
        for name, tree in trees()
        # Stores are hurt for tests by what would never do it carefully.
        if not name.startswith(("files/", "testing/"))
        for what in mutations(tree)
    }
    assert found - TO_A_PIPE == set()


@pytest.mark.parametrize(
    "code",
    [
        "open('x', 'w')",
        "path.open(mode='ab')",
        "os.open(p, os.O_CREAT | os.O_WRONLY)",
        "path.write_text('x')",
        "path.replace(other)",
        "os.replace(a, b)",
        "shutil.rmtree(a)",
        "os.remove(a)",
        "tempfile.mkdtemp()",
        "faiss.write_index(i, p)",
    ],
)
def test_the_test_would_see_it(code: str) -> None:
    assert list(mutations(ast.parse(code)))


@pytest.mark.parametrize("code", ["open('x')", "text.replace('a', 'b')", "replace(x, a=1)"])
def test_the_test_lets_readers_be(code: str) -> None:
    assert not list(mutations(ast.parse(code)))


def test_imports_point_down_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_module_imports() -> None:
    for module in pkgutil.walk_packages([str(ROOT)], "synthstore."):
        if module.name != "synthstore.__main__":
            importlib.import_module(module.name)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_grows_beyond_reading(path: Path) -> None:
    assert path.read_text().count("\n") <= 400


def test_there_is_one_event_loop() -> None:
    calls = [
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "run"
        and isinstance(node.value, ast.Name)
        and node.value.id == "asyncio"
    ]
    # The library's writing thread has no loop, and waits for a whole look or repair. A worker that
    # looks while others read, fixtures and what they start are outside any.
    outside = {"backup/judging.py", "testing/making.py", "testing/interrupt.py"}
    assert set(calls) == {"cli/command.py", "persistence/tasks.py"} | outside
