"""What follows when entity files are put into a store: their rows and their vectors.

Restores and imports plan their files themselves. What the store must be around them is worked out
here as a repair would, from the inventory as it will be once the files stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthstore.errors import RefusedError
from synthstore.model.chosen import Vectors, detached
from synthstore.model.embedding import FloatVector
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef
from synthstore.model.paths import folder_of
from synthstore.repair.plan import IndexWish
from synthstore.repair.planning import Planned, plan_repair
from synthstore.repair.refusals import Cause, Refusal, settling
from synthstore.repair.sources import Source
from synthstore.repair.wishes import Wishes
from synthstore.scan.growing import GrowingTable, joined
from synthstore.scan.inventory import EmbeddingTable, Inventory
from synthstore.shell import path_word

FOLLOWING = (
    "C001", "C002", "C003", "C004", "C005", "C006", "C007", "C008", "M002", "A002", "M004", "A004",
    "V001", "V002", "V003", "V005", "V006", "V007", "V011",
)  # fmt: skip
"""What is mended around placed entities, so that rows and vectors follow their files."""


class Placed:
    """Entity files that a run is to put in place, as a scan will see them."""

    def __init__(self) -> None:
        self.files: dict[str, EntityFile] = {}
        """By path."""
        self._rows: dict[int, GrowingTable] = {}

    def add(self, file: EntityFile, vector: FloatVector | None) -> None:
        """Note one whole file, and its embedding where that is valid."""
        self.files[file.path] = file
        if vector is not None:
            rows = self._rows.get(file.dim)
            if rows is None:
                rows = self._rows[file.dim] = GrowingTable(file.dim)
            rows.add(file.path, vector)

    @property
    def refs(self) -> frozenset[EntityRef]:
        """The entities that the files bear."""
        return frozenset(file.ref for file in self.files.values() if file.ref is not None)

    def tables(self) -> dict[int, EmbeddingTable]:
        """Their embeddings by dimension."""
        return {dim: rows.table() for dim, rows in self._rows.items()}


@dataclass(frozen=True, slots=True)
class _Task:
    """What planning asks of a command."""

    wishes: Wishes
    wish: IndexWish = field(default_factory=IndexWish)
    rebuild: frozenset[str] = frozenset()
    sources: tuple[Source, ...] = ()


def plan_around(root: Path, inventory: Inventory, placed: Placed) -> Planned:
    """Plan catalog, index and mappings for ``placed``; changes to those files are left out.

    The embeddings of ``inventory`` become those that will be: of the files placed, it does not say
    any more what stands.
    Raises RefusedError where the store would lose data by it.
    """
    then = _with_files(inventory, placed)
    planned = plan_repair(root, then, _Task(_wishes(placed.refs)))
    if planned.refusal is not None:
        raise _refused(root, planned.refusal)
    return replace(
        planned,
        changes=tuple(change for change in planned.changes if change.path not in placed.files),
        actions=tuple(action for action in planned.actions if action.path not in placed.files),
    )


def _refused(root: Path, refusal: Refusal) -> RefusedError:
    mend = f"mend the store first: synthstore repair {path_word(root)} --dry-run"
    hint = settling(root) if refusal.cause is Cause.TIE else mend
    return RefusedError(refusal.message, hint=hint)


def _wishes(refs: frozenset[EntityRef]) -> Wishes:
    # An older file under a newer row looks like bit rot, and here it is what is wanted.
    return Wishes(select=FOLLOWING, ids=frozenset(ref.id for ref in refs), accept=("M004", "A004"))


def _with_files(inventory: Inventory, placed: Placed) -> Inventory:
    """The inventory as it would be once these files stand in the store."""
    # Vectors may be the embeddings that are about to be others, and they are not.
    index = replace(inventory.index, vectors=_detached(inventory, placed))
    files = {**inventory.by_path, **placed.files}
    folders = dict(inventory.folders)
    touched = {folder_of(path) for path in placed.files}
    folders |= {folder: True for folder in touched if folder in folders}
    return replace(
        inventory,
        files=tuple(files[path] for path in sorted(files)),
        tables=dict(_tables(inventory.tables, placed)),
        index=index,
        folders=folders,
    )


def _detached(inventory: Inventory, placed: Placed) -> Vectors | None:
    vectors = inventory.index.vectors
    table = inventory.tables.get(inventory.index.dim)
    if vectors is None or table is None:
        return vectors
    rows = [table.row_of[path] for path in placed.files if path in table.row_of]
    return detached(vectors, table.matrix, rows)


def _tables(
    tables: Mapping[int, EmbeddingTable], placed: Placed
) -> Iterator[tuple[int, EmbeddingTable]]:
    fresh = placed.tables()
    for dim in sorted({*tables, *fresh}):
        parts = list(_parts(tables.get(dim), fresh.get(dim), placed.files))
        if parts:
            yield dim, joined(parts)


def _parts(
    old: EmbeddingTable | None, new: EmbeddingTable | None, files: Iterable[str]
) -> Iterator[EmbeddingTable]:
    """The old rows but for those of ``files``, and the new ones, which are these."""
    gone = frozenset(path for path in files if old is not None and path in old.row_of)
    if old is not None and new is not None and gone <= new.row_of.keys():
        _replace(old, new, sorted(gone))
        yield old
        yield from _without(new, gone)
        return
    if old is not None:
        yield from _without(old, gone)
    if new is not None:
        yield new


def _replace(old: EmbeddingTable, new: EmbeddingTable, paths: Sequence[str]) -> None:
    """Put new rows where the old ones of ``paths`` stand: a second matrix is what memory lacks."""
    rows = [old.row_of[path] for path in paths]
    old.matrix[rows] = new.matrix[[new.row_of[path] for path in paths]]


def _without(table: EmbeddingTable, gone: frozenset[str]) -> Iterator[EmbeddingTable]:
    """The rows of a table that belong to none of the paths ``gone``."""
    if not gone:
        yield table
        return
    kept = [row for row, path in enumerate(table.paths) if path not in gone]
    if kept:
        yield EmbeddingTable(tuple(table.paths[row] for row in kept), table.matrix[kept])
