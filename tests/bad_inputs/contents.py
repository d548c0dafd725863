"""What a JSON file may hold that no parser, no terminal or no index should be handed (19 to 29)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from synthstore.testing.damages import shapes
from synthstore.testing.damages.acts import by, edit, listed, set_native
from synthstore.testing.damages.catalog import to_catalog
from synthstore.testing.damages.contents import poison
from synthstore.testing.damages.model import on
from synthstore.testing.damages.vectors import to_mapping
from tests.bad_inputs.model import Plant, Planted, damage

GB = 2**30
DEEP = 100_000
ESCAPES = "\x1b]0;owned\a\x1b[2J\x1b]8;;http://x\a\x1b]52;c;eA==\a\x9b2J\u202e\0"


def content(text: str) -> Plant:
    """Memory 8 says ``text``; its row follows."""
    return on("m8", edit(set_native(content=text, metadata={text: text})))


def embedding(value: object) -> Plant:
    """Memory 8 has ``value`` where its embedding belongs; its vector stays."""
    return on("m8", edit(set_native(embedding=value)))


def extra(text: str) -> Plant:
    """Memory 8 has a field more, spelt as ``text``; its row follows."""
    return on("m8", listed(shapes.with_field(text)))


def doubled_row(raw: bytes) -> bytes:
    """The catalog with its whole section of assemblies twice."""
    return raw.replace(b'"assemblies": {', b'"assemblies": {},\n "assemblies": {', 1)


def doubled_entry(raw: bytes) -> bytes:
    """The mapping with its first entry twice, the second time of another number."""
    first = raw.index(b'"')
    name = raw[first : raw.index(b":", first)]
    return raw[:first] + name + b": 7, " + raw[first:]


FORMS: Mapping[str, Callable[[bytes], bytes]] = {
    "bom": lambda raw: b"\xef\xbb\xbf" + raw,
    "utf-16": lambda raw: raw.decode().encode("utf-16"),
    "only-nuls": lambda raw: bytes(len(raw)),
    "nuls-at-the-end": lambda raw: raw + bytes(512),
    "junk-at-the-end": lambda raw: raw + b"\n{}",
    "twice": lambda raw: raw + raw,
    "empty": lambda _: b"",
}

SAID_OF_FORM: Mapping[str, tuple[str, str, str]] = {
    "bom": ("M010", "C002", "V006"),
    "utf-16": ("M010", "C002", "V006"),
    "only-nuls": ("M003", "C002", "V006"),
    "nuls-at-the-end": ("M003", "C002", "V006"),
    "junk-at-the-end": ("M003", "C002", "V006"),
    "twice": ("M003", "C002", "V006"),
    "empty": ("M009", "C002", "V006"),
}
"""Of a memory file, of the catalog, of the mapping."""


def _forms() -> list[Planted]:
    rows = []
    for form, change in FORMS.items():
        memory, catalog, mapping = SAID_OF_FORM[form]
        left = {memory: 1} if memory == "M010" else {}
        rows += [
            Planted(
                number=29,
                name=f"memory-{form}",
                plant=on("m8", listed(change) if left else by(change)),
                says={memory: 1},
                left=left,
            ),
            Planted(number=29, name=f"catalog-{form}", plant=to_catalog(change), says={catalog: 1}),
            Planted(number=29, name=f"mapping-{form}", plant=to_mapping(change), says={mapping: 1}),
        ]
    return rows


PLANTED = (
    Planted(number=19, name="escapes-in-content", plant=content(ESCAPES), says={}, found=0),
    Planted(number=20, name="markup-in-content", plant=content("[/x] [link=x]"), says={}, found=0),
    Planted(
        number=23,
        name="memory-of-1-gb",
        plant=on("m8", shapes.inflate(GB)),
        says={"M011": 1},
        left={"M011": 1},
        mended=1,
    ),
    Planted(
        number=24,
        name="100000-levels",
        plant=extra("[" * DEEP + "]" * DEEP),
        says={"M010": 1},
        left={"M010": 1},
    ),
    Planted(
        number=24,
        name="100000-levels-never-closed",
        plant=on("m8", by(lambda raw: raw[:40] + b"[" * DEEP)),
        says={"M003": 1},
    ),
    *(
        Planted(
            number=25,
            name=f"{depth}-levels",
            plant=extra("[" * (depth - 1) + "]" * (depth - 1)),
            says={"M010": 1} if depth > 254 else {},
            left={"M010": 1} if depth > 254 else {},
            found=int(depth > 254),
        )
        for depth in (254, 255, 1023)
    ),
    damage(26, "embedding-only-in-index", found=1),
    damage(26, "embedding-with-nan"),
    damage(26, "embedding-with-infinity"),
    damage(26, "embedding-with-overflow"),
    damage(26, "embedding-with-text"),
    damage(26, "embedding-with-list"),
    damage(26, "embedding-of-other-dimension", mended=1),
    damage(26, "embedding-with-nan-and-no-vector", mended=1),
    Planted(
        number=26, name="embedding-with-null", plant=on("m8", poison(b"null")), says={"E003": 1}
    ),
    Planted(
        number=26, name="embedding-with-bool", plant=on("m8", poison(b"true")), says={"E003": 1}
    ),
    Planted(number=26, name="embedding-is-a-string", plant=embedding("0.1 0.2"), says={"E003": 1}),
    Planted(number=26, name="embedding-is-a-bool", plant=embedding(value=True), says={"E003": 1}),
    Planted(number=26, name="embedding-is-an-object", plant=embedding({"0": 1}), says={"E003": 1}),
    Planted(
        number=27,
        name="integer-beyond-64-bits",
        plant=extra(str(2**64)),
        says={"M010": 1},
        left={"M010": 1},
    ),
    Planted(
        number=27,
        name="integer-of-5000-digits",
        plant=extra("9" * 5000),
        says={"M010": 1},
        left={"M010": 1},
    ),
    damage(28, "rigid-duplicate-key"),
    damage(28, "copy-of-m8-under-another-name"),
    Planted(
        number=28, name="catalog-with-a-key-twice", plant=to_catalog(doubled_row), says={"C004": 1}
    ),
    Planted(
        number=28,
        name="mapping-with-a-key-twice",
        plant=to_mapping(doubled_entry),
        says={"V008": 1},
    ),
    *_forms(),
)
