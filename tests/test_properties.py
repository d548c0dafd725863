"""Whatever happens to a store, in whatever order: repair ends, loses nothing, can be undone."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from synthstore.checks.report import RepairReport
from synthstore.errors import NewerFormatError, RefusedError
from synthstore.testing import harm
from synthstore.testing.damages import DAMAGES, Damage, How
from synthstore.testing.spelling import Doc, Name, Vector, numbers
from synthstore.testing.stores import Built, build
from tests import oracle
from tests.operate import codes, look, mend, take_back, told
from tests.oracle import Entity
from tests.test_damages import is_vector, same
from tests.trees import Tree, changed, sha_tree

BENIGN = frozenset(
    {"S003", "S004", "S006", "S007", "S008", "A020", "A021", "A022", "A023", "M008", "A008"}
    | {"E001", "E006", "M005", "A005"}
)
"""What may be left in a store whose files, rows, vectors and mapping agree."""

NOT_APPLICABLE = (
    OSError,
    ValueError,
    LookupError,
    AssertionError,
    AttributeError,
    TypeError,
    RecursionError,
    struct.error,
)
"""What a damage raises where an earlier one left nothing for it to hurt."""


def composable(layout: Name) -> list[Damage]:
    """The damages that make sense on top of each other."""
    return [
        d
        for d in DAMAGES
        if d.composable and layout in d.layouts and d.user == "any" and "oversize" not in d.name
    ]


@dataclass(frozen=True, slots=True)
class Blow:
    """Harm to any file, wherever it falls."""

    kind: str
    file: float
    """Which of the store's files, as a share of them."""
    place: float
    """Where in it, as a share of its length."""
    bit: int

    def apply(self, built: Built) -> None:
        """Strike."""
        found = sorted(p for p in built.root.rglob("*") if p.is_file() and not p.is_symlink())
        path = found[int(self.file * len(found))]
        raw = path.read_bytes()
        at = int(self.place * len(raw))
        match self.kind:
            case "flip":
                path.write_bytes(harm.flipped(raw, at, self.bit))
            case "cut":
                path.write_bytes(raw[:at])
            case "zero":
                path.write_bytes(raw[:at] + bytes(min(64, len(raw) - at)) + raw[at + 64 :])
            case "lose":
                path.unlink()


NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")

KINDS = ("flip", "flip", "cut", "zero", "lose")
SHARES = st.floats(0, 1, exclude_max=True)
BLOWS = st.builds(Blow, st.sampled_from(KINDS), SHARES, SHARES, st.integers(0, 7))

Accident = tuple[Name, list[Damage | Blow]]


@st.composite
def accidents(draw: st.DrawFn) -> Accident:
    """A layout and one to five damages to a store of it, named ones and blind ones."""
    layout: Name = draw(st.sampled_from(("native", "core-4", "core-3")))
    harms = st.one_of(st.sampled_from(composable(layout)), BLOWS)
    return layout, draw(st.lists(harms, min_size=1, max_size=5))


@given(accident=accidents())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_accident(accident: Accident) -> None:
    layout, damages = accident
    with tempfile.TemporaryDirectory() as folder:
        built = build(layout, Path(folder) / "store")
        hurt_all(built, damages)
        survives(built)


def hurt_all(built: Built, damages: Sequence[Damage | Blow]) -> None:
    """Do one after another; what cannot be done any more is left out."""
    for damage in damages:
        try:
            damage.apply(built)
        except NOT_APPLICABLE as error:
            note(f"{damage} left out: {error!r}")


def survives(built: Built) -> None:
    """All that repair promises, on any store."""
    hurt = sha_tree(built.root)
    before = oracle.entities(built.root, built.layout)
    deleted = marked_deleted(built)
    evidence = gather(built)
    try:
        said = codes(look(built.root))
    except NewerFormatError:
        # One bit made version 2 a newer major: refusing is right, and nothing is touched.
        return
    note(f"{built.layout}: {dict(said)}")
    assert sha_tree(built.root, skip="") == hurt
    report, how = mend_somehow(built)
    after = look(built.root)
    assert codes(after) == codes(report), f"{told(report)}\n--\n{told(after)}"
    nothing_lost(built, before, deleted)
    nothing_invented(built, evidence)
    if codes(report).keys() <= BENIGN:
        assert oracle.problems(built.root, built.layout) == []
    mended = sha_tree(built.root, skip="")
    assert mend(built.root, how).run is None
    assert sha_tree(built.root, skip="") == mended
    if report.run is not None:
        take_back(built.root)
    assert changed(hurt, sha_tree(built.root)) == set()


def mend_somehow(built: Built) -> tuple[RepairReport, How]:
    """Repair; where it refuses, nothing has changed, and it is allowed to shrink."""
    before = sha_tree(built.root)
    try:
        return mend(built.root), How()
    except RefusedError as refusal:
        note(f"refused: {refusal.message}")
        assert sha_tree(built.root) == before
        how = How(allow_shrink=True)
        return mend(built.root, how), how


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a repair may draw on."""

    tree: Tree
    raw: dict[str, bytes]
    """Bytes of the entity files and of the ``.bak`` beside them, by path."""
    docs: dict[str | None, list[Doc]]
    """Documents that ever were whole, by path and by id."""
    vectors: list[Vector]


def gather(built: Built) -> Evidence:
    """What the hurt store still says, and what it said when it was healthy."""
    docs: dict[str | None, list[Doc]] = {i: [doc] for i, doc in built.docs.items()}
    for path, doc in oracle.documents(built.root, built.layout).items():
        for key in (path, oracle.id_of(doc)):
            docs.setdefault(key, []).append(doc)
        for member in doc.get("memories", ()):
            if isinstance(member, dict):
                docs.setdefault(oracle.id_of(member), []).append(member)
    for document in oracle.spare_documents(built.root):
        docs.setdefault(oracle.id_of(document), []).append(document)
    raw: dict[str, bytes] = {}
    for file in [*built.root.rglob("*.json"), *built.root.rglob("*.bak")]:
        if file.is_file():
            name = file.with_suffix(".json").relative_to(built.root).as_posix()
            raw[name] = raw.get(name, b"") + file.read_bytes()
    try:
        vectors = list(built.vectors().vectors)
    except NOT_APPLICABLE:
        vectors = []
    return Evidence(sha_tree(built.root), raw, docs, vectors)


def nothing_invented(built: Built, evidence: Evidence) -> None:
    """A file that repair wrote says only what stood in it, in a copy, or in the index."""
    now = sha_tree(built.root)
    for path, entity in oracle.entities(built.root, built.layout).items():
        if now.get(path) != evidence.tree.get(path):
            for key, value in entity.doc.items():
                assert has_source(evidence, path, entity.id, key, value), (path, key)


def has_source(evidence: Evidence, path: str, entity_id: str, key: str, value: Any) -> bool:
    """Whether a value was there before."""
    docs = [*evidence.docs.get(path, ()), *evidence.docs.get(entity_id, ())]
    if any(key in doc and same(value, doc[key]) for doc in docs):
        return True
    if is_vector(value) and any(same(value, numbers(vector)) for vector in evidence.vectors):
        return True
    text = plain(evidence.raw.get(path, b"").decode("utf-8", "replace"))
    seen = {json.dumps(float(number)) for number in NUMBER.findall(text)}
    return json.dumps(key) in text and all(leaf in seen or leaf in text for leaf in leaves(value))


def plain(text: str) -> str:
    """JSON text with its escaped letters as themselves."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def leaves(value: Any) -> Iterator[str]:
    """The texts in a JSON value as they are spelt, and the numbers as Python spells them."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield json.dumps(key, ensure_ascii=False)
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield json.dumps(float(value))
    else:
        yield json.dumps(value, ensure_ascii=False)


def marked_deleted(built: Built) -> set[str]:
    """Ids whose deletion has begun."""
    try:
        document = json.loads(built.catalog.read_bytes())
        tables = [document["memories"], document["assemblies"]] if built.native else [document]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    rows = [item for table in tables if isinstance(table, dict) for item in table.items()]
    return {key for key, row in rows if isinstance(row, dict) and "deleted_at" in row}


def nothing_lost(built: Built, before: dict[str, Entity], deleted: set[str]) -> None:
    """Each entity that parsed stands where it stood, or lives on, or its bytes are put aside."""
    after = oracle.entities(built.root, built.layout)
    living = {(entity.is_memory, entity.id) for entity in after.values()}
    aside = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (built.root / ".synthstore" / "quarantine").rglob("*")
        if path.is_file()
    }
    for path, entity in before.items():
        stands = path in after and after[path].id == entity.id
        put_aside = hashlib.sha256(entity.raw).hexdigest() in aside
        assert stands or put_aside or entity.id in deleted, f"{path} is gone"
        kept = (entity.is_memory, entity.id) in living
        assert kept or put_aside or entity.id in deleted, f"{entity.id} is no more"
