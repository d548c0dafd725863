"""Which snapshot is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from synthstore.errors import UsageError
from synthstore.repository import shelf
from synthstore.repository.manifest import Snapshot, id_of, time_of
from synthstore.repository.naming import listing, several
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.shell import cited

LATEST = "latest"


def choose(
    repository: Repository,
    snapshots: Sequence[Snapshot],
    wanted: str,
    name: str | None,
    likely: str,
    *,
    ask: Callable[[str], str],
) -> Snapshot:
    """The snapshot that ``wanted`` (latest, an id or a time) means, all that can be read given.

    ``name`` narrows it down; without it ``likely`` does if the repository knows that name. A time
    means the newest at or before it. Raises UsageError, and LostObjectError where the one that is
    meant may be one that cannot be read: an older one is had only if it is asked for by its id,
    which ``ask`` spells.
    """
    by_id = [one for one in snapshots if one.id and one.id.startswith(wanted.lower())]
    if len(by_id) == 1 and (name is None or by_id[0].name == name):
        return by_id[0]
    _refuse_unread(repository, wanted)
    named = _named(snapshots, name, likely)
    before = _time(wanted) if wanted != LATEST else datetime.max.replace(tzinfo=UTC)
    named = [one for one in named if one.time <= before]
    if not named:
        raise UsageError(
            f"no snapshot {wanted!r}" + (f" of {name!r}" if name else ""),
            hint=listing(repository.place.where),
        )
    found = max(named, key=lambda one: (one.time, one.file))
    _refuse_older(repository, found, before, ask)
    return found


def sound_before(snapshots: Sequence[Snapshot], snapshot: Snapshot) -> Snapshot | None:
    """The newest before a damaged or partial snapshot that is neither; None for a good one."""
    if snapshot.good:
        return None
    same = (one for one in snapshots if one.name == snapshot.name and one.good)
    older = (one for one in same if one.time < snapshot.time)
    return max(older, key=lambda one: one.time, default=None)


def _refuse_unread(repository: Repository, wanted: str) -> None:
    """Raise LostObjectError for the id of a snapshot that cannot be read."""
    for file, why in repository.unread.items():
        if wanted and id_of(file).startswith(wanted.lower()):
            raise LostObjectError(
                shelf.named(repository.place, file, why), hint=listing(repository.place.where)
            )


def _refuse_older(
    repository: Repository, found: Snapshot, before: datetime, ask: Callable[[str], str]
) -> None:
    """Raise LostObjectError where a snapshot that cannot be read is newer, and may be meant."""
    for file, why in repository.unread.items():
        time = time_of(file)
        if time is not None and found.time < time <= before:
            raise LostObjectError(
                f"{shelf.named(repository.place, file, why)}, and may be the one that is meant",
                hint=f"the newest before it is {found.id} of {shelf.moment(found.time)};"
                f" to take that one: {ask(found.id)}",
            )


def _named(snapshots: Sequence[Snapshot], name: str | None, likely: str) -> list[Snapshot]:
    names = {one.name for one in snapshots}
    if name is None and len(names) > 1:
        if likely not in names:
            raise several(names)
        name = likely
    return [one for one in snapshots if name is None or one.name == name]


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no snapshot id and no time",
            hint=f"write latest, an id of {cited('synthstore snapshots list')}, or a time such as"
            " 2025-03-18T15:30",
        ) from error
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
