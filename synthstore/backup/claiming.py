"""The parts of a restored store, read while its entities are still written, or just are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from synthstore.layout.base import Layout
from synthstore.scan.known import Shared
from synthstore.scan.shard import ShardFacts

if TYPE_CHECKING:
    from synthstore.model.facts import IndexFacts
    from synthstore.scan.claims import Claims
    from synthstore.scan.inventory import EmbeddingTable
    from synthstore.store.flat_index import Twins


class Claiming:
    """Reads what catalog and mappings say as soon as they are written: they should come first.

    The look at the store has less to do then, and what is learned of many entities is never held
    without the texts that their rows have as well.
    """

    def __init__(
        self, root: Path, layout: Layout | None, first: Iterable[int], *, many: bool
    ) -> None:
        """For the store at ``root``, of ``many`` entities or few; of an unknown layout not at all.

        It waits for the files at the ``first`` places: its own, and what else takes much memory.
        """
        self._root, self._layout, self._many = root, layout, many
        self._missing = set(first)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synthstore-claims")
        self._reading: Future[Claims] | None = None
        self._shared: Shared | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        # What it reads is in nobody's way, whatever becomes of the files.
        self._thread.shutdown(wait=False)

    def written(self, places: range) -> None:
        """Note that the files at ``places`` stand by now."""
        self._missing.difference_update(places)
        if self._layout is not None and not self._missing and self._reading is None:
            self._reading = self._thread.submit(_read, self._root, self._layout)

    def share(self, facts: MutableMapping[int, ShardFacts], fresh: list[int]) -> None:
        """Let the ``fresh`` ones of ``facts`` have the texts of rows, if these are read by now."""
        if not self._many or self._reading is None or not self._reading.done():
            return
        if self._shared is None:
            catalog = self._reading.result().catalog.catalog
            self._shared = Shared(() if catalog is None else catalog.rows)
        while fresh:
            number = fresh.pop()
            facts[number] = self._shared.facts(facts[number])

    def claims(self) -> Claims | None:
        """What they say, once all is written; None if one of them never was."""
        return None if self._reading is None else self._reading.result()

    def index(self, tables: Mapping[int, EmbeddingTable]) -> Future[IndexFacts] | None:
        """The index, as it is being read and held against the embeddings of all files."""
        if self._layout is None or self._reading is None:
            return None
        twins = {dim: table.matrix for dim, table in tables.items()}
        return self._thread.submit(_read_index, self._root, self._layout, twins)


def _read_index(root: Path, layout: Layout, twins: Twins) -> IndexFacts:
    from synthstore.scan.claims import read_index_of  # noqa: PLC0415 - as read_claims

    return read_index_of(root, layout, twins)


def _read(root: Path, layout: Layout) -> Claims:
    from synthstore.scan.claims import read_claims  # noqa: PLC0415 - imported while workers write

    return read_claims(root, layout)
