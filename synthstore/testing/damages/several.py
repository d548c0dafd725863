"""Several damages at once, as real accidents come."""

from __future__ import annotations

from collections.abc import Callable

from synthstore.testing import harm
from synthstore.testing.damages import acts, bodies, catalog, contents, shapes, structure, vectors
from synthstore.testing.damages.model import CORE, NATIVE, Damage, How, entity, in_turn, on
from synthstore.testing.interrupt import interrupt
from synthstore.testing.stores import Built


def garbage(built: Built) -> None:
    """Catalog and index overwritten by the same accident."""
    harm.hurt_part(built.catalog, harm.nulled)
    harm.hurt_part(built.index, harm.nulled)


def all_parts_gone(built: Built) -> None:
    """Nothing but the entity files."""
    for path in (built.catalog, built.index, built.mapping):
        path.unlink()


def started_empty(built: Built) -> None:
    """A Memory Core that could not read its catalog has saved an empty one."""
    built.edit_rows(dict.clear)
    if built.native:
        built.edit_rows(dict.clear, built.assemblies[0])


def torn_members(built: Built) -> None:
    """Each member of the first assembly is hurt in another way."""
    acts.unlink(built, built.memories[0])
    acts.by(harm.nulled)(built, built.memories[1])
    acts.tail(built, built.memories[2])
    acts.by(lambda _: b"")(built, built.memories[3])


def overwrite_with(other: str) -> Callable[[Built, str], None]:
    """Let another entity's bytes stand in the entity's file."""

    def act(built: Built, entity_id: str) -> None:
        built.overwrite(entity_id, built.raw(entity(built, other)))

    return act


def exchange_files(built: Built) -> None:
    """Two files change names, and rot hits one of them."""
    one, other = built.memories[8:10]
    first, second = built.raw(one), built.raw(other)
    built.overwrite(one, second)
    built.overwrite(other, first.replace(b"noon", b"moon"))


def lose_all_but_one(built: Built) -> None:
    """Eleven of twelve memory files are gone."""
    for memory in built.memories[1:]:
        acts.unlink(built, memory)


def outside_link_unharmed(built: Built) -> None:
    """The other name of a hard-linked file still shows the old bytes."""
    path = built.file(built.memories[8])
    link = built.root.parent / f"{built.root.name}-{path.name}.link"
    assert link.read_bytes() != path.read_bytes()


DAMAGES = (
    Damage(
        name="member-overwritten-with-another-memory",
        apply=on("m0", overwrite_with("m9")),
        codes={"C006": 1, "M006": 1},
        layouts=CORE,
        touched=("m0",),
    ),
    Damage(
        name="files-exchanged-and-one-rotten",
        apply=exchange_files,
        codes={"M004": 1, "M005": 1},
        after={"C006": 1, "M004": 1, "M005": 1},
        severities_after={"M005": "warning"},
        layouts=NATIVE,
        in_step=False,
    ),
    Damage(
        name="rotten-and-row-names-another-file",
        apply=in_turn(on("m8", harm.flip_embedding), on("m8", catalog.point_at(9))),
        codes={"C006": 1, "M004": 1},
        after={"C006": 1, "M004": 1},
        layouts=NATIVE,
        in_step=False,
    ),
    Damage(
        name="repair-interrupted",
        apply=in_turn(on("m8", acts.forget_row), on("m9", vectors.drop_vector), interrupt),
        codes={"S001": 1, "M002": 1, "V003": 1, "V007": 1},
        composable=False,
    ),
    Damage(name="catalog-and-index-nulled", apply=garbage, codes={"C002": 1, "V002": 1}),
    Damage(
        name="catalog-and-index-gone",
        apply=in_turn(lambda b: b.catalog.unlink(), vectors.drop_index),
        codes={"C001": 1, "V001": 1},
    ),
    Damage(
        name="only-entities-left", apply=all_parts_gone, codes={"C001": 1, "V001": 1, "V006": 1}
    ),
    Damage(
        name="index-and-mapping-gone",
        apply=in_turn(vectors.drop_index, vectors.drop_mapping),
        codes={"V001": 1, "V006": 1},
    ),
    Damage(name="catalog-emptied", apply=started_empty, codes={"M002": 12, "A002": 2}),
    Damage(
        name="catalog-nulled-and-file-cut",
        apply=in_turn(lambda b: harm.hurt_part(b.catalog, harm.nulled), on("m8", acts.tail)),
        codes={"C002": 1, "M003": 1},
        touched=("m8",),
    ),
    Damage(
        name="file-cut-whose-embedding-is-bad",
        apply=in_turn(on("m8", contents.poison(b"NaN")), on("m8", acts.tail)),
        codes={"M003": 1},
        touched=("m8",),
    ),
    Damage(
        name="member-cut-whose-embedding-only-a-copy-has",
        apply=in_turn(
            on("m0", acts.forget_vector),
            on("m0", contents.poison(b"NaN")),
            on("m0", acts.tail),
            lambda b: b.catalog.unlink(),
        ),
        codes={"C001": 1, "M003": 1},
        layouts=CORE,
        touched=("m0",),
    ),
    Damage(
        name="member-gone-and-its-assembly-cut",
        apply=in_turn(on("m0", acts.unlink), on("a0", acts.tail)),
        codes={"M001": 1, "A003": 1},
        layouts=CORE,
        touched=("m0", "a0"),
    ),
    Damage(
        name="bak-whose-embedding-is-bad",
        apply=in_turn(on("m8", contents.poison(b"1e400")), on("m8", structure.keep_bak)),
        codes={"M001": 1, "S003": 1},
        after={"S003": 1},
        touched=("m8",),
    ),
    Damage(
        name="rotten-beside-a-good-copy-of-another-name",
        apply=in_turn(on("m8", bodies.copy_as), on("m8", harm.flip_embedding)),
        codes={"M004": 1, "M006": 1},
        layouts=NATIVE,
        touched=lambda b: ("m8", structure.spare(b)),
    ),
    Damage(
        name="too-deep-and-nan",
        apply=in_turn(
            on("m8", acts.listed(shapes.with_field("[" * 5000 + "]" * 5000))),
            on("m8", contents.poison(b"NaN")),
        ),
        codes={"M010": 1},
        after={"M010": 1},
        in_step=False,
    ),
    Damage(
        name="catalog-gone-and-member-gone",
        apply=in_turn(lambda b: b.catalog.unlink(), on("m0", acts.unlink)),
        codes={"C001": 1, "A020": 1, "V004": 1},
        after={"A020": 1},
        lost=("m0",),
    ),
    Damage(
        name="member-asked-for-while-its-vector-stays",
        apply=in_turn(on("m0", acts.forget_row), on("m0", acts.unlink)),
        codes={"A020": 1, "V004": 1},
        layouts=CORE,
        how=How(select=("A020",)),
        touched=("m0",),
        composable=False,
    ),
    Damage(
        name="index-nulled-and-file-cut",
        apply=in_turn(lambda b: harm.hurt_part(b.index, harm.nulled), on("m8", acts.tail)),
        codes={"V002": 1, "M003": 1},
        touched=("m8",),
    ),
    Damage(
        name="members-torn",
        apply=torn_members,
        codes={"M001": 1, "M003": 2, "M009": 1},
        layouts=CORE,
        touched=("m0", "m1", "m2", "m3"),
    ),
    Damage(
        name="members-torn-without-copies",
        apply=torn_members,
        codes={"M001": 1, "M003": 2, "M009": 1},
        after={"A020": 3},
        layouts=NATIVE,
        touched=("m1", "m2", "m3"),
        lost=("m0", "m1", "m3"),
    ),
    Damage(
        name="hard-linked-and-cut",
        apply=in_turn(on("m8", structure.hard_link), on("m8", acts.tail)),
        codes={"S007": 1, "M003": 1},
        touched=("m8",),
        check=outside_link_unharmed,
    ),
    Damage(
        name="rotten-and-row-off",
        apply=in_turn(on("m8", harm.flip_embedding), on("m8", acts.set_row(quickrecal_score=0.1))),
        codes={"M004": 1},
        after={"M004": 1},
        layouts=NATIVE,
        in_step=False,
    ),
    Damage(
        name="rotten-and-others-unlisted",
        apply=in_turn(on("m8", harm.flip_embedding), on("m9", acts.forget_row)),
        codes={"M004": 1, "M002": 1},
        after={"M004": 1},
        layouts=NATIVE,
        in_step=False,
    ),
    Damage(
        name="a-bad-day",
        apply=in_turn(
            on("m8", acts.unlink),
            on("m9", acts.forget_row),
            on("m10", vectors.drop_vector),
            on("m11", vectors.flip_float(20)),
            vectors.add_orphan,
            structure.leave(lambda b: f"{structure.stem(b)}.1a2b3c4d.tmp"),
        ),
        codes={"M001": 1, "M002": 1, "V003": 1, "V004": 1, "V005": 1, "V007": 1, "S002": 1},
        touched=lambda b: (f"{structure.stem(b)}.1a2b3c4d.tmp",),
        lost=("m8",),
    ),
    Damage(
        name="most-vectors-gone",
        apply=lambda b: b.put_vectors(b.vectors().without(*range(11))),
        codes={"V003": 11, "V007": 1},
    ),
    Damage(
        name="most-embeddings-only-in-a-lost-index",
        apply=in_turn(
            on("m8", contents.set_embedding(contents.nothing)),
            lambda b: harm.hurt_part(b.index, harm.nulled),
        ),
        codes={"E001": 1, "V002": 1},
        after={"E001": 1},
    ),
    Damage(
        name="eleven-files-gone",
        apply=lose_all_but_one,
        codes={"M001": 11},
        after={"M001": 11},
        layouts=NATIVE,
        refused=True,
        composable=False,
    ),
    Damage(
        name="eleven-files-given-up",
        apply=lose_all_but_one,
        codes={"M001": 11},
        after={"A020": 7},
        layouts=NATIVE,
        how=How(allow_shrink=True),
        lost=tuple(f"m{n}" for n in range(1, 12)),
        composable=False,
    ),
)
