"""The command line that does what a dry run has planned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthstore.repair.plan import IndexWish
from synthstore.repair.wishes import Wishes
from synthstore.shell import path_word, word
from synthstore.verify import LookOptions

_ONLY = {frozenset({"catalog"}): "memory-index", frozenset({"index"}): "vectors"}


def as_planned(
    command: str,
    store: Path,
    *,
    look: LookOptions,
    wishes: Wishes,
    wish: IndexWish,
    rebuild: frozenset[str],
) -> str:
    """The same command without ``--dry-run``: with whatever else chooses what it does."""
    options = map(word, [*_of_wishes(wishes), *_of_index(wish, rebuild)])
    return " ".join(["synthstore", command, path_word(store), *look.asked, *options])


def _of_wishes(wishes: Wishes) -> Iterator[str]:
    if wishes.safe:
        yield "--safe"
    for option, codes in (
        ("--select", wishes.select),
        ("--ignore", wishes.ignore),
        ("--accept", wishes.accept),
    ):
        if codes:
            yield from (option, ",".join(codes))
    if wishes.accept_all:
        yield "--all"
    # An id may begin like an option.
    yield from (f"--id={entity_id}" for entity_id in sorted(wishes.ids))
    if wishes.allow_shrink:
        yield "--allow-shrink"


def _of_index(wish: IndexWish, rebuild: frozenset[str]) -> Iterator[str]:
    if rebuild in _ONLY:
        yield from ("--only", _ONLY[rebuild])
    for option, value in (("--factory", wish.factory), ("--metric", wish.metric)):
        if value is not None:
            yield from (option, value)
