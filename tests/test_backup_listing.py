"""A store is listed as it stands, however many files it has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synthstore.backup import listing
from synthstore.backup.listing import Standing, Status, list_tree, stand
from synthstore.files import walk
from synthstore.repository.path_column import RUN
from synthstore.testing.stores import Built, build


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return build("native", tmp_path / "store")


def test_columns_tell_what_objects_do(built: Built) -> None:
    folder = built.root / "memories" / "deeper"
    folder.mkdir(mode=0o750)
    for number in range(RUN + 1):
        (folder / f"{number}.txt").write_bytes(b"x" * (number % 7))
    (folder / os.fsdecode(b"no utf-8 \xff")).touch(mode=0o600)
    (built.root / "link").symlink_to("memories")
    os.mkfifo(built.root / "pipe")
    listed, standing = list_tree(built.root), stand(built.root)
    assert list(standing.paths) == sorted(listed.files)
    assert standing.folders == listed.folders
    assert set(standing.skipped) == set(listed.skipped) == {"link", "pipe"}
    for place, path in enumerate(standing.paths):
        assert standing.status(place) == Status.of(listed.files[path])
        assert standing.table["mode"][place] == listed.files[path].mode


def test_what_goes_or_is_replaced_while_a_store_is_listed(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, link, moved, *_ = [built.root / path for path in built.paths.values()]

    def list_folder(root: Path, folder: str, *, names_only: bool) -> list[walk.Entry]:
        found = walk.list_folder(root, folder, names_only=names_only)
        if folder == "memories":
            gone.unlink()
            link.unlink()
            link.symlink_to(moved)
        return found

    monkeypatch.setattr(listing, "list_folder", list_folder)
    paths = set(names(stand(built.root)))
    monkeypatch.undo()
    assert paths == set(names(stand(built.root)))
    assert moved.relative_to(built.root).as_posix() in paths


def names(standing: Standing) -> list[str]:
    return list(standing.paths)
