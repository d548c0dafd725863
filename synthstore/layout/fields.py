"""Fields of parsed documents, read without trusting their types; what is wrong is noted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from synthstore.model.catalog import Scalar
from synthstore.model.times import instant_us

_DIGEST_BYTES = 32
DIGEST_PREFIX = "sha256:"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_MODEL_KEYS = ("embedding_model", "embedding_model_name")


def text(value: object) -> str | None:
    """``value`` if it is a string."""
    return value if isinstance(value, str) else None


def number(value: object) -> float | None:
    """``value`` if it is a finite number; a bool is none."""
    # Only this type is asked for most times, and at once.
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def scalar(value: object) -> Scalar:
    """``value`` if a time could be spelt so: a string or a finite number."""
    return value if isinstance(value, str) else number(value)


def count(value: object) -> int | None:
    """``value`` if it is a whole number of things."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and isinstance(value, int) and value >= 0 else None


def digest(value: object) -> str | None:
    """The hex digits of a ``sha256:<hex>``, in lower case; the prefix may be missing."""
    if not isinstance(value, str):
        return None
    usual = _DIGEST.fullmatch(value)
    if usual:
        return usual[1]
    digits = value.lower().removeprefix(DIGEST_PREFIX)
    try:
        size = len(bytes.fromhex(digits))
    except ValueError:
        return None
    # fromhex passes over blanks, so the length of the text counts as well.
    return digits if (size, len(digits)) == (_DIGEST_BYTES, 2 * _DIGEST_BYTES) else None


def same_score(one: float, other: float) -> bool:
    """Whether two scores are one, but for the last digits of a float."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


Reader = Callable[[object], object]
"""Gives a value back if it is of the right type, else None."""


def sorted_out(
    raw: Mapping[str, object], readers: Mapping[str, Reader]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The values of ``raw`` as ``readers`` give them, and the keys of those of a wrong type.

    What is missing or null is neither.
    """
    found: dict[str, Any] = {}
    malformed: tuple[str, ...] = ()
    for key, value in raw.items():
        read = readers.get(key)
        if read is None or value is None:
            continue
        found[key] = read(value)
        if found[key] is None:
            del found[key]
            malformed += (key,)
    # In the readers' order, whatever that of the row is.
    return found, tuple(key for key in readers if key in malformed) if malformed else ()


class Fields:
    """The fields of one entity document; ``problems`` collects what is out of range (M008)."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._document = document
        self.problems: list[str] = []

    def time(self, key: str) -> tuple[Scalar, int | None]:
        """A time as it is spelt, and its instant in microseconds since the epoch."""
        value = self._document.get(key)
        spelt, instant = scalar(value), instant_us(value)
        if value is not None and instant is None:
            self.problems.append(f"{key} is no readable time")
        return spelt, instant

    def score(self, key: str) -> float | None:
        """A score, which should lie in 0..1; None where it is no finite number."""
        value = self._document.get(key)
        found = number(value)
        if value is not None and found is None:
            self.problems.append(f"{key} is no number")
        elif found is not None and not 0 <= found <= 1:
            self.problems.append(f"{key} is not within 0 and 1")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of a list."""
        value = self._document.get(key)
        items = value if isinstance(value, list) else []
        found = tuple(item for item in items if isinstance(item, str))
        if len(found) < len(items) or (value is not None and not isinstance(value, list)):
            self.problems.append(f"{key} is no list of strings")
        return found

    def model(self) -> str | None:
        """The embedding model that the metadata names.

        ``model`` alone is not taken for it: it mostly names the language model that spoke.
        """
        metadata = self._document.get("metadata")
        if not isinstance(metadata, dict):
            return None
        for key in _MODEL_KEYS:
            named = text(metadata.get(key))
            if named:
                return named
        return None
