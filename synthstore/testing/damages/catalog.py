"""Damages to memory_index.json: gone, torn, rows that lie (C)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from synthstore.testing import harm, spelling
from synthstore.testing.damages.acts import (
    forget_row,
    forget_vector,
    path_key,
    set_path,
    set_row,
    tail,
    unlink,
)
from synthstore.testing.damages.model import ALL, CORE, NATIVE, Damage, in_turn, on
from synthstore.testing.spelling import Doc
from synthstore.testing.stores import Built, write

OUTSIDE = "../outside.json"


def drop_key(key: str) -> Callable[[Built, str], None]:
    """Take a key from the entity's row."""

    def act(built: Built, entity_id: str) -> None:
        built.edit_rows(lambda rows: rows[entity_id].pop(key), entity_id)

    return act


def replace_row(value: object) -> Callable[[Built, str], None]:
    """Put something else where the entity's row was."""

    def act(built: Built, entity_id: str) -> None:
        built.edit_rows(lambda rows: rows.update({entity_id: value}), entity_id)

    return act


def to_catalog(change: Callable[[bytes], bytes]) -> Callable[[Built], None]:
    """Hurt the catalog's bytes."""
    return lambda built: harm.hurt_part(built.catalog, change)


def swap_structure(raw: bytes) -> bytes:
    """One flipped bit in the last closing brace."""
    return harm.flipped(raw, raw.rindex(b"}"), 2)


def count_wrongly(built: Built) -> None:
    """One memory more than there are."""
    built.edit_catalog(lambda doc: doc["metadata"].update(memory_count=13))


def ghost_row(built: Built, entity_id: str) -> None:
    """A second row for the entity's file, under an id that no file bears."""
    row = built.row(entity_id)
    built.edit_rows(lambda rows: rows.update(mem_ffffffffffff=row), entity_id)


def point_at(other: int) -> Callable[[Built, str], None]:
    """Let the entity's row name another memory's file."""

    def act(built: Built, entity_id: str) -> None:
        set_path(built.paths[built.memories[other]])(built, entity_id)

    return act


def exchange_rows(built: Built) -> None:
    """Two rows change places; each now names the other's file, with that file's hash."""

    def change(rows: Doc) -> None:
        one, other = built.memories[8:10]
        rows[one], rows[other] = rows[other], rows[one]

    built.edit_rows(change)


def later_edit(**changes: object) -> Callable[[Built, str], None]:
    """Edit a document as a program would that forgets the catalog: a newer ``updated_at`` too."""

    def act(built: Built, entity_id: str) -> None:
        new = {"updated_at": "2025-06-01T00:00:00.000000", **changes}
        built.edit(entity_id, lambda doc: doc.update(new), listed=False)

    return act


def new_embedding(built: Built, entity_id: str) -> None:
    """The same with another embedding."""
    key = built.embedding_key(entity_id)
    turned = spelling.numbers(-built.embedding(entity_id))
    later_edit(**{key: turned})(built, entity_id)


def mark_deleted(built: Built, entity_id: str) -> None:
    """The first step of a deletion."""
    set_row(deleted_at="2025-03-20T10:00:00.000000")(built, entity_id)


def hash_contents(built: Built) -> None:
    """Rows as other writers leave them: hashes of the content text."""

    def change(rows: Doc) -> None:
        for entity_id, row in rows.items():
            digest = hashlib.sha256(built.docs[entity_id]["content"].encode()).hexdigest()
            row["content_hash"] = "sha256:" + digest

    built.edit_rows(change)


def respell_times(built: Built) -> None:
    """The same instants with an offset."""

    def change(rows: Doc) -> None:
        for row in rows.values():
            row["created_at"] += "Z"
            row["updated_at"] += "+00:00"

    built.edit_rows(change)


def backed_up(built: Built) -> None:
    """A good index backup with a key that only it knows, then a torn catalog."""
    document = json.loads(built.catalog.read_bytes())
    document["memories"][built.memories[8]]["pinned"] = True
    backup = built.root / "backups/index/memory_index.20250318_153042.json"
    write(backup, spelling.entity_text("native", document))
    harm.hurt_part(built.catalog, lambda raw: raw[: len(raw) // 2])


def has_pin(built: Built) -> None:
    """What only the backup knew is back."""
    assert built.row(built.memories[8])["pinned"] is True


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda raw: raw[: len(raw) * 3 // 5],
    "flipped": swap_structure,
    "nulled": harm.nulled,
    "array": lambda raw: b"[" + raw + b"]",
    "empty": lambda _: b"",
    "bad-utf8": lambda raw: harm.flipped(raw, len(raw) // 2, 7),
}

DAMAGES = (
    Damage(name="catalog-gone", apply=lambda built: built.catalog.unlink(), codes={"C001": 1}),
    *(
        Damage(
            name=f"catalog-{how}",
            apply=to_catalog(change),
            codes={"C002": 1},
        )
        for how, change in UNREADABLE.items()
    ),
    Damage(
        name="catalog-cut-and-backed-up",
        apply=backed_up,
        codes={"C002": 1},
        layouts=NATIVE,
        check=has_pin,
        composable=False,
    ),
    Damage(
        name="row-without-path",
        apply=on("m8", lambda b, i: drop_key(path_key(b))(b, i)),
        codes={"C003": 1},
    ),
    Damage(
        name="row-path-is-a-number",
        apply=on("m8", lambda b, i: set_row(**{path_key(b): 17})(b, i)),
        codes={"C003": 1},
    ),
    Damage(name="row-is-null", apply=on("m8", replace_row(None)), codes={"C003": 1}),
    Damage(
        name="assembly-row-without-path",
        apply=on("a0", lambda b, i: drop_key(path_key(b))(b, i)),
        codes={"C003": 1},
    ),
    Damage(
        name="row-score-is-text",
        apply=on("m8", set_row(quickrecal_score="high")),
        codes={"C003": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="row-of-the-wrong-type",
        apply=on("m8", set_row(type="assembly")),
        codes={"C003": 1},
        layouts=CORE,
    ),
    Damage(
        name="row-without-hash",
        apply=on("m8", drop_key("content_hash")),
        codes={"C003": 1},
        layouts=NATIVE,
    ),
    Damage(name="count-wrong", apply=count_wrongly, codes={"C004": 1}, layouts=NATIVE),
    Damage(
        name="minor-version-newer",
        apply=lambda b: b.edit_catalog(lambda doc: doc["metadata"].update(version="2.9.1")),
        codes={},
        layouts=NATIVE,
    ),
    *(
        Damage(name=f"row-path-{how}", apply=on("m8", set_path(path)), codes={"C005": 1})
        for how, path in {
            "climbs-out": OUTSIDE,
            "climbs-within": "memories/../../outside.json",
            "absolute": "/nowhere/evil.json",
        }.items()
    ),
    Damage(
        name="row-path-climbs-out-and-no-file",
        apply=in_turn(on("m8", unlink), on("m8", set_path(OUTSIDE))),
        codes={"C005": 1},
        lost=("m8",),
    ),
    Damage(name="row-of-nobody-names-a-file", apply=on("m8", ghost_row), codes={"C006": 1}),
    Damage(name="row-names-another-file", apply=on("m8", point_at(9)), codes={"C006": 1}),
    Damage(name="rows-exchanged", apply=exchange_rows, codes={"C007": 2}),
    Damage(
        name="row-score-differs",
        apply=on("m8", set_row(quickrecal_score=0.111)),
        codes={"C007": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="row-quickrecal-differs",
        apply=on("m8", set_row(quickrecal=0.111)),
        codes={"C007": 1},
        layouts=("core-3",),
    ),
    Damage(
        name="row-created-differs",
        apply=on("m8", set_row(created_at="2024-01-01T00:00:00.000000")),
        codes={"C007": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="row-timestamp-differs",
        apply=on("m8", set_row(timestamp="2024-01-01T00:00:00.000000+00:00")),
        codes={"C007": 1},
        layouts=("core-3",),
    ),
    Damage(
        name="row-timestamp-is-the-save-time",
        apply=in_turn(
            on("m8", set_row(timestamp="2026-01-01T00:00:00.000000+00:00")),
            on("a0", set_row(timestamp="2026-01-01T00:00:00.000000+00:00")),
        ),
        codes={},
        layouts=("core-4",),
    ),
    Damage(
        name="assembly-row-timestamp-is-the-save-time",
        apply=on("a0", set_row(timestamp=1_795_334_033.8)),
        codes={},
        layouts=CORE,
    ),
    Damage(
        name="row-member-count-differs",
        apply=on("a0", set_row(member_count=9)),
        codes={"C007": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="row-names-no-file",
        apply=on("m8", lambda b, i: set_path(b.paths[i].replace(".json", "-1.json"))(b, i)),
        codes={"C007": 1},
    ),
    Damage(name="row-times-respelt", apply=respell_times, codes={}, layouts=NATIVE),
    Damage(name="hashes-of-content", apply=hash_contents, codes={}, layouts=NATIVE),
    Damage(
        name="edited-since",
        apply=on("m8", later_edit(content="another note", quickrecal_score=0.9)),
        codes={"C008": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="embedding-edited-since",
        apply=on("m8", new_embedding),
        codes={"C008": 1, "V005": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="assembly-edited-since",
        apply=on("a0", later_edit(name="another name")),
        codes={"C008": 1},
        layouts=NATIVE,
    ),
    Damage(
        name="deletion-begun",
        apply=on("m8", mark_deleted),
        codes={"C009": 1},
        layouts=NATIVE,
        touched=("m8",),
        lost=("m8",),
        composable=False,
    ),
    Damage(
        name="deletion-begun-of-a-torn-file",
        apply=in_turn(on("m8", mark_deleted), on("m8", tail)),
        codes={"C009": 1},
        touched=("m8",),
        lost=("m8",),
        composable=False,
    ),
    Damage(
        name="deletion-cut-after-vector",
        apply=in_turn(on("m8", mark_deleted), on("m8", forget_vector)),
        codes={"C009": 1},
        layouts=NATIVE,
        touched=("m8",),
        lost=("m8",),
        composable=False,
    ),
    Damage(
        name="deletion-cut-after-file",
        apply=in_turn(on("m8", mark_deleted), on("m8", forget_vector), on("m8", unlink)),
        codes={"C009": 1},
        layouts=NATIVE,
        lost=("m8",),
        composable=False,
    ),
    Damage(
        name="assembly-deletion-begun",
        apply=on("a1", mark_deleted),
        codes={"C009": 1},
        layouts=NATIVE,
        touched=("a1",),
        lost=("a1",),
        composable=False,
    ),
    Damage(name="row-gone", apply=on("m8", forget_row), codes={"M002": 1}, layouts=ALL),
    Damage(name="assembly-row-gone", apply=on("a0", forget_row), codes={"A002": 1}),
)
