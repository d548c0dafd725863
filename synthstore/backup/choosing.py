"""Which snapshot is meant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from synthstore.errors import UsageError
from synthstore.repository.manifest import Snapshot
from synthstore.repository.naming import HINT, several

LATEST = "latest"


def choose(snapshots: Sequence[Snapshot], wanted: str, name: str | None, likely: str) -> Snapshot:
    """The snapshot that ``wanted`` (latest, an id or a time) means, oldest-first given all.

    ``name`` narrows it down; without it ``likely`` does if the repository knows that name. A time
    means the newest at or before it. Raises UsageError.
    """
    by_id = [one for one in snapshots if one.id and one.id.startswith(wanted.lower())]
    if len(by_id) == 1 and (name is None or by_id[0].name == name):
        return by_id[0]
    named = _named(snapshots, name, likely)
    if wanted != LATEST:
        before = _time(wanted)
        named = [one for one in named if one.time <= before]
    if not named:
        raise UsageError(
            f"no snapshot {wanted!r}" + (f" of {name!r}" if name else ""),
            hint=HINT,
        )
    return max(named, key=lambda one: (one.time, one.file))


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
            hint="write latest, an id of 'snapshots list', or a time such as 2025-03-18T15:30",
        ) from error
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
