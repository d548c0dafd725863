"""Names that mean the same in every layout: temporary files, and what is left alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from synthstore.layout.base import OWN_FOLDER

SUFFIX = ".json"

UUID_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json", re.IGNORECASE)

_SIDE = frozenset({"logs", "stats", "backups", "corrupted_backups", OWN_FOLDER})
_SIDE_PREFIX = "index_backup_"
_LEFTOVER = re.compile(
    r"\.tmp-.*"
    r"|.*\.tmp-[0-9a-f]+"
    r"|.*\.[0-9a-f]{8}\.tmp(\.json)?"
    r"|memory_index\.tmp"
    r"|.*\.json\.tmp"
    r"|faiss_index\.bin.*\.tmp\.[0-9]+",
    re.DOTALL,
)


def is_leftover(name: str) -> bool:
    """Whether a file's ``name`` is one that we or a Memory Core give to a file in the making."""
    return ".tmp" in name and _LEFTOVER.fullmatch(name) is not None


def is_side(path: str) -> bool:
    """Whether ``path`` is, or lies in, a folder that every layout leaves alone."""
    top = path.partition("/")[0]
    return top in _SIDE or top.startswith(_SIDE_PREFIX)


def is_entity_name(name: str) -> bool:
    """Whether ``name`` ends like an entity file's and is no shadow file of a Mac (``._*``)."""
    return name.endswith(SUFFIX) and not name.startswith("._")


def is_plain_name(name: str) -> bool:
    """Whether ``name`` is an entity file's and nothing else at the first look: nearly all are."""
    return name.endswith(SUFFIX) and ".tmp" not in name and not name.startswith(".")


def are_plain_names(names: Sequence[str]) -> bool:
    """Whether each of these names is a plain one, asked of all of them at once."""
    text = "/".join(names)
    if ".tmp" in text or "/." in f"/{text}":
        return False
    return f"{text}/".count(f"{SUFFIX}/") == len(names)


def stem(path: str) -> str:
    """The name at the end of ``path`` without ``.json``."""
    return path.rpartition("/")[2].removesuffix(SUFFIX)


def ids_between(paths: Sequence[str], before: str, after: str) -> list[str] | None:
    """What stands in each of the ``paths`` between these two texts; None unless both are in all.

    They are asked all at once, which takes a fifth of the time of one after the other. A path with
    a line break in it is as one that lacks them.
    """
    text = "\n".join(paths)
    inside = text.startswith(before) and text.endswith(after)
    if not inside or len(text) < len(before) + len(after):
        return None if paths else []
    found = text[len(before) : len(text) - len(after)].split(f"{after}\n{before}")
    whole = len(found) == len(paths) == text.count("\n") + 1
    return found if whole else None
