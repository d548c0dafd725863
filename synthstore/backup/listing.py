"""What of a store goes into a snapshot, and in which order it is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthstore.errors import PermissionDeniedError
from synthstore.files.walk import list_folder, stat_of
from synthstore.layout.base import OWN_FOLDER, Layout, Place
from synthstore.layout.detect import SUPPORTED
from synthstore.layout.native import Native
from synthstore.model.facts import Stat
from synthstore.model.ids import Kind
from synthstore.repository.manifest import FolderRow, Snapshot

EXCLUDED = frozenset(
    {f"{OWN_FOLDER}/runs", f"{OWN_FOLDER}/lock", f"{OWN_FOLDER}/write.lock", "backups"}
)
"""Neither the store's content nor needed to have it back."""

CHANGES = f"{OWN_FOLDER}/changes.log"

_KINDS: Mapping[Place, Kind] = {Place.MEMORY: "memory", Place.ASSEMBLY: "assembly"}


@dataclass(slots=True)
class Listed:
    """A store's files and folders, as they stood."""

    files: dict[str, Stat] = field(default_factory=dict)
    folders: list[FolderRow] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Links and devices, which are never followed."""
    problems: dict[str, str] = field(default_factory=dict)
    """What could not be listed, and why."""


def list_tree(root: Path, excluded: Collection[str] = EXCLUDED) -> Listed:
    """List everything below ``root`` but the ``excluded`` paths; opens no file."""
    listed = Listed()
    top = stat_of(root.stat())
    listed.folders.append(FolderRow("", top.mode, top.mtime_ns))
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list_folder(root, folder)
        except PermissionDeniedError as error:
            listed.problems[folder] = error.message
            continue
        for path, kind, stat in entries:
            if path in excluded:
                continue
            if kind == "file":
                listed.files[path] = stat
            elif kind == "dir":
                listed.folders.append(FolderRow(path, stat.mode, stat.mtime_ns))
                waiting.append(path)
            else:
                listed.skipped.append(path)
    return listed


def layout_of(snapshot: Snapshot) -> Layout:
    """The layout that a snapshot's store had, as far as names go."""
    return SUPPORTED.get(snapshot.layout, Native)()


def kind_at(layout: Layout, path: str) -> Kind | None:
    """What kind of entity belongs at ``path``, if one does."""
    return _KINDS.get(layout.place(path))


def is_part(layout: Layout, path: str) -> bool:
    """Whether ``path`` refers to entity files, and so is read after them."""
    return path in (layout.catalog_path, layout.faiss_path, CHANGES, *layout.mapping_paths)
