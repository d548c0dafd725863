"""Stores that real Memory Cores left behind: what is known of them must be found, and no more.

They stand beside the project, never in it; ``SYNTHSTORE_REAL_STORES`` names another place.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from synthstore.checks.finding import Severity
from synthstore.checks.report import Report
from synthstore.testing import flat_bytes
from synthstore.testing.spelling import Name, numeric
from tests import oracle
from tests.operate import codes, look, mend, take_back, told
from tests.trees import changed, sha_tree

BESIDE = Path(__file__).parents[2] / "shared" / "data"
HOME = Path(os.environ.get("SYNTHSTORE_REAL_STORES", BESIDE))

pytestmark = [
    pytest.mark.real_stores,
    pytest.mark.skipif(not HOME.is_dir(), reason="the real stores are not beside the project"),
]

MAPPINGS = ("faiss_index.bin.mapping.json", "id_to_index_mapping.json")


def fetch(name: str, tmp_path: Path) -> Path:
    """A copy that may be written to."""
    root = tmp_path / name
    shutil.copytree(HOME / name, root)
    for path in [root, *root.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
    return root


def above_info(report: Report) -> dict[str, int]:
    """How often each code was said that is no mere information."""
    return dict(Counter(f.code for f in report.findings if f.severity > Severity.INFO))


@pytest.fixture
def drifted(tmp_path: Path) -> Path:
    """358 memories, of which the catalog lists 351; no index, two mappings, both wrong."""
    return fetch("core-3-drifted", tmp_path)


def test_drifted_is_understood(drifted: Path) -> None:
    before = sha_tree(drifted, skip="")
    report = look(drifted)
    assert sha_tree(drifted, skip="") == before
    assert report.layout == "core-3"
    assert report.exit_code == 1
    said = above_info(report)
    assert said.pop("V007") in (1, 2), told(report)
    assert said == {"M002": 7, "E004": 25, "V001": 1}, told(report)
    infos = {f.code for f in report.findings if f.severity is Severity.INFO}
    assert codes(report)["S003"] == 2
    assert infos <= {"S003", "E005", "E006"}
    assert (report.counts.memories, report.counts.assemblies) == (358, 0)


def test_drifted_is_mended_and_taken_back(drifted: Path) -> None:
    before = sha_tree(drifted)
    listed = json.loads((drifted / "memory_index.json").read_bytes())
    report = mend(drifted)
    adopted = [a for a in report.actions if a.kind == "adopt-row"]
    assert len(adopted) == 7
    assert all(a.status == "done" for a in report.actions)
    assert above_info(report) == {"E004": 25}
    parts = {"memory_index.json", "faiss_index.bin", *MAPPINGS}
    assert changed(before, sha_tree(drifted)) == parts
    assert_rows_kept(drifted, listed)
    assert_vectors(drifted)
    assert look(drifted, fail_on=Severity.ERROR).exit_code == 0
    mended = sha_tree(drifted, skip="")
    assert mend(drifted).run is None
    assert sha_tree(drifted, skip="") == mended
    take_back(drifted)
    assert changed(before, sha_tree(drifted)) == set()


def assert_rows_kept(root: Path, listed: dict[str, object]) -> None:
    """351 rows as they were, seven more of the same shape."""
    rows = json.loads((root / "memory_index.json").read_bytes())
    assert len(rows) == 358
    assert {key: rows[key] for key in listed} == listed
    assert [key for key in rows if key in listed] == list(listed)
    for key in rows.keys() - listed.keys():
        doc = json.loads((root / f"{key}.json").read_bytes())
        assert rows[key] == {
            "path": f"{key}.json",
            "timestamp": doc["timestamp"],
            "quickrecal": doc["quickrecal_score"],
            "type": "memory",
        }


def assert_vectors(root: Path) -> None:
    """A vector for each of the 333 valid embeddings, equal to it, and both mappings in step."""
    flat = flat_bytes.parse((root / "faiss_index.bin").read_bytes())
    assert (flat.shell, flat.l2, flat.vectors.shape) == ("IxMp", False, (333, 768))
    mappings = [json.loads((root / name).read_bytes()) for name in MAPPINGS]
    assert mappings[0] == mappings[1]
    owners = {number: name for name, number in mappings[0].items()}
    assert sorted(owners) == sorted(flat.ids.tolist())
    assert len(owners) == len(mappings[0]) == 333
    for number, vector in zip(flat.ids.tolist(), flat.vectors, strict=True):
        assert number == numeric(owners[number])
        doc = json.loads((root / f"{owners[number]}.json").read_bytes())
        assert np.array_equal(np.array(doc["embedding"], dtype=np.float32), vector)


def test_sixty_is_clean(tmp_path: Path) -> None:
    root = fetch("core-4-sixty", tmp_path)
    before = sha_tree(root)
    report = look(root)
    assert above_info(report) == {}, told(report)
    assert (report.layout, report.exit_code) == ("core-4", 0)
    assert (report.counts.memories, report.counts.assemblies, report.counts.vectors) == (60, 6, 66)
    assert mend(root).run is None
    assert sha_tree(root) == before


def test_sixty_gives_a_lost_member_back_to_the_byte(tmp_path: Path) -> None:
    root = fetch("core-4-sixty", tmp_path)
    before = sha_tree(root)
    lost = root / "memories" / "mem_074e8f875f09.json"
    lost.unlink()
    assert above_info(look(root)) == {"M001": 1}
    assert above_info(mend(root)) == {}
    assert changed(before, sha_tree(root)) <= {"memories/mem_074e8f875f09.json"}
    assert lost.read_bytes() == (HOME / "core-4-sixty" / "memories" / lost.name).read_bytes()


def test_string_members_are_named(tmp_path: Path) -> None:
    root = fetch("core-3-string-members", tmp_path)
    report = look(root)
    assert above_info(report) == {"A023": 2}, told(report)
    assert report.counts.vectors == 22
    assert mend(root).run is None


PARTS: dict[str, Name] = {
    "core-4-sixty": "core-4",
    "core-3-string-members": "core-3",
    "core-3-drifted": "core-3",
}


@pytest.mark.parametrize("name", PARTS)
def test_all_parts_are_built_anew_from_the_entities(name: str, tmp_path: Path) -> None:
    root = fetch(name, tmp_path)
    whole = {p.name for p in root.rglob("*.json")}
    for part in ("memory_index.json", "faiss_index.bin", *MAPPINGS):
        (root / part).unlink(missing_ok=True)
    assert {"C001": 1, "V001": 1}.items() <= codes(look(root)).items()
    mend(root)
    assert oracle.problems(root, PARTS[name]) == []
    assert {p.name for p in root.rglob("*.json") if ".synthstore" not in p.parts} <= whole | {
        MAPPINGS[0]
    }
