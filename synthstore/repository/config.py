"""The file that makes a folder a repository: written once, read before anything else."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import orjson

from synthstore.errors import NewerFormatError, NotAStoreError, UsageError
from synthstore.repository.manifest import FORMAT, NEWER
from synthstore.repository.place import CONFIG, Place
from synthstore.repository.shelf import listed


def begin(place: Place) -> bool:
    """Make a repository where nothing is, and say so; raises UsageError where something else is.

    A config that one lost is written anew.
    """
    if is_begun(place):
        if require_known(place) is not None:
            place.write(CONFIG, _config())
        return False
    place.prepare()
    place.write(CONFIG, _config())
    return True


def require_known(place: Place) -> str | None:
    """Raise NotAStoreError for what is no repository of ours, NewerFormatError for a newer one.

    Of one that lost its config, and whose snapshots tell all that it told, that is given.
    """
    hint = "name the directory that backup --repo made; or is its disk not mounted?"
    try:
        document = orjson.loads(place.read(CONFIG))
        number, envelope = document["format"], document["envelope"]
    except FileNotFoundError:
        if _tells_its_format(place):
            return _lost(place, "is missing")
        raise NotAStoreError(f"{place.where} is no repository", hint=hint) from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        if _tells_its_format(place):
            return _lost(place, "is unreadable")
        raise NotAStoreError(
            f"{place.where}: the repository's config is unreadable", hint=hint
        ) from error
    if number != FORMAT or envelope is not None:
        raise NewerFormatError(
            f"{place.where} was written by a newer synthstore",
            hint="update synthstore, then try again",
        )
    return None


def _tells_its_format(place: Place) -> bool:
    """Whether the snapshots say that all is of our format: each and every pack has it, too."""
    found, bad = listed(place)
    return bool(found) and NEWER not in bad.values()


def _lost(place: Place, how: str) -> str:
    return (
        f"{place.where}/{CONFIG}, which names the repository's format, {how}; the snapshots tell it"
        " too, so that all can be read, and the next backup writes it anew"
    )


def is_begun(place: Place) -> bool:
    """Whether a repository is there; raises UsageError where something else is."""
    # Taken, then looked for again: another process may be making the same repository.
    if _has_config(place):
        return True
    if not place.taken():
        return False
    if _has_config(place) or _tells_its_format(place):
        return True
    raise UsageError(
        f"{place.where} is neither empty nor a repository",
        hint="name another directory, or an empty one",
    )


def _has_config(place: Place) -> bool:
    try:
        place.read(CONFIG)
    except FileNotFoundError:
        return False
    return True


def _config() -> bytes:
    now = datetime.now(UTC).isoformat()
    document = {"format": FORMAT, "id": uuid.uuid4().hex, "made": now, "envelope": None}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
