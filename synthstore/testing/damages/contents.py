"""Damages to what the files say: embeddings and references (E, A020 to A023)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synthstore.testing import harm, spelling
from synthstore.testing.damages.acts import edit, forget_row, forget_vector, unlink
from synthstore.testing.damages.model import CORE, NATIVE, Damage, How, in_turn, on
from synthstore.testing.spelling import Doc
from synthstore.testing.stores import Built, unit_vectors

GHOST = "mem_cccccccccccc"


def set_embedding(value: Callable[[Built, str], object]) -> Callable[[Built, str], None]:
    """Put another embedding into the file; its row follows, its vector does not."""

    def act(built: Built, entity_id: str) -> None:
        key = built.embedding_key(entity_id)
        built.edit(entity_id, lambda doc: doc.update({key: value(built, entity_id)}))

    return act


def poison(token: bytes) -> Callable[[Built, str], None]:
    """Put ``token`` in place of the first number of the embedding; the row follows."""

    def act(built: Built, entity_id: str) -> None:
        raw = built.raw(entity_id)
        start = raw.index(b"[", raw.index(f'"{built.embedding_key(entity_id)}"'.encode())) + 1
        end = raw.index(b",", start)
        built.overwrite(entity_id, raw[:start] + b"\n    " + token + raw[end:])
        built.relist(entity_id)

    return act


def shorter(built: Built, entity_id: str) -> list[float]:
    """An embedding of half the store's dimension."""
    return spelling.numbers(unit_vectors(1, len(built.embedding(entity_id)) // 2, 4)[0])


def halve(built: Built) -> None:
    """Half of all embeddings of another dimension, so that no majority says which is right."""
    for entity_id in [*built.docs][: len(built.docs) // 2]:
        set_embedding(shorter)(built, entity_id)


def zeros(built: Built, entity_id: str) -> list[float]:
    """What a Memory Core writes when its model fails."""
    return [0.0] * len(built.embedding(entity_id))


def doubled(built: Built, entity_id: str) -> None:
    """An embedding of norm 2, in file and index."""
    long = built.embedding(entity_id) * np.float32(2)
    set_embedding(lambda *_: spelling.numbers(long))(built, entity_id)
    put_vector(built, entity_id, long)


def put_vector(built: Built, entity_id: str, vector: spelling.Vector) -> None:
    """Replace the entity's vector in the index."""
    flat = built.vectors()
    flat.vectors[built.position(entity_id)] = vector
    built.put_vectors(flat)


def turn_composite(built: Built, entity_id: str) -> None:
    """A composite that points elsewhere than its members, in file and index."""
    other = unit_vectors(1, len(built.embedding(entity_id)), 8)[0]
    set_embedding(lambda *_: spelling.numbers(other))(built, entity_id)
    put_vector(built, entity_id, other)


def set_model(name: str) -> Callable[[Doc], None]:
    """Name an embedding model in the metadata."""
    return lambda doc: doc["metadata"].update(embedding_model=name)


def add_ghost(built: Built, entity_id: str) -> None:
    """A member that never was."""
    built.edit(entity_id, lambda doc: doc["memory_ids"].append(GHOST))


def forget_wholly(built: Built, entity_id: str) -> None:
    """File, row and vector of a member are gone."""
    forget_vector(built, entity_id)
    forget_row(built, entity_id)
    unlink(built, entity_id)


def members_as_strings(doc: Doc) -> None:
    """Ids instead of copies."""
    doc["memories"] = [member["id"] for member in doc["memories"]]


def merge_loop(built: Built) -> None:
    """Two assemblies, each merged from the other."""
    for one, other in (built.assemblies[:2], built.assemblies[1::-1]):
        built.edit(one, lambda doc, other=other: doc.update(merged_from=[other]))  # type: ignore[misc]


def nothing(*_: object) -> None:
    """No embedding."""


NO_VECTOR: dict[str, tuple[Callable[[Built, str], object], str]] = {
    "missing": (nothing, "E001"),
    "of-other-dimension": (shorter, "E002"),
    "zero": (zeros, "E004"),
}

DAMAGES = (
    *(
        Damage(
            name=f"embedding-{how}",
            apply=in_turn(on("m8", forget_vector), on("m8", set_embedding(value))),
            codes={code: 1},
            after={code: 1},
        )
        for how, (value, code) in NO_VECTOR.items()
    ),
    *(
        Damage(
            name=f"embedding-{how}-and-a-vector",
            apply=on("m8", set_embedding(value)),
            codes={code: 1},
            after={code: 1},
            in_step=False,
        )
        for how, value, code in (("zero", zeros, "E004"), ("of-other-dimension", shorter, "E002"))
    ),
    Damage(
        name="dimensions-tie",
        apply=halve,
        codes={"V009": 1},
        after={"V009": 1},
        refused=True,
        composable=False,
    ),
    Damage(
        name="embedding-only-in-index",
        apply=on("m8", set_embedding(nothing)),
        codes={"E001": 1},
        severities={"E001": "warning"},
        touched=("m8",),
    ),
    Damage(
        name="composite-only-in-index",
        apply=on("a0", set_embedding(nothing)),
        codes={"E001": 1},
        severities={"E001": "warning"},
        touched=("a0",),
    ),
    *(
        Damage(
            name=f"embedding-with-{how}",
            apply=on("m8", poison(token)),
            codes={"E003": 1},
            touched=("m8",),
        )
        for how, token in {
            "nan": b"NaN",
            "infinity": b"-Infinity",
            "overflow": b"1e400",
            "text": b'"0.25"',
            "list": b"[0.25]",
        }.items()
    ),
    Damage(
        name="embedding-with-nan-and-no-vector",
        apply=in_turn(on("m8", forget_vector), on("m8", poison(b"NaN"))),
        codes={"E003": 1},
        after={"E003": 1},
    ),
    Damage(
        name="member-embedding-with-nan-and-no-vector",
        apply=in_turn(on("m0", forget_vector), on("m0", poison(b"NaN"))),
        codes={"E003": 1},
        layouts=CORE,
        touched=("m0",),
    ),
    Damage(
        name="norms-differ",
        apply=on("m8", doubled),
        codes={"E005": 1},
        after={"E005": 1},
    ),
    Damage(
        name="models-differ",
        apply=in_turn(on("m8", edit(set_model("mini"))), on("m9", edit(set_model("maxi")))),
        codes={"E006": 1},
        after={"E006": 1},
    ),
    Damage(
        name="member-that-never-was",
        apply=on("a0", add_ghost),
        codes={"A020": 1},
        after={"A020": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="member-wholly-gone",
        apply=on("m0", forget_wholly),
        codes={"A020": 1},
        after={"A020": 1},
        lost=("m0",),
    ),
    Damage(
        name="member-wholly-gone-and-asked-for",
        apply=on("m0", forget_wholly),
        codes={"A020": 1},
        layouts=CORE,
        how=How(select=("A020",)),
        touched=("m0",),
        composable=False,
    ),
    Damage(
        name="composite-off", apply=on("a0", turn_composite), codes={"A021": 1}, after={"A021": 1}
    ),
    Damage(
        name="merged-from-itself",
        apply=on("a0", lambda b, i: b.edit(i, lambda doc: doc.update(merged_from=[i]))),
        codes={"A022": 1},
        after={"A022": 1},
    ),
    Damage(
        name="merged-in-a-loop",
        apply=merge_loop,
        codes={"A022": 1},
        after={"A022": 1},
    ),
    Damage(
        name="members-as-strings",
        apply=on("a0", edit(members_as_strings)),
        codes={"A023": 1},
        after={"A023": 1},
        layouts=CORE,
    ),
    Damage(
        name="composite-rotten-for-want-of-a-hash",
        apply=on("a0", harm.flip_embedding),
        codes={"V005": 1},
        layouts=CORE,
    ),
)
