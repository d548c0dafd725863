"""A column of values, as small as they allow.

One value where all are the same, an array of numbers, the bytes of digests or of short texts, or
the values as they are.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

from synthstore.model.digests import are_digests

_TIMES = frozenset({"created_at", "updated_at"})


class Same(NamedTuple):
    """One value, so many times."""

    value: object
    times: int


class Digests(NamedTuple):
    """Hex digits of digests, all of one length."""

    digests: bytes
    size: int


class Times(NamedTuple):
    """Texts of ASCII characters, all of one length."""

    joined: bytes
    size: int


Column: TypeAlias = "Same | Digests | Times | array[Any] | tuple[Any, ...]"


def squeezed(values: tuple[Any, ...]) -> Column:
    """These values, at least one, as they take least room."""
    kinds = set(map(type, values))
    if kinds == {float}:
        # Zero has two signs, and what is no number equals nothing: no two floats count as the same.
        return array("d", values)
    first = values[0]
    if len(kinds) == 1 and first == values[-1] and values.count(first) == len(values):
        return Same(first, len(values))
    if kinds == {int}:
        try:
            return array("q", values)
        except OverflowError:
            return values
    if kinds == {str} and are_digests(values):
        return Digests(bytes.fromhex("".join(values)), len(values[0]) // 2)
    return values


def squeezed_field(name: str, values: tuple[Any, ...]) -> Column:
    """A field of records. Times go by their characters; others share the texts that rows have."""
    column = squeezed(values)
    if name not in _TIMES or column is not values or {str} != set(map(type, values)):
        return column
    joined, size = "".join(values), len(values[0])
    if not (joined.isascii() and {size}.issuperset(map(len, values))):
        return column
    return Times(joined.encode("ascii"), size)


def value_at(column: Column, at: int) -> Any:
    """What ``values_of`` gives at a place."""
    if isinstance(column, Same):
        return column.value
    if isinstance(column, Times):
        return column.joined[at * column.size : (at + 1) * column.size].decode("ascii")
    if isinstance(column, Digests):
        return column.digests[at * column.size : (at + 1) * column.size].hex()
    return column[at]


def values_of(column: Column) -> Iterable[Any]:
    """All values in their order, made as they are gone through."""
    if isinstance(column, Same):
        return repeat(column.value, column.times)
    if isinstance(column, Times):
        joined, size = column
        return (joined[at : at + size].decode("ascii") for at in range(0, len(joined), size))
    if isinstance(column, Digests):
        digests, size = column
        return (digests[at : at + size].hex() for at in range(0, len(digests), size))
    return column
