"""Damages to where an entity's only file is: under another name, or elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from synthstore.testing.damages.model import Damage, entity
from synthstore.testing.damages.structure import beside, stem
from synthstore.testing.stores import Built, write


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


DAMAGES = (
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
