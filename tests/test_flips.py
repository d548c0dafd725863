"""One flipped bit or one cut, anywhere in any file of a native store, is never overlooked."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from synthstore.errors import NewerFormatError
from synthstore.testing import harm
from synthstore.testing.spelling import Doc
from synthstore.testing.stores import Built, build
from tests import oracle
from tests.operate import codes, look, mend, take_back
from tests.test_damages import same
from tests.trees import Tree, changed, sha_tree

FILES = ("m8", "m0", "a0", "catalog", "index", "mapping")

TIMES = ("created_at", "updated_at")
CLAIMS = ("filepath", "quickrecal_score", "member_count")


def path_of(built: Built, name: str) -> Path:
    """The file that ``name`` stands for."""
    parts = {"catalog": built.catalog, "index": built.index, "mapping": built.mapping}
    if name in parts:
        return parts[name]
    ids = built.memories if name[0] == "m" else built.assemblies
    return built.file(ids[int(name[1:])])


def borne_out(raw: bytes) -> object:
    """What of a catalog the rest of the store bears out; the bytes where it does not parse.

    Not so ``version``, ``last_updated``, unknown keys, and whether an assembly's row has a
    ``content_hash``: those of other writers have none.
    """
    try:
        document = json.loads(raw)
        rows = {**document["memories"], **document["assemblies"]}
        counts = {k: v for k, v in document["metadata"].items() if k.endswith("_count")}
        return {key: claims(row) for key, row in rows.items()}, counts
    except (ValueError, KeyError, TypeError, AttributeError):
        return raw


def claims(row: Doc) -> list[object]:
    """What one row says of its file; times as instants."""
    times = [datetime.fromisoformat(row[key]) for key in TIMES]
    hashed = "content_hash" in row or "member_count" in row
    return [*times, hashed, *(row.get(key) for key in CLAIMS)]


@given(name=st.sampled_from(FILES), share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_flipped_bit_is_seen_and_mended_without_invention(
    name: str, share: float, bit: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        built = build("native", Path(folder) / "store")
        path = path_of(built, name)
        raw = path.read_bytes()
        at = int(share * len(raw))
        path.write_bytes(harm.flipped(raw, at, bit))
        note(f"{path.name} at {at} of {len(raw)}, bit {bit}")
        quiet = name == "catalog" and borne_out(raw) == borne_out(path.read_bytes())
        outlives(built, quiet=quiet, wholly=name in ("index", "mapping"))


@given(name=st.sampled_from(FILES), share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_cut_is_seen_and_mended_without_invention(name: str, share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        built = build("native", Path(folder) / "store")
        path = path_of(built, name)
        raw = path.read_bytes()
        path.write_bytes(raw[: int(share * len(raw))])
        note(f"{path.name} cut at {int(share * len(raw))} of {len(raw)}")
        outlives(built, wholly=name in ("index", "mapping"))


def outlives(built: Built, *, quiet: bool = False, wholly: bool = False) -> None:
    """Seen; mended with nothing invented; taken back to the byte."""
    hurt = sha_tree(built.root)
    hurt_docs = oracle.documents(built.root, built.layout)
    try:
        said = codes(look(built.root))
    except NewerFormatError:
        # One bit made version 2 a newer major: refusing is right, and nothing is touched.
        return
    note(f"said: {dict(said)}")
    assert said or quiet
    report = mend(built.root)
    assert codes(look(built.root)) == codes(report)
    assert not (wholly and report.findings)
    invents_nothing(built, hurt, hurt_docs)
    if report.run is not None:
        take_back(built.root)
    assert changed(hurt, sha_tree(built.root)) == set()


def invents_nothing(built: Built, hurt: Tree, docs: dict[str, Doc]) -> None:
    """A file that repair wrote says only what the healthy or the hurt one said."""
    now = sha_tree(built.root)
    for entity in oracle.entities(built.root, built.layout).values():
        if now.get(entity.path) == hurt.get(entity.path):
            continue
        sources = (built.docs[entity.id], docs.get(entity.path, {}))
        for key, value in entity.doc.items():
            assert any(key in s and same(value, s[key]) for s in sources), key


@pytest.mark.parametrize("bit", [0, 11, 22, 23, 30, 31])
def test_every_bit_of_a_vector_counts(bit: int, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    raw = built.index.read_bytes()
    start = raw.index(built.vectors().vectors.tobytes())
    built.index.write_bytes(harm.flipped(raw, start + 64 * 8 + bit // 8, bit % 8))
    said = codes(look(built.root))
    assert said in ({"V005": 1}, {"V011": 1}), said
    mend(built.root)
    assert built.index.read_bytes() == raw
