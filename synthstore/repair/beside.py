"""Files that lie in a store's folders beside its own: leftovers, strangers, copies put aside."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

from synthstore.errors import SynthstoreError
from synthstore.files.walk import Entry, list_folder, look
from synthstore.layout.base import CATALOG_NAME, OWN_FOLDER
from synthstore.layout.names import SUFFIX, is_side
from synthstore.model.facts import StrayKind
from synthstore.scan.inventory import Inventory

MOST = 10_000
"""How many of them are looked into: a store may stand amid anything."""

DEEPEST = 4
"""How many folders below the store's own they may lie: ``backups/`` holds stores with folders."""


def files_beside(root: Path, inventory: Inventory, stems: Collection[str]) -> list[str]:
    """Their paths; those first whose name begins with one of the ``stems``.

    None of what stands for an entity or is a part, nor what lies in our own folder or in a store
    within the store.
    """
    listed = tuple(f"{folder}/" for folder in inventory.folders if folder)
    strays = [stray for stray in inventory.strays if stray.path.startswith(listed)]
    usable = [s for s in strays if s.kind in (StrayKind.LEFTOVER, StrayKind.FOREIGN)]
    files = (stray.path for stray in usable if "file" in stray.what)
    folders = (stray.path for stray in usable if "directory" in stray.what)
    deeper = chain.from_iterable(_below(root, inventory, path, DEEPEST - 1) for path in folders)
    found = sorted({*files, *deeper, *_below(root, inventory, "", DEEPEST)})
    found.sort(key=lambda path: not _named_for(path, stems))
    return found[:MOST]


def _named_for(path: str, stems: Collection[str]) -> bool:
    name = path.rpartition("/")[2].removeprefix(".")
    return any(name.partition(end)[0] in stems for end in (SUFFIX, "."))


def _below(root: Path, inventory: Inventory, folder: str, depth: int) -> Iterator[str]:
    """The files in a folder, and in those in it, so many folders deep."""
    layout = inventory.layout
    parts = (layout.catalog_path, layout.faiss_path, *layout.mapping_paths)
    for path, what, _ in _listed(root, folder):
        if what == "file" and path not in parts and path not in inventory.by_path:
            yield path
        elif what == "dir" and depth and not _is_apart(root, inventory, path):
            yield from _below(root, inventory, path, depth - 1)


def _is_apart(root: Path, inventory: Inventory, folder: str) -> bool:
    """Whether a folder is ours, or a store of its own, or one that the scan has listed."""
    if folder == OWN_FOLDER or folder in inventory.folders:
        return True
    return not is_side(folder) and look(root, f"{folder}/{CATALOG_NAME}") is not None


def _listed(root: Path, folder: str) -> list[Entry]:
    """What stands in a folder; one that cannot be listed holds nothing to use."""
    try:
        return list_folder(root, folder, names_only=True)
    except (OSError, SynthstoreError):
        return []
