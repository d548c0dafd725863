"""Damages to the files of memories and assemblies as files: gone, torn, rotten (M, A)."""

from __future__ import annotations

import json

from synthstore.testing import harm, spelling
from synthstore.testing.damages.acts import (
    by,
    forget_row,
    forget_vector,
    head,
    listed,
    tail,
    unlink,
)
from synthstore.testing.damages.model import CORE, NATIVE, Damage, How, in_turn, on
from synthstore.testing.damages.structure import keep_bak, spare
from synthstore.testing.stores import Built, entity_path, write


def high_bit(raw: bytes) -> bytes:
    """A byte that is no UTF-8, behind the content and the embedding."""
    return harm.flipped(raw, raw.index(b'"lab"') + 2, 7)


def other_letter(raw: bytes) -> bytes:
    """Another letter in the text."""
    return harm.flipped(raw, raw.index(b"harbour") + 1, 1)


def newcomer(built: Built) -> None:
    """A healthy file that neither catalog nor index knows."""
    built.add_memory("mem_0a1b2c3d4e5f", listed=False)


def rot_beside_bak(built: Built, entity_id: str) -> None:
    """Bit rot, with a sound copy beside."""
    raw = built.raw(entity_id)
    harm.flip_embedding(built, entity_id)
    write(built.file(entity_id).with_suffix(".bak"), raw)


def rename_inside(built: Built, entity_id: str) -> None:
    """Another id in the file than its name and its row say; the hash fits."""
    key = "memory_id" if built.native else "id"
    old = json.dumps(entity_id).encode()
    changed = harm.replaced(f'"{key}": '.encode() + old, f'"{key}": "mem_dddddddddddd"'.encode())
    listed(changed)(built, entity_id)


def rename_assembly_inside(built: Built, entity_id: str) -> None:
    """The same for an assembly, which core layouts name twice."""
    old, new = json.dumps(entity_id).encode(), b'"asm:dddddddddddd"'
    listed(lambda raw: raw.replace(old, new))(built, entity_id)


def copy_as(built: Built, entity_id: str) -> None:
    """A copy of the file under a name that is another id's."""
    raw = built.raw(entity_id)
    write(built.root / spare_for(built, entity_id), raw)


def older_original(built: Built, entity_id: str) -> None:
    """The copy under the wrong name is the newer one: the name counts, and the hash."""
    copy_as(built, entity_id)
    path = built.root / spare_for(built, entity_id)
    doc = json.loads(path.read_bytes())
    doc["updated_at" if built.native else "timestamp"] = "2030-01-01T00:00:00.000000"
    path.write_bytes(spelling.entity_text(built.layout, doc))


def spare_for(built: Built, entity_id: str) -> str:
    """A path for another entity of the same kind."""
    if built.is_memory(entity_id):
        return spare(built)
    return entity_path(built.layout, "assembly_909", is_memory=False)


def entity_of(built: Built, label: str) -> str:
    """The id behind a label."""
    return (built.memories if label[0] == "m" else built.assemblies)[int(label[1:])]


def bak_of_nulled(built: Built, entity_id: str) -> None:
    """A sound ``.bak``, and zeros where the file was."""
    raw = built.raw(entity_id)
    keep_bak(built, entity_id)
    write(built.file(entity_id), harm.nulled(raw))


DAMAGES = (
    Damage(name="file-gone", apply=on("m8", unlink), codes={"M001": 1}, lost=("m8",)),
    Damage(
        name="member-gone",
        apply=on("m0", unlink),
        codes={"M001": 1},
        after={"A020": 1},
        layouts=NATIVE,
        lost=("m0",),
    ),
    Damage(
        name="member-gone-embedded",
        apply=on("m0", unlink),
        codes={"M001": 1},
        layouts=CORE,
        touched=("m0",),
    ),
    Damage(name="assembly-gone", apply=on("a1", unlink), codes={"A001": 1}, lost=("a1",)),
    Damage(name="newcomer", apply=newcomer, codes={"M002": 1, "V003": 1}),
    Damage(
        name="neither-row-nor-vector",
        apply=in_turn(on("a0", forget_vector), on("a0", forget_row)),
        codes={"A002": 1, "V003": 1},
    ),
    Damage(
        name="file-nulled",
        apply=on("m8", by(harm.nulled)),
        codes={"M003": 1},
        touched=("m8",),
        lost=("m8",),
    ),
    Damage(name="file-cut-in-tail", apply=on("m8", tail), codes={"M003": 1}, touched=("m8",)),
    Damage(
        name="file-cut-in-head",
        apply=on("m8", head),
        codes={"M003": 1},
        touched=("m8",),
        lost=("m8",),
    ),
    Damage(name="file-bad-utf8", apply=on("m8", by(high_bit)), codes={"M003": 1}, touched=("m8",)),
    Damage(
        name="member-nulled",
        apply=on("m0", by(harm.nulled)),
        codes={"M003": 1},
        layouts=CORE,
        touched=("m0",),
    ),
    Damage(name="assembly-cut-in-tail", apply=on("a0", tail), codes={"A003": 1}, touched=("a0",)),
    Damage(
        name="assembly-nulled",
        apply=on("a0", by(harm.nulled)),
        codes={"A003": 1},
        touched=("a0",),
        lost=("a0",),
    ),
    *(
        Damage(
            name=f"rot-{where}",
            apply=on(label, act),
            codes={code: 1},
            after={code: 1},
            layouts=NATIVE,
            in_step=False,
        )
        for where, label, code, act in (
            ("in-embedding", "m8", "M004", harm.flip_embedding),
            ("in-text", "m8", "M004", by(other_letter)),
            ("in-a-key", "m8", "M004", by(harm.replaced(b'"content"', b'"conuent"'))),
            ("in-composite", "a0", "A004", harm.flip_embedding),
        )
    ),
    Damage(
        name="rot-accepted",
        apply=on("m8", harm.flip_embedding),
        codes={"M004": 1},
        layouts=NATIVE,
        how=How(accept=("M004",), accept_all=True),
        composable=False,
    ),
    Damage(
        name="rot-beside-bak",
        apply=on("m8", rot_beside_bak),
        codes={"M004": 1, "S003": 1},
        after={"S003": 1},
        layouts=NATIVE,
        touched=("m8",),
    ),
    Damage(
        name="rot-unseen-for-want-of-a-hash",
        apply=on("m8", harm.flip_embedding),
        codes={"V005": 1},
        layouts=CORE,
    ),
    Damage(
        name="other-id-inside",
        apply=on("m8", rename_inside),
        codes={"M005": 1},
        after={"M005": 1},
        severities_after={"M005": "warning"},
        lost=("m8",),
        composable=False,
    ),
    Damage(
        name="other-assembly-id-inside",
        apply=on("a1", rename_assembly_inside),
        codes={"A005": 1},
        after={"A005": 1},
        severities_after={"A005": "warning"},
        lost=("a1",),
        composable=False,
    ),
    Damage(
        name="file-renamed",
        apply=on("m8", lambda b, i: b.file(i).rename(b.root / spare(b))),
        codes={"M005": 1},
        after={"M005": 1},
        severities_after={"M005": "warning"},
        composable=False,
    ),
    *(
        Damage(
            name=f"{what}-of-{label}-under-another-name",
            apply=on(label, act),
            codes={code: 1},
            touched=lambda b, label=label: (spare_for(b, entity_of(b, label)),),  # type: ignore[misc]
        )
        for what, label, code, act in (
            ("copy", "m8", "M006", copy_as),
            ("newer-copy", "m8", "M006", older_original),
            ("copy", "a0", "A006", copy_as),
        )
    ),
    Damage(
        name="bak-of-a-nulled-file",
        apply=on("m8", bak_of_nulled),
        codes={"M003": 1, "S003": 1},
        after={"S003": 1},
        touched=("m8",),
    ),
)
