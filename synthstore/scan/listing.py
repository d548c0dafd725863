"""What stands where: the store's folders listed and every name put in its place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from operator import itemgetter
from pathlib import Path

from synthstore.errors import PermissionDeniedError
from synthstore.files.failure import access_remedy
from synthstore.files.walk import NOT_LOOKED_AT, Entry, list_folder, list_names, look
from synthstore.layout.base import CATALOG_NAME, KIND_OF_PLACE, Layout, Place
from synthstore.layout.names import are_plain_names, is_plain_name
from synthstore.model.facts import Stray, StrayKind
from synthstore.model.ids import Kind
from synthstore.scan.inventory import AccessProblem
from synthstore.scan.shard import Candidate
from synthstore.shell import as_owner, cited, owner_name, path_word

_MENTIONED = frozenset({Place.LEFTOVER, Place.FOREIGN, Place.ELSEWHERE})

WHAT = {
    "dir": "directory",
    "link": "symbolic link",
    "fifo": "FIFO",
    "socket": "socket",
    "block": "block device",
    "char": "character device",
    "file": "file",
}


@dataclass(slots=True)
class Listing:
    """The names of one store, sorted out."""

    candidates: list[Candidate] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)
    folders: dict[str, bool] = field(default_factory=dict)
    access: list[AccessProblem] = field(default_factory=list)


def list_store(root: Path, layout: Layout, *, names_only: bool = False) -> Listing:
    """List the layout's folders; links are never followed, and no file is opened.

    With ``names_only`` candidates have NOT_LOOKED_AT for a status.
    """
    listing = Listing()
    for folder in dict.fromkeys(("", *layout.entity_folders, *layout.part_folders)):
        if folder:
            listing.folders[folder] = _is_folder(root, folder, layout, listing)
            if not listing.folders[folder]:
                continue
        for entry in _entries(root, folder, layout, listing, names_only=names_only):
            _sort_out(root, layout, entry, listing)
    listing.candidates.sort(key=itemgetter(0))
    listing.strays.sort(key=lambda stray: stray.path)
    return listing


def _is_folder(root: Path, folder: str, layout: Layout, listing: Listing) -> bool:
    entry = look(root, folder)
    if entry is None:
        return False
    if entry.kind != "dir":
        kind: Kind = "assembly" if folder == "assemblies" else "memory"
        entity_kind = kind if folder in layout.entity_folders else None
        listing.strays.append(
            Stray(StrayKind.IRREGULAR, folder, WHAT[entry.kind], entry.stat, entity_kind)
        )
    return entry.kind == "dir"


def _entries(
    root: Path, folder: str, layout: Layout, listing: Listing, *, names_only: bool
) -> Iterator[Entry]:
    """What needs a closer look of all that stands in a folder; plain files are candidates."""
    kind = layout.plain_kinds.get(folder)
    try:
        if kind is not None and names_only:
            yield from _named(root, folder, kind, listing)
            return
        for entry in list_folder(root, folder, names_only=names_only):
            path, what, stat = entry
            if kind is not None and what == "file" and is_plain_name(path[len(folder) + 1 :]):
                listing.candidates.append(Candidate(path, kind, stat))
            else:
                yield entry
    except PermissionDeniedError as error:
        where = look(root, folder) if folder else None
        if where is None:
            raise
        listing.access.append(access_problem(root, where, error.message))


def _named(root: Path, folder: str, kind: Kind, listing: Listing) -> Iterator[Entry]:
    """As ``_entries``, at half the cost, for who asks for names only."""
    names, others = list_names(root, folder)
    plain = names if are_plain_names(names) else list(filter(is_plain_name, names))
    paths = [f"{folder}/{name}" for name in plain]
    listing.candidates += map(Candidate, paths, repeat(kind), repeat(NOT_LOOKED_AT))
    yield from others
    if len(plain) < len(names):
        odd = (name for name in names if not is_plain_name(name))
        yield from (Entry(f"{folder}/{name}", "file", NOT_LOOKED_AT) for name in odd)


def _sort_out(root: Path, layout: Layout, entry: Entry, listing: Listing) -> None:
    is_dir = entry.kind == "dir"
    place = layout.place(entry.path, is_dir=is_dir)
    kind, what = KIND_OF_PLACE.get(place), WHAT[entry.kind]
    if kind is not None:
        if entry.kind == "file":
            listing.candidates.append(Candidate(entry.path, kind, entry.stat))
        else:
            listing.strays.append(Stray(StrayKind.IRREGULAR, entry.path, what, entry.stat, kind))
        return
    if place in _MENTIONED and (seen := _looked_at(root, entry)) is not None:
        if place is Place.LEFTOVER:
            what = f"temporary {what}"
            listing.strays.append(Stray(StrayKind.LEFTOVER, entry.path, what, seen.stat))
        else:
            _foreign(root, place, seen, what, listing)


def _looked_at(root: Path, entry: Entry) -> Entry | None:
    """The entry with its status; None if it is gone."""
    return look(root, entry.path) if entry.stat == NOT_LOOKED_AT else entry


def _foreign(root: Path, place: Place, entry: Entry, what: str, listing: Listing) -> None:
    is_dir = entry.kind == "dir"
    if is_dir and look(root, f"{entry.path}/{CATALOG_NAME}") is not None:
        listing.strays.append(Stray(StrayKind.NESTED_STORE, entry.path, "store", entry.stat))
    elif place is Place.FOREIGN:
        listing.strays.append(Stray(StrayKind.FOREIGN, entry.path, what, entry.stat))


def access_problem(root: Path, entry: Entry, message: str) -> AccessProblem:
    """What stands in the way at ``entry``, and the command that would clear it."""
    shown = root / entry.path
    evidence = {"owner": owner_name(entry.stat.uid), "mode": f"{entry.stat.mode:04o}"}
    try:
        status = shown.lstat()
        remedy = access_remedy(shown, status, write=False)
        if status.st_uid != os.geteuid():
            mine = f"sudo chown {owner_name(os.geteuid())} {path_word(shown)}"
            remedy += f"; or make it yours: {cited(mine)}"
    except OSError:
        remedy = f"run it as its owner: {as_owner(entry.stat.uid)}"
    return AccessProblem(entry.path, message, evidence, remedy)
