"""The damaged stores that the commands meet; small, and the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from synthstore.testing import harm
from synthstore.testing.damages import acts, bodies, catalog, structure, vectors
from synthstore.testing.damages.model import in_turn, on
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built, build

MEMORIES, ASSEMBLIES, DIM = 13, 2, 8

_entities = in_turn(
    on("m0", acts.unlink),
    on("m5", bodies.copy_as),
    on("m7", acts.by(lambda _: b"")),
    on("m8", acts.tail),
    on("m12", acts.by(lambda _: b"")),
    structure.leave(lambda built: f"{structure.stem(built)}.1a2b3c4d.tmp"),
)
_parts = in_turn(
    on("m9", acts.forget_row),
    on("m10", vectors.drop_vector),
    on("m11", vectors.flip_float(20)),
    vectors.add_orphan,
)


def healthy(layout: Name, store: Path) -> Built:
    """A store in good order."""
    return build(layout, store, memories=MEMORIES, assemblies=ASSEMBLIES, dim=DIM)


def bad_day(layout: Name, store: Path) -> None:
    """Files lost, copied, emptied, torn and left over; row, vector and count off; an orphan."""
    built = healthy(layout, store)
    _entities(built)
    _parts(built)
    if built.native:
        catalog.count_wrongly(built)


def lost_parts(layout: Name, store: Path) -> None:
    """Every entity whole; the index as it happened to be saved, catalog and mapping torn."""
    built = healthy(layout, store)
    _parts(built)
    harm.hurt_part(built.catalog, harm.nulled)
    built.mapping.unlink()


def bad_luck(layout: Name, store: Path) -> None:
    """What happens to a store that was repaired once: other files than before are hurt."""
    with twin(layout) as built:
        there = replace(built, root=store)
    acts.unlink(there, there.memories[1])
    acts.tail(there, there.memories[2])


@contextmanager
def twin(layout: Name) -> Iterator[Built]:
    """A healthy store like the one that was hurt, somewhere else."""
    with TemporaryDirectory() as folder:
        yield healthy(layout, Path(folder) / "store")
