"""The snapshots' own files: all of them read, and what to do about one that cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from synthstore.repository.manifest import NEWER, Snapshot, id_of, read_snapshot, time_of
from synthstore.repository.place import SNAPSHOTS, LocalPlace, Place
from synthstore.shell import path_word


def listed(place: Place) -> tuple[tuple[Snapshot, ...], Mapping[str, str]]:
    """Those that can be read, oldest first, and the files that cannot, with why."""
    found: list[Snapshot] = []
    bad: dict[str, str] = {}
    for file in sorted(place.names(SNAPSHOTS)):
        try:
            found.append(read_snapshot(file, place.read(f"{SNAPSHOTS}/{file}")))
        except (ValueError, KeyError, TypeError) as error:
            bad[file] = str(error)
        except FileNotFoundError:
            continue
    return tuple(found), bad


def named(place: Place, file: str, why: str) -> str:
    """Which snapshot it is that cannot be read, where its file stands, and why."""
    time = time_of(file)
    which = "" if time is None else f" {id_of(file)} of {moment(time)}"
    return f"snapshot{which} cannot be read ({place.where}/{SNAPSHOTS}/{file}: {why})"


def moment(time: datetime) -> str:
    """When a snapshot was taken, for people."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def told(place: Place, file: str, why: str) -> str:
    """The same, and what to do."""
    remedy = "update synthstore" if why == NEWER else _unless_copied(place, file)
    # What it says of itself is not to be believed, its name neither.
    return f"{named(place, file, why)}, and may be of any store; {remedy}"


def unlisted(place: Place, snapshot: Snapshot, why: str) -> str:
    """That the list of a snapshot's files is lost, and what to do."""
    return (
        f"snapshot {snapshot.id}: its list of files: {why}; unless the next backup of"
        f" {snapshot.name!r} stores it again, nothing of that snapshot can be had any more:"
        f" {set_aside(place, snapshot.file)}"
    )


def set_aside(place: Place, file: str) -> str:
    """How a snapshot's file is put where nobody counts it any more, and is kept."""
    here = f"{place.where}/{SNAPSHOTS}/{file}"
    if isinstance(place, LocalPlace):
        return f"mv {path_word(here)} {path_word(f'{place.where}/{file}.lost')}"
    return f"move {here} out of that folder"


def _unless_copied(place: Place, file: str) -> str:
    return f"put a good copy of the file there, or else set it aside: {set_aside(place, file)}"
