"""Damages to what a file must and may hold: fields, ranges, odd JSON, size, ids (M007 on)."""

from __future__ import annotations

from collections.abc import Callable

from synthstore.testing import spelling
from synthstore.testing.damages.acts import Act, by, edit, listed, set_native
from synthstore.testing.damages.model import ALL, CORE, FOLDERED, NATIVE, Damage, on
from synthstore.testing.spelling import Doc
from synthstore.testing.stores import Built, entity_path, unit_vectors, write

MB = 2**20


def odd_memory(entity_id: str) -> Callable[[Built], None]:
    """A memory in good order but for its id."""

    def apply(built: Built) -> None:
        built.add_memory(entity_id, path=entity_path(built.layout, entity_id, is_memory=True))

    return apply


def add_assembly(entity_id: str) -> Callable[[Built], None]:
    """An assembly in good order but for its id."""

    def apply(built: Built) -> None:
        members = [built.docs[m] for m in built.memories[:4]]
        doc = spelling.assembly(built.layout, entity_id, 7, members)
        path = entity_path(built.layout, entity_id, is_memory=False)
        raw = spelling.entity_text(built.layout, doc)
        write(built.root / path, raw)
        row = spelling.row(built.layout, doc, path, raw)
        built.edit_rows(lambda rows: rows.update({entity_id: row}), built.assemblies[0])
        name, vector = f"asm:{entity_id}", unit_vectors(1, built.vectors().dim, 3)[0]
        vector[:] = doc["composite_embedding"]
        built.put_vectors(built.vectors().plus(spelling.numeric(name), vector))
        built.edit_mapping(lambda m: m.update({name: spelling.numeric(name)}))

    return apply


def drop_content(doc: Doc) -> None:
    """What no memory may lack."""
    del doc["content"]


def duplicate_key(raw: bytes) -> bytes:
    """The last field twice."""
    return raw[: raw.rindex(b"}")].rstrip() + b',\n  "extra": 1,\n  "extra": 2\n}'


def with_field(text: str) -> Callable[[bytes], bytes]:
    """One field more, spelt as ``text``."""
    return lambda raw: raw[: raw.rindex(b"}")].rstrip() + f',\n  "extra": {text}\n}}'.encode()


def inflate(size: int) -> Act:
    """A file beyond the cap; sparse, since nobody may read it anyway."""

    def act(built: Built, entity_id: str) -> None:
        with built.file(entity_id).open("r+b") as stream:
            stream.truncate(size)

    return act


def time_key(built: Built) -> str:
    """The field that says when a memory was made."""
    return TIME_KEY.get(built.layout, "timestamp")


TIME_KEY = {"native": "created_at"}

RIGID: dict[str, Callable[[bytes], bytes]] = {
    "duplicate-key": duplicate_key,
    "integer-beyond-64-bits": with_field(str(2**64 + 1)),
    "too-deep-to-write": with_field("[" * 300 + "]" * 300),
    "too-deep-to-parse": with_field("[" * 5000 + "]" * 5000),
    "nan-outside": with_field("NaN"),
    "lone-surrogate": with_field('"\\ud800"'),
    "bom": lambda raw: b"\xef\xbb\xbf" + raw,
    "utf-16": lambda raw: raw.decode().encode("utf-16"),
}

BAD_IDS = {
    "begins-with-dot": ".hidden",
    "begins-with-dash": "-rf",
    "too-long": "x" * 201,
    "control-character": "mem_a\nb",
}


def drop_members(doc: Doc) -> None:
    """What no assembly may lack."""
    doc.pop("memory_ids", doc.pop("memories", None))


DAMAGES = (
    Damage(
        name="content-missing",
        apply=on("m8", edit(drop_content)),
        codes={"M007": 1},
        touched=("m8",),
        lost=("m8",),
    ),
    Damage(
        name="member-content-is-a-number",
        apply=on("m0", edit(set_native(content=5))),
        codes={"M007": 1},
        layouts=CORE,
        touched=("m0",),
    ),
    Damage(
        name="no-object",
        apply=on("m8", by(lambda raw: b"[" + raw + b"]")),
        codes={"M007": 1},
        touched=("m8",),
        lost=("m8",),
    ),
    Damage(
        name="members-missing",
        apply=on("a0", edit(drop_members)),
        codes={"A007": 1},
        touched=("a0",),
        lost=("a0",),
    ),
    Damage(
        name="score-out-of-range",
        apply=on("m8", edit(set_native(quickrecal_score=1.7))),
        codes={"M008": 1},
        after={"M008": 1},
    ),
    Damage(
        name="time-unreadable",
        apply=on("m8", lambda b, i: edit(set_native(**{time_key(b): "yesterday"}))(b, i)),
        codes={"M008": 1},
        after={"M008": 1},
    ),
    Damage(
        name="updated-before-created",
        apply=on("m8", edit(set_native(updated_at="2020-01-01T00:00:00.000000"))),
        codes={"M008": 1},
        after={"M008": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="assembly-time-unreadable",
        apply=on("a0", edit(set_native(created_at="yesterday"))),
        codes={"A008": 1},
        after={"A008": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="file-empty",
        apply=on("m8", by(lambda _: b"")),
        codes={"M009": 1},
        touched=("m8",),
        lost=("m8",),
    ),
    Damage(
        name="member-empty",
        apply=on("m0", by(lambda _: b"")),
        codes={"M009": 1},
        layouts=CORE,
        touched=("m0",),
    ),
    Damage(
        name="assembly-empty",
        apply=on("a0", by(lambda _: b"")),
        codes={"A009": 1},
        touched=("a0",),
        lost=("a0",),
    ),
    *(
        Damage(
            name=f"rigid-{how}",
            apply=on("m8", listed(change)),
            codes={"M010": 1},
            after={"M010": 1},
            in_step=False,
        )
        for how, change in RIGID.items()
    ),
    Damage(
        name="rigid-assembly",
        apply=on("a0", listed(duplicate_key)),
        codes={"A010": 1},
        after={"A010": 1},
        in_step=False,
    ),
    Damage(
        name="oversize",
        apply=on("m8", inflate(16 * MB + 1)),
        codes={"M011": 1},
        after={"M011": 1},
        in_step=False,
    ),
    Damage(
        name="oversize-assembly",
        apply=on("a0", inflate(64 * MB + 1)),
        codes={"A011": 1},
        after={"A011": 1},
        in_step=False,
    ),
    *(
        Damage(
            name=f"id-{how}",
            apply=odd_memory(entity_id),
            codes={"M012": 1},
            after={"M012": 1},
            in_step=False,
            layouts=ALL if how == "control-character" else FOLDERED,
        )
        for how, entity_id in BAD_IDS.items()
    ),
    Damage(
        name="id-like-an-assembly-vector",
        apply=odd_memory("asm:0a1b2c3d4e5f"),
        codes={"M012": 1},
        after={"M012": 1},
        layouts=NATIVE,
        in_step=False,
    ),
    Damage(
        name="assembly-id-begins-with-dash",
        apply=add_assembly("-rf"),
        codes={"A012": 1},
        after={"A012": 1},
        in_step=False,
    ),
)
