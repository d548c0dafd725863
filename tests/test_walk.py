"""Looking into a tree without leaving it, following links or opening devices."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from synthstore.errors import OperationError, PermissionDeniedError
from synthstore.files import walk
from synthstore.files.walk import IrregularFileError, OversizeError
from synthstore.model.paths import confined
from tests.users import as_nobody, common_folder

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="drops privileges")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("memories/a.json", "memories/a.json"),
        ("./memories//a.json", "memories/a.json"),
        ("memories/", "memories"),
        ("...", "..."),
        ("a..b", "a..b"),
        ("", None),
        (".", None),
        ("..", None),
        ("../../x", None),
        ("/etc/x", None),
        ("memories/../index", None),
        ("memories\\a.json", None),
        ("..\\x", None),
        ("a\0b", None),
    ],
)
def test_confined(path: str, kept: str | None) -> None:
    assert confined(path) == kept


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.json").write_text("{}")
    root = tmp_path / "store"
    (root / "memories").mkdir(parents=True)
    (root / "memories" / "a.json").write_text('{"a": 1}')
    (root / "memories" / "link.json").symlink_to(outside / "secret.json")
    (root / "memories" / "dir.json").mkdir()
    os.mkfifo(root / "memories" / "fifo.json")
    (root / "away").symlink_to(outside)
    return root


def test_a_folder_is_listed_with_what_each_name_is(tree: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tree / "memories" / "s.json"))
    entries = walk.list_folder(tree, "memories")
    assert [(e.path, e.kind) for e in entries] == [
        ("memories/a.json", "file"),
        ("memories/dir.json", "dir"),
        ("memories/fifo.json", "fifo"),
        ("memories/link.json", "link"),
        ("memories/s.json", "socket"),
    ]
    assert entries[0].stat.size == 8
    assert [e.path for e in walk.list_folder(tree, "")] == ["away", "memories"]


def test_a_folder_is_empty_that_holds_nothing_of_any_kind(tree: Path) -> None:
    (tree / "bare").mkdir()
    found = {name: walk.is_empty(tree, name) for name in ("", "memories", "bare", "nowhere")}
    assert found == {"": False, "memories": False, "bare": True, "nowhere": True}
    (tree / "bare" / "link").symlink_to("nowhere")
    assert not walk.is_empty(tree, "bare")


def test_nothing_is_said_of_a_folder_that_may_not_be_listed() -> None:
    with common_folder() as folder:
        (folder / "shut").mkdir(mode=0o300)
        with as_nobody(), pytest.raises(PermissionDeniedError):
            walk.is_empty(folder, "shut")


@pytest.mark.parametrize("folder", ["", "memories", "away", "nowhere"])
def test_the_files_alone_are_those_of_the_listing(folder: str, tree: Path) -> None:
    for name in ("b.json", "B.json", "a-.json", "\udcff.json"):
        (tree / "memories" / name).write_bytes(b"")
    (tree / "memory_index.json").write_bytes(b"{}")
    files = [e.path for e in walk.list_folder(tree, folder) if e.kind == "file"]
    names = walk.FileNames(tree)
    prefix = folder + "/" if folder else ""
    assert [prefix + name for name in names.of(folder)] == files
    assert names.readable(folder) == names.of(folder)
    assert len(files) == {"": 1, "memories": 5}.get(folder, 0)


@pytest.mark.parametrize("folder", ["", "memories", "away", "nowhere"])
def test_names_and_what_else_stands_there_are_the_listing(folder: str, tree: Path) -> None:
    for name in ("b.json", "B.json", "\udcff.json"):
        (tree / "memories" / name).write_bytes(b"")
    entries = walk.list_folder(tree, folder)
    names, others = walk.list_names(tree, folder)
    prefix = folder + "/" if folder else ""
    assert [prefix + name for name in names] == [e.path for e in entries if e.kind == "file"]
    assert others == [e for e in entries if e.kind != "file"]


def test_statuses_are_those_of_regular_files(tree: Path) -> None:
    paths = ["gone/x.json", "memories/a.json", "memories/gone.json", "memories/link.json"]
    found = dict(walk.statuses(tree, paths))
    assert list(found) == ["memories/a.json"]
    columns = walk.stat_columns(found.values())
    assert list(zip(*columns, strict=True)) == [walk.stat_of((tree / "memories/a.json").stat())]


def test_a_folder_is_listed_once(tree: Path) -> None:
    names = walk.FileNames(tree)
    assert (names.of("memories"), names.of("nowhere")) == (["a.json"], [])
    (tree / "memories" / "b.json").write_bytes(b"")
    (tree / "nowhere").mkdir()
    (tree / "nowhere" / "c.json").write_bytes(b"")
    assert (names.of("memories"), names.of("nowhere")) == (["a.json"], [])
    assert walk.FileNames(tree).of("memories") == ["a.json", "b.json"]


def test_bytes_alone_are_read_as_with_their_status(tree: Path) -> None:
    with walk.open_folder(tree, "memories") as fd:
        assert walk.bytes_at(fd, "a.json", "a") == walk.read_at(fd, "a.json", "a")[0] == b'{"a": 1}'
        with pytest.raises(OversizeError):
            walk.bytes_at(fd, "a.json", "a", 7)
        for irregular in ("link.json", "dir.json", "fifo.json"):
            with pytest.raises(IrregularFileError):
                walk.bytes_at(fd, irregular, "a")
        with pytest.raises(FileNotFoundError):
            walk.bytes_at(fd, "no.json", "a")


def test_a_folder_behind_a_link_is_no_folder(tree: Path) -> None:
    assert walk.list_folder(tree, "away") == []
    assert not walk.is_folder(tree, "away")
    assert not walk.is_folder(tree, "memories/a.json")
    assert not walk.is_folder(tree, "nowhere")
    assert walk.is_folder(tree, "memories")
    assert walk.is_folder(tree, "")


def test_the_root_itself_may_be_a_link(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "name").symlink_to(tree)
    assert walk.read_file(tmp_path / "name", "memories/a.json")[0] == b'{"a": 1}'


def test_a_file_is_read_with_its_status(tree: Path) -> None:
    raw, found = walk.read_file(tree, "memories/a.json")
    status = (tree / "memories" / "a.json").stat()
    assert raw == b'{"a": 1}'
    assert found == walk.stat_of(status)
    assert found.mode == stat.S_IMODE(status.st_mode)


@pytest.mark.parametrize("name", ["link.json", "dir.json", "fifo.json"])
def test_only_regular_files_are_read(tree: Path, name: str) -> None:
    with pytest.raises(IrregularFileError):
        walk.read_file(tree, f"memories/{name}")


@pytest.mark.parametrize("name", ["link.json", "dir.json", "fifo.json"])
def test_what_is_no_file_any_more_is_not_read(tree: Path, name: str) -> None:
    with walk.open_folder(tree, "memories") as fd, pytest.raises(IrregularFileError):
        walk.read_listed(fd, name, name, 1 << 20)


@NEEDS_ROOT
def test_a_device_is_never_opened(tree: Path) -> None:
    os.mknod(tree / "zero.json", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    with pytest.raises(IrregularFileError):
        walk.read_file(tree, "zero.json")
    assert walk.look(tree, "zero.json") is not None


@pytest.mark.parametrize(
    "path",
    ["memories/none.json", "away/secret.json", "none/a.json", "memories/a.json/x", "x" * 300],
)
def test_what_is_not_there(tree: Path, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        walk.read_file(tree, path)
    assert walk.look(tree, path) is None


def test_the_cap_is_kept_before_reading(tree: Path) -> None:
    assert walk.read_file(tree, "memories/a.json", cap=8)[1].size == 8
    with pytest.raises(OversizeError) as caught:
        walk.read_file(tree, "memories/a.json", cap=7)
    assert caught.value.stat.size == 8


def test_a_name_that_is_no_utf8_survives(tree: Path) -> None:
    (tree / os.fsdecode(b"\xff.json")).write_bytes(b"{}")
    (path,) = [e.path for e in walk.list_folder(tree, "") if e.kind == "file"]
    assert walk.read_file(tree, path)[0] == b"{}"


def test_a_file_that_grows_is_read_to_its_end(tree: Path) -> None:
    path = tree / "big.json"
    path.write_bytes(os.urandom(3_000_000))
    assert walk.read_file(tree, "big.json")[0] == path.read_bytes()


@NEEDS_ROOT
def test_a_refusal_names_the_file_and_the_remedy(tree: Path) -> None:
    (tree / "memories" / "a.json").chmod(0o600)
    script = (
        "import os, pwd, sys\n"
        "from pathlib import Path\n"
        "from synthstore.errors import PermissionDeniedError\n"
        "from synthstore.files.walk import read_file\n"
        "os.setuid(65534)\n"
        "try: read_file(Path(), 'memories/a.json')\n"
        "except PermissionDeniedError as e: sys.stdout.write(e.message + '|' + str(e.hint))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.stdout == (
        "cannot read memories/a.json: Permission denied|"
        "run it as its owner: `sudo -u root synthstore ...` (now -rw-------, owner root)"
    )


def test_a_denied_error_is_an_operation_error() -> None:
    assert issubclass(PermissionDeniedError, OperationError)
