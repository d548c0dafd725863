"""Damages to the FAISS file and the mappings (V)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from synthstore.testing import harm, spelling
from synthstore.testing.damages.acts import forget_vector
from synthstore.testing.damages.model import CORE, FOLDERED, Damage, in_turn, on
from synthstore.testing.stores import Built, unit_vectors, write

ORPHAN = "mem_eeeeeeeeeeee"
SECOND = "id_to_index.json"


def to_index(change: Callable[[bytes], bytes]) -> Callable[[Built], None]:
    """Hurt the FAISS file's bytes."""
    return lambda built: harm.hurt_part(built.index, change)


def to_mapping(change: Callable[[bytes], bytes]) -> Callable[[Built], None]:
    """Hurt the mapping's bytes."""
    return lambda built: harm.hurt_part(built.mapping, change)


def drop_index(built: Built) -> None:
    """The FAISS file is gone."""
    built.index.unlink()


def drop_mapping(built: Built) -> None:
    """The mapping is gone."""
    built.mapping.unlink()


def drop_vector(built: Built, entity_id: str) -> None:
    """The vector is gone from the index; the mapping still names it."""
    built.put_vectors(built.vectors().without(built.position(entity_id)))


def add_orphan(built: Built) -> None:
    """A vector in the index that nobody owns."""
    flat = built.vectors()
    built.put_vectors(flat.plus(spelling.numeric(ORPHAN), unit_vectors(1, flat.dim, 99)[0]))


def map_orphan(built: Built) -> None:
    """Its entry in the mapping."""
    built.edit_mapping(lambda entries: entries.update({ORPHAN: spelling.numeric(ORPHAN)}))


def flip_float(bit: int) -> Callable[[Built, str], None]:
    """Turn over one bit of the first number of the entity's vector."""

    def act(built: Built, entity_id: str) -> None:
        flat = built.vectors()
        vectors = flat.vectors.copy()
        bits = vectors.view(np.uint32)
        bits[built.position(entity_id), 0] ^= np.uint32(1 << bit)
        built.put_vectors(replace(flat, vectors=vectors))

    return act


def set_vector(value: float) -> Callable[[Built, str], None]:
    """Put ``value`` into one place of the entity's vector."""

    def act(built: Built, entity_id: str) -> None:
        flat = built.vectors()
        flat.vectors[built.position(entity_id), 3] = value
        built.put_vectors(flat)

    return act


def exchange(built: Built) -> None:
    """Two vectors have changed places."""
    flat = built.vectors()
    pair = [built.position(m) for m in built.memories[8:10]]
    flat.vectors[pair] = flat.vectors[pair[::-1]]
    built.put_vectors(flat)


def repeat(built: Built, entity_id: str) -> None:
    """The same vector twice under one number."""
    flat = built.vectors()
    row = built.position(entity_id)
    built.put_vectors(flat.plus(int(flat.ids[row]), flat.vectors[row]))


def map_to_neighbour(built: Built, entity_id: str) -> None:
    """Two names with one number."""
    number = built.entries()[built.memories[9]]
    built.edit_mapping(lambda entries: entries.update({entity_id: number}))


def other_dimension(built: Built) -> None:
    """An index of another embedding model."""
    flat = built.vectors()
    built.put_vectors(replace(flat, vectors=unit_vectors(len(flat.ids), 8, 5)))


def number_on(built: Built) -> None:
    """Ids 0 to n-1, as a Memory Core's rebuild leaves them."""
    flat = built.vectors()
    built.put_vectors(replace(flat, ids=np.arange(len(flat.ids), dtype=np.int64)))
    built.edit_mapping(lambda m: m.update({name: n for n, name in enumerate(list(m))}))


def make_bare(built: Built) -> None:
    """A Flat index without ids, the mapping by position."""
    number_on(built)
    built.put_vectors(replace(built.vectors(), shell=""))


def has_ids(built: Built) -> None:
    """The index carries ids again."""
    assert built.vectors().shell


def second_mapping(change: Callable[[dict[str, int]], object]) -> Callable[[Built], None]:
    """Another mapping file beside the first."""

    def apply(built: Built) -> None:
        entries = built.entries()
        change(entries)
        write(built.root / SECOND, spelling.mapping_text("core-3", entries))

    return apply


def in_both(built: Built) -> None:
    """Both mapping files say the same."""
    second = (built.root / SECOND).read_bytes()
    assert second == spelling.mapping_text("core-3", built.entries())


def only_second(built: Built) -> None:
    """The only mapping has the other name."""
    second_mapping(lambda _: None)(built)
    built.mapping.unlink()


def stretch(built: Built) -> None:
    """Embeddings that are no unit vectors, in an index that holds them normalised."""
    for entity_id in built.docs:
        key = built.embedding_key(entity_id)
        long = spelling.numbers(built.embedding(entity_id) * np.float32(4))
        built.edit(entity_id, lambda doc, key=key, long=long: doc.update({key: long}))  # type: ignore[misc]


def claim_count(count: int) -> Callable[[bytes], bytes]:
    """Another ntotal in the outer header than the file holds."""
    return lambda raw: raw[:8] + struct.pack("<q", count) + raw[16:]


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda raw: raw[: len(raw) * 3 // 5],
    "cut-by-one": lambda raw: raw[:-1],
    "nulled": harm.nulled,
    "empty": lambda _: b"",
    "flipped-magic": lambda raw: harm.flipped(raw, 1, 4),
    "flipped-dimension": lambda raw: harm.flipped(raw, 4, 5),
    "huge-count": claim_count(1 << 60),
    "negative-count": claim_count(-1),
    "with-tail": lambda raw: raw + raw[:37],
    "pickled": lambda raw: b"\x80\x04\x95" + raw[:200],
}

BAD_MAPPING: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda raw: raw[: len(raw) // 2],
    "nulled": harm.nulled,
    "empty": lambda _: b"",
    "array": lambda _: b'["a", 1]',
    "flipped": lambda raw: harm.flipped(raw, raw.rindex(b"}"), 2),
}


def flip_number(bit: int) -> Callable[[Built, str], None]:
    """Turn over one bit of the number under which the entity's vector stands."""

    def act(built: Built, entity_id: str) -> None:
        flat = built.vectors()
        bits = flat.ids.view(np.uint64)
        bits[built.position(entity_id)] ^= np.uint64(1 << bit)
        built.put_vectors(flat)

    return act


DAMAGES = (
    Damage(name="index-gone", apply=drop_index, codes={"V001": 1}),
    *(
        Damage(name=f"index-{how}", apply=to_index(change), codes={"V002": 1})
        for how, change in UNREADABLE.items()
    ),
    Damage(name="vector-gone", apply=on("m8", forget_vector), codes={"V003": 1}),
    Damage(name="assembly-vector-gone", apply=on("a0", forget_vector), codes={"V003": 1}),
    Damage(
        name="vector-gone-but-mapped", apply=on("m8", drop_vector), codes={"V003": 1, "V007": 1}
    ),
    Damage(name="orphan-vector", apply=in_turn(add_orphan, map_orphan), codes={"V004": 1}),
    Damage(name="orphan-vector-not-mapped", apply=add_orphan, codes={"V004": 1, "V007": 1}),
    Damage(name="vector-bit-flipped", apply=on("m8", flip_float(20)), codes={"V005": 1}),
    Damage(name="vector-sign-flipped", apply=on("a0", flip_float(31)), codes={"V005": 1}),
    Damage(name="vectors-exchanged", apply=exchange, codes={"V005": 2}),
    Damage(name="mapping-gone", apply=drop_mapping, codes={"V006": 1}),
    *(
        Damage(name=f"mapping-{how}", apply=to_mapping(change), codes={"V006": 1})
        for how, change in BAD_MAPPING.items()
    ),
    Damage(
        name="mapping-entry-gone",
        apply=on("m8", lambda b, i: b.edit_mapping(lambda m: m.pop(i))),
        codes={"V007": 1},
    ),
    Damage(name="mapping-entry-too-many", apply=map_orphan, codes={"V007": 1}),
    Damage(
        name="mapping-entry-wrong",
        apply=on("m8", lambda b, i: b.edit_mapping(lambda m: m.update({i: m[i] ^ 1}))),
        codes={"V007": 1},
    ),
    Damage(
        name="second-mapping-stale",
        apply=second_mapping(lambda m: m.popitem()),
        codes={"V007": 1},
        layouts=CORE,
        check=in_both,
    ),
    Damage(
        name="second-mapping-in-step",
        apply=second_mapping(lambda _: None),
        codes={},
        layouts=CORE,
        composable=False,
    ),
    Damage(
        name="only-second-mapping",
        apply=only_second,
        codes={},
        layouts=CORE,
        in_step=False,
        composable=False,
    ),
    Damage(name="number-twice-in-index", apply=on("m8", repeat), codes={"V008": 1}),
    Damage(name="number-twice-in-mapping", apply=on("m8", map_to_neighbour), codes={"V008": 1}),
    *(
        Damage(
            name=f"number-flipped-in-bit-{bit}",
            apply=on("m8", flip_number(bit)),
            codes={"V003": 1, "V004": 1, "V007": 1},
        )
        for bit in (5, 40, 63)
    ),
    *(
        Damage(
            name=f"mapping-number-{how}",
            apply=on("m8", lambda b, i, v=value: b.edit_mapping(lambda m: m.update({i: v}))),  # type: ignore[misc]
            codes={"V007": 1},
        )
        for how, value in {"negative": -1, "text": "x", "fraction": 1.5, "huge": 2**70}.items()
    ),
    Damage(name="index-of-other-dimension", apply=other_dimension, codes={"V009": 1}),
    Damage(
        name="index-without-ids",
        apply=make_bare,
        codes={"V010": 1},
        layouts=FOLDERED,
        check=has_ids,
    ),
    Damage(name="ids-in-sequence", apply=number_on, codes={}, composable=False),
    Damage(name="nan-in-index", apply=on("m8", set_vector(float("nan"))), codes={"V011": 1}),
    Damage(name="infinity-in-index", apply=on("a0", set_vector(float("inf"))), codes={"V011": 1}),
    Damage(name="embeddings-not-unit", apply=stretch, codes={}, in_step=False, composable=False),
)
