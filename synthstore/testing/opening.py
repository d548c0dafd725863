"""A store on the disk as a ``Built`` one, so that it can be damaged by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from synthstore.testing.damages import BY_NAME, Damage
from synthstore.testing.spelling import Doc, Name
from synthstore.testing.stores import Built

MEMORIES, ASSEMBLIES = 12, 2
"""How many entities the table of damages has names for."""


def inflict(store: Path | str, name: str) -> Damage:
    """Do the damage ``name`` of the table to a healthy store, and return its row.

    Raises ValueError where no damage has that name, where the store is of a layout that it does
    not happen to, or has too few entities for it.
    """
    damage = BY_NAME.get(name)
    if damage is None:
        near = ", ".join(get_close_matches(name, BY_NAME)) or ", ".join(sorted(BY_NAME))
        raise ValueError(f"no damage is named {name!r}; there are: {near}")
    built = opened(Path(store))
    if built.layout not in damage.layouts:
        raise ValueError(f"{name} does not happen to {built.layout} stores")
    damage.apply(built)
    return damage


def opened(root: Path) -> Built:
    """The healthy store at ``root``; raises ValueError where it is none, or has too few."""
    catalog = root / "memory_index.json"
    if not catalog.is_file():
        raise ValueError(f"{root} has no memory_index.json: only a healthy store can be damaged")
    document: Doc = json.loads(catalog.read_bytes())
    layout = _layout(document)
    paths = {is_memory: dict(_paths(document, is_memory)) for is_memory in (True, False)}
    _require_enough(root, paths)
    all_paths = paths[True] | paths[False]
    docs = {key: json.loads((root / path).read_bytes()) for key, path in all_paths.items()}
    return Built(root, layout, tuple(paths[True]), tuple(paths[False]), all_paths, docs)


def _require_enough(root: Path, paths: Mapping[bool, Mapping[str, str]]) -> None:
    memories, assemblies = len(paths[True]), len(paths[False])
    if memories < MEMORIES or assemblies < ASSEMBLIES:
        raise ValueError(
            f"{root} has {memories} memories and {assemblies} assemblies; "
            f"damages need {MEMORIES} and {ASSEMBLIES} to choose from"
        )


def _layout(document: Doc) -> Name:
    if "metadata" in document and "memories" in document:
        return "native"
    foldered = any(row["path"].startswith("memories/") for row in document.values())
    return "core-4" if foldered else "core-3"


def _paths(document: Doc, is_memory: bool) -> Iterator[tuple[str, str]]:
    """Id → path of all memories, or of all assemblies."""
    if _layout(document) == "native":
        rows = document["memories" if is_memory else "assemblies"]
        return ((key, row["filepath"]) for key, row in rows.items())
    rows = document.items()
    return ((key, row["path"]) for key, row in rows if (row["type"] == "memory") is is_memory)
