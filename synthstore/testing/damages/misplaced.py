"""Damages to where an entity's only file is: under another name, elsewhere, in the wrong folder."""

from __future__ import annotations

from collections.abc import Callable

from synthstore.testing.damages.acts import forget_row
from synthstore.testing.damages.model import Damage, entity, in_turn, on
from synthstore.testing.damages.structure import beside, stem
from synthstore.testing.stores import Built, entity_path, write


def put_aside(path: Callable[[Built], str]) -> Callable[[Built], None]:
    """Move memory 8's file to ``path``, as it is and old enough to be nobody's work."""

    def apply(built: Built) -> None:
        raw, target = built.raw(entity(built, "m8")), built.root / path(built)
        built.file(entity(built, "m8")).unlink()
        write(target, raw)

    return apply


ASIDE: dict[str, tuple[Callable[[Built], str], tuple[str, ...]]] = {
    "under-a-backup-name": (lambda b: f"{stem(b)}.json~", ("S003",)),
    "under-the-name-orig": (lambda b: f"{stem(b)}.json.orig", ("S003",)),
    "in-capitals": (lambda b: f"{stem(b)}.JSON", ("S003",)),
    "in-a-folder": (lambda b: beside(b, "old/") + f"{entity(b, 'm8')}.json", ("S003",)),
    "among-corrupted-backups": (lambda _: "corrupted_backups/some_1743080007.json", ()),
    "in-a-backup": (lambda b: f"backups/backup_20250318_153042/{stem(b)}.json", ()),
}
"""Where the only copy of a memory may lie, and what is said of that."""

FINISHED: dict[str, Callable[[Built], str]] = {
    "tmp": lambda b: f"{stem(b)}.1a2b3c4d.tmp",
    "tmp-json": lambda b: f"{stem(b)}.1a2b3c4d.tmp.json",
    "json-tmp": lambda b: f"{stem(b)}.json.tmp",
}
"""Names of temporary files that may hold the only copy of a memory, whole."""


def move_astray(built: Built, entity_id: str) -> None:
    """The file is moved into the folder of the other kind."""
    target = built.root / astray(built, entity_id)
    built.file(entity_id).rename(target)


def astray(built: Built, entity_id: str) -> str:
    """Where the file of an entity of the other kind would be."""
    return entity_path(built.layout, entity_id, is_memory=not built.is_memory(entity_id))


def back_in_place(built: Built, entity_id: str) -> None:
    """The entity stands where it belongs, and nowhere else."""
    assert built.read(entity_id) == built.docs[entity_id]
    assert not (built.root / astray(built, entity_id)).exists()


DAMAGES = (
    *(
        Damage(
            name=f"{label}-in-the-folder-of-the-other-kind",
            apply=on(label, move_astray),
            codes=dict.fromkeys(codes, 1),
            touched=lambda b, label=label: (label, astray(b, entity(b, label))),  # type: ignore[misc]
            check=on(label, back_in_place),
        )
        for label, codes in (("m8", ("M001", "A007")), ("a1", ("A001", "M007")))
    ),
    *(
        Damage(
            name=f"{label}-in-the-folder-of-the-other-kind-and-on-no-list",
            apply=in_turn(on(label, move_astray), on(label, forget_row)),
            codes={code: 1, "V004": 1},
            touched=lambda b, label=label: (label, astray(b, entity(b, label))),  # type: ignore[misc]
            check=on(label, back_in_place),
        )
        for label, code in (("m8", "A007"), ("a1", "M007"))
    ),
    Damage(
        name="memory-in-the-folder-of-the-other-kind-and-no-catalog",
        apply=in_turn(on("m8", move_astray), lambda built: built.catalog.unlink()),
        codes={"A007": 1, "C001": 1, "V004": 1},
        touched=lambda b: ("m8", astray(b, entity(b, "m8"))),
        check=on("m8", back_in_place),
    ),
    *(
        Damage(
            name=f"only-copy-{name}",
            apply=put_aside(path),
            codes={"M001": 1} | dict.fromkeys(codes, 1),
            after=dict.fromkeys(codes, 1),
            touched=("m8",),
        )
        for name, (path, codes) in ASIDE.items()
    ),
    Damage(
        name="only-copy-in-the-store-s-own-folder",
        apply=put_aside(lambda b: f"{entity(b, 'm8')}.json"),
        codes={"M001": 1},
        layouts=("native",),
        touched=("m8",),
    ),
    *(
        Damage(
            name=f"only-copy-is-a-leftover-{name}",
            apply=put_aside(path),
            codes={"M001": 1, "S002": 1},
            touched=lambda built, path=path: ("m8", path(built)),  # type: ignore[misc]
        )
        for name, path in FINISHED.items()
    ),
)
