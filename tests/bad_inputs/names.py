"""Paths that lead out, things that are no files, names and ids that are none (1 to 18)."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

from synthstore.testing import spelling
from synthstore.testing.damages.acts import set_path
from synthstore.testing.damages.model import entity, on
from synthstore.testing.damages.shapes import odd_memory
from synthstore.testing.damages.structure import swap
from synthstore.testing.stores import Built, write
from tests.bad_inputs.model import Given, Plant, Planted, damage

OUTSIDE = "outside.json"


def path_of_m8(path: str) -> Plant:
    """The row of memory 8 names ``path``; a well-formed memory stands there if it is outside."""

    def plant(built: Built) -> None:
        raw = built.raw(entity(built, "m8"))
        write(built.root.parent / OUTSIDE, raw)
        where = path.replace("{outside}", str(built.root.parent / OUTSIDE))
        on("m8", set_path(where))(built)

    return plant


def file_of(entity_id: str, name: str) -> Plant:
    """A memory that is in good order but for its id, in a file called ``name`` and not listed."""

    def plant(built: Built) -> None:
        doc = spelling.memory("native", entity_id, 3, built.embedding(built.memories[0]))
        write(built.root / "memories" / name, json.dumps(doc).encode("ascii"))

    return plant


def row_of(entity_id: str, path: str) -> Plant:
    """A row, and nothing else, of an id that is none."""

    def plant(built: Built) -> None:
        row = built.row(built.memories[8]) | {"filepath": path}
        built.edit_rows(lambda rows: rows.update({entity_id: row}))

    return plant


def device(path: Path, _: Path) -> None:
    """A character device whose bytes never end: /dev/zero under another name."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def asked_for(entity_id: str) -> Callable[[Path, Built], object]:
    """Nothing is made: the id itself is the input."""
    return lambda *_: entity_id


UNLISTED = {"M002": 1, "M012": 1, "V003": 1}
"""A file with a bad id is adopted, so that its content can be found, and its id stays told."""

PLANTED = (
    *(
        Planted(number=n, name=f"path-{name}", plant=path_of_m8(path), says={"C005": 1})
        for n, name, path in (
            (1, "climbs-out", "../../outside.json"),
            (1, "climbs-out-to-a-memory", "../outside.json"),
            (2, "absolute", "/etc/passwd"),
            (2, "absolute-to-a-memory", "{outside}"),
            (3, "climbs-into-another-folder", "memories/../index"),
        )
    ),
    Planted(
        number=1,
        name="path-climbs-out-of-core",
        plant=path_of_m8("../outside.json"),
        says={"C005": 1},
        layout="core-4",
    ),
    damage(4, "memories-are-a-link"),
    damage(5, "symlink-instead-of-file", mended=1),
    damage(5, "dangling-symlink-instead-of-file", mended=1),
    damage(6, "fifo-instead-of-file", mended=1),
    Planted(
        number=7,
        name="device-instead-of-file",
        plant=swap(device),
        says={"S004": 1, "M001": 1},
        left={"S004": 1},
        mended=1,
        by_root=True,
    ),
    damage(8, "hard-linked"),
    damage(8, "hard-linked-and-cut"),
    damage(9, "directory-instead-of-file", mended=1),
    Planted(
        number=10,
        name="id-empty",
        plant=file_of("", ".json"),
        says=UNLISTED,
        left={"M012": 1},
        mended=1,
    ),
    Planted(
        number=10,
        name="row-of-empty-id",
        plant=row_of("", "memories/.json"),
        says={"M001": 1, "M012": 1},
    ),
    Planted(
        number=11,
        name="id-dots",
        plant=file_of("..", "...json"),
        says=UNLISTED | {"S006": 1},
        left={"M012": 1, "S006": 1},
        mended=1,
    ),
    *(
        Planted(
            number=number,
            name=f"id-{name}",
            plant=file_of(entity_id, "plain.json"),
            says=UNLISTED | {"M005": 1},
            left={"M005": 1, "M012": 1},
            mended=1,
        )
        for number, name, entity_id in (
            (12, "with-slash", "a/b"),
            (12, "climbs-out", "../../outside"),
            (12, "with-nul", "a\0b"),
            (13, "300-bytes", "a" * 300),
            (13, "126-letters-252-bytes", "é" * 126),
            (18, "with-newline", "mem_a\nb"),
            (18, "with-leading-dash", "-rf"),
        )
    ),
    Planted(
        number=18,
        name="id-with-lone-surrogate",
        plant=file_of("mem_\ud800", "plain.json"),
        says=UNLISTED | {"M005": 1, "M010": 1},
        left={"M005": 1, "M010": 1, "M012": 1},
        mended=1,
    ),
    *(
        Planted(
            number=14,
            name=f"id-{name}",
            plant=odd_memory(entity_id),
            says={"S006": 1},
            left={"S006": 1},
        )
        for name, entity_id in (
            ("of-a-device-elsewhere", "CON"),
            ("of-a-device-with-suffix", "nul.txt"),
        )
    ),
    Planted(
        number=14,
        name="id-with-trailing-dot",
        plant=odd_memory("mem_a."),
        says={"S006": 1},
        left={"S006": 1},
    ),
    damage(15, "names-differ-in-normal-form"),
    damage(16, "names-differ-in-case"),
    damage(17, "other-id-inside"),
)

GIVEN = tuple(
    Given(
        number=number,
        name=f"{command[0]}-{name}",
        make=asked_for(entity_id),
        command=(*command, "--id", entity_id),
        code=2,
        kind="usage",
    )
    for command in (("verify", "{store}"), ("repair", "{store}", "-y"))
    for number, name, entity_id in (
        (10, "id-empty", ""),
        (11, "id-dots", ".."),
        (12, "id-with-slash", "../../outside"),
        (12, "id-with-nul", "a\0b"),
        (13, "id-of-300-bytes", "a" * 300),
        (18, "id-with-newline", "a\nb"),
    )
)
