"""``synthstore stats``: its numbers are true for any layout and any damage, and tell no content."""

from __future__ import annotations

import stat
from collections.abc import Callable
from functools import partial
from importlib import util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from synthstore.checks.finding import Finding, Severity, Subject
from synthstore.render.html import listed
from synthstore.render.statistics import bin_label
from synthstore.stats.atlas import CAP, flat, sample
from synthstore.stats.report import Bin
from synthstore.testing.damages import BY_NAME, DAMAGES
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built, build, unit_vectors
from tests.program import Program, on_terminal
from tests.trees import sha_tree, stamps

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")


@pytest.fixture
def store(tmp_path: Path) -> Built:
    return build("native", tmp_path / "store", memories=14)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_numbers_are_those_of_the_files(cli: Program, layout: Name, tmp_path: Path) -> None:
    built = build(layout, tmp_path / "store", memories=14)
    before = sha_tree(built.root, skip=""), stamps(built.root)
    document = cli("stats", built.root, "--json").document
    assert (sha_tree(built.root, skip=""), stamps(built.root)) == before
    files = {name: built.file(name).stat().st_size for name in (*built.memories, *built.assemblies)}
    assert document["counts"]["memories"] == 14
    assert document["bytes"]["memory"] == sum(files[name] for name in built.memories)
    assert document["embeddings"] == {"valid": len(files)}
    told = document["distributions"]
    dim = len(built.embedding(built.memories[0]))
    assert told["dimension"]["bins"] == [{"low": dim, "high": dim, "count": len(files)}]
    norms = [np.linalg.norm(built.embedding(name)) for name in files]
    assert told["norm"]["mean"] == pytest.approx(np.mean(norms), rel=1e-6)
    scores = [built.docs[name]["quickrecal_score"] for name in built.memories]
    assert told["score"]["median"] == pytest.approx(np.median(scores))
    expected = np.histogram(scores, [n / 10 for n in range(11)])[0]
    assert [one["count"] for one in told["score"]["bins"]] == expected.tolist()
    assert (told["size"]["minimum"], told["size"]["maximum"]) == (
        min(files.values()),
        max(files.values()),
    )
    assert [(part["status"], part["entries"]) for part in document["parts"][:2]] == [
        ("ok", len(files)),
        ("ok", len(files)),
    ]
    assert document["duplicates"]["groups"] == 0
    assert document["summary"]["error"] == 0


def test_values_beyond_the_bins_are_counted_too(cli: Program, store: Built) -> None:
    store.edit(store.memories[0], lambda doc: doc.update(quickrecal_score=7.5))
    store.edit(store.memories[1], lambda doc: doc.update(quickrecal_score=-1))
    store.edit(store.memories[2], lambda doc: doc.pop("quickrecal_score"))
    store.edit(store.memories[3], lambda doc: doc.update(created_at="2999-01-01T00:00:00+00:00"))
    told = cli("stats", store.root, "--json").document["distributions"]
    bins = told["score"]["bins"]
    assert (bins[0], bins[-1]) == (
        {"low": None, "high": 0.0, "count": 1},
        {"low": 1.0, "high": None, "count": 1},
    )
    assert sum(one["count"] for one in bins) == told["score"]["count"] == 13
    assert told["score"]["missing"] == 1
    assert told["age"]["bins"][0] == {"low": None, "high": 0.0, "count": 1}


def test_ages_that_lie_close_are_told_apart(cli: Program, store: Built) -> None:
    for day, name in enumerate(store.memories):
        made = f"2025-03-{day + 1:02}T12:00:00.000000"
        store.edit(name, partial(dict.update, created_at=made, updated_at=made))
    told = cli("stats", store.root, "--json").document["distributions"]["age"]
    counts = [one["count"] for one in told["bins"]]
    assert len(counts) == 10
    assert sum(counts) == told["count"]
    shown = cli("stats", store.root).out.partition("ages, since creation")[2].splitlines()[1:11]
    assert len({line.partition(" y ")[0] for line in shown}) == 10


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0, 3600.0, "0 s to 1 h"),
        (7 * 86400.0, 30 * 86400.0, "7 d to 30 d"),
        (606.1 * 86400, 606.5 * 86400, "606.10 to 606.50 d"),
        (1.5 * 31536000, 1.6 * 31536000, "1.50 to 1.60 y"),
        (284065.4, 284067.7, "3.29 d"),
    ],
)
def test_ages_have_labels_that_differ(low: float, high: float, text: str) -> None:
    assert bin_label(Bin(low, high, 1), "seconds") == text


def test_duplicates_have_one_content_and_one_embedding(cli: Program, store: Built) -> None:
    first, second, third, fourth = store.memories[:4]
    vector = store.docs[first]["embedding"]
    same = {"content": "the same words", "embedding": vector}
    store.edit(first, lambda doc: doc.update(same))
    store.edit(second, lambda doc: doc.update(same))
    store.edit(third, lambda doc: doc.update(embedding=vector))
    store.edit(fourth, lambda doc: doc.update(content="the same words"))
    duplicates = cli("stats", store.root, "--json").document["duplicates"]
    assert [group["ids"] for group in duplicates["listed"]] == [sorted((first, second))]
    assert (duplicates["groups"], duplicates["surplus"]) == (1, 1)
    assert duplicates["bytes"] == min(store.file(name).stat().st_size for name in (first, second))
    shown = cli("stats", store.root).out
    assert f"  2: {', '.join(sorted((first, second)))}" in shown
    hidden = cli("stats", store.root, "--redact").out
    assert first not in hidden
    assert "duplicates, same content and embedding: 1 more than needed" in hidden


HARMED = [
    (damage.layouts[number % len(damage.layouts)], damage.name)
    for number, damage in enumerate([*DAMAGES[::8], BY_NAME["a-bad-day"]])
]
"""Every eighth damage, in the layouts by turns."""


@pytest.mark.parametrize(("layout", "damage"), HARMED)
def test_a_damaged_store_has_numbers_too(
    cli: Program, layout: Name, damage: str, tmp_path: Path
) -> None:
    built = build(layout, tmp_path / "store")
    BY_NAME[damage].apply(built)
    page = tmp_path / "page.html"
    before = sha_tree(built.root, skip="")
    stats = cli("stats", built.root, "--json", "--html", page)
    assert stats.code in (0, 3), stats.err
    assert sha_tree(built.root, skip="") == before
    verified = cli("verify", built.root, "--json").document
    assert stats.document["summary"] == verified["summary"]
    assert stats.document["counts"] == verified["counts"]
    assert page.read_text().rstrip().endswith("</html>")


def test_an_empty_store(cli: Program, tmp_path: Path) -> None:
    root = tmp_path / "store"
    for folder in ("memories", "assemblies", "vector_index"):
        (root / folder).mkdir(parents=True)
    page = tmp_path / "page.html"
    document = cli("stats", root, "--json", "--html", page).document
    assert document["counts"]["memories"] == 0
    assert document["distributions"]["norm"]["mean"] is None
    assert "No embedding could be placed." in page.read_text()
    assert "norms of embeddings: none" in cli("stats", root).out


def test_no_content_in_any_output(cli: Program, store: Built, tmp_path: Path) -> None:
    store.edit(store.memories[0], lambda doc: doc.update(content="xyzzy plugh"))
    metrics, page = tmp_path / "stats.prom", tmp_path / "page.html"
    for options in ((), ("--json",), ("-v",)):
        result = cli("stats", store.root, *options, "--metrics-file", metrics)
        assert "xyzzy" not in result.out + result.err + metrics.read_text()
    assert cli("stats", store.root, "-q", "--redact", "--html", page).out == ""
    assert "xyzzy" not in page.read_text()
    assert store.memories[0] not in page.read_text()
    cli("stats", store.root, "--html", page)
    assert "xyzzy plugh" in page.read_text()


def test_what_is_kept(cli: Program, store: Built) -> None:
    store.file(store.memories[9]).write_bytes(b"{")
    assert cli("repair", store.root, "-y").code == 0
    kept = cli("stats", store.root, "--json").document["kept"]
    for name in ("runs", "quarantine"):
        files = [p for p in (store.root / ".synthstore" / name).rglob("*") if p.is_file()]
        assert kept[name]["files"] == len(files) > 0
        assert kept[name]["bytes"] == sum(p.stat().st_size for p in files)
        assert kept[name]["oldest"] <= kept[name]["newest"]
    assert "quarantine" in cli("stats", store.root).out


def test_growth_comes_from_the_snapshots(cli: Program, store: Built, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    assert cli("stats", store.root, "--repo", repo).code == 10
    assert cli("backup", store.root, "--repo", repo).code == 0
    store.add_memory("one-more")
    assert cli("backup", store.root, "--repo", repo).code == 0
    growth = cli("stats", store.root, "--repo", repo, "--json").document["growth"]
    assert [mark["memories"] for mark in growth] == [14, 15]
    cli.env(SYNTHSTORE_REPOSITORY=str(repo))
    assert "+1" in cli("stats", store.root).out
    page = tmp_path / "page.html"
    assert cli("stats", store.root, "--html", page).code == 0
    assert '<polyline class="line"' in page.read_text()


def test_metrics(cli: Program, store: Built, tmp_path: Path) -> None:
    file = tmp_path / "stats.prom"
    assert cli("stats", store.root, "--metrics-file", file).code == 0
    labels = f'{{command="stats",store="{store.root}"'
    text = file.read_text()
    assert f"synthstore_memories{labels}}} 14" in text
    assert f'synthstore_embeddings{labels},state="valid"}} 16' in text
    assert f'synthstore_kept_files{labels},kept="runs"}} 0' in text
    success = next(line for line in text.splitlines() if line.startswith("synthstore_last_success"))
    store.catalog.unlink()
    (store.root / "memories").rename(tmp_path / "elsewhere")
    (store.root / "assemblies").rename(tmp_path / "apart")
    (store.root / "vector_index").rename(tmp_path / "index")
    assert cli("stats", store.root, "--metrics-file", file).code == 10
    assert success in file.read_text()
    assert f"synthstore_exit_code{labels}}} 10" in file.read_text()


def test_bars_on_a_terminal(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store", memories=14)
    terminal = on_terminal("stats", built.root)
    assert terminal.finish() == 0
    assert "scores of memories" in terminal.seen
    assert "█" in terminal.seen


def test_where_a_page_may_go(cli: Program, store: Built, tmp_path: Path) -> None:
    assert cli("stats", store.root, "--html", store.root / "page.html").code == 2
    assert cli("stats", store.root, "--html", "-").code == 2
    missing = cli("stats", store.root, "--html", tmp_path / "none" / "page.html")
    assert (missing.code, missing.out) == (2, "")
    assert f"mkdir -p {tmp_path / 'none'}" in missing.err
    (tmp_path / "pipe").mkdir()
    assert cli("stats", store.root, "--html", tmp_path / "pipe").code == 2
    assert cli("stats", store.root, "--html", "/dev/null").code == 2
    page = tmp_path / "page.html"
    page.write_text("old")
    assert cli("stats", store.root, "--html", page).code == 0
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.glob(".page*")] == []


def test_without_jinja(
    cli: Program, store: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find: Callable[[str], object] = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "jinja2" else find(name))
    result = cli("stats", store.root, "--html", tmp_path / "page.html")
    assert result.code == 2
    assert "pip install 'synthstore[report]'" in result.err


def test_the_map_is_the_principal_plane() -> None:
    rng = np.random.default_rng(3)
    plane = rng.normal(size=(300, 2)) * (9.0, 4.0)
    turned = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    vectors = (plane @ turned[:2] + 0.1 * rng.normal(size=(300, 40)) + 5).astype(np.float32)
    spots, explained = flat(vectors)
    centred = vectors - vectors.mean(axis=0)
    exact = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    for axis in range(2):
        assert abs(np.corrcoef(spots[:, axis], exact[:, axis])[0, 1]) > 0.9999
    assert 0.98 < explained <= 1
    assert np.abs(spots).max() == pytest.approx(1.0)
    assert np.array_equal(flat(vectors)[0], spots)


@pytest.mark.parametrize(("count", "dim"), [(1, 8), (2, 8), (3, 1), (5, 2)])
def test_few_points_and_few_dimensions(count: int, dim: int) -> None:
    spots, explained = flat(unit_vectors(count, dim, seed=1))
    assert spots.shape == (count, 2)
    assert np.isfinite(spots).all()
    assert 0 <= explained <= 1


def test_a_large_store_is_sampled_evenly_and_shows_what_is_hurt() -> None:
    hurt = [n % 1000 == 7 for n in range(20_000)]
    rows = sample(hurt, CAP)
    assert len(rows) == CAP
    assert rows == sorted(set(rows))
    assert {n for n in range(20_000) if hurt[n]} <= set(rows)
    assert max(b - a for a, b in pairwise(rows)) < 30
    assert len(sample([True] * 20_000, CAP)) == CAP
    assert sample([False] * 5, CAP) == [0, 1, 2, 3, 4]


def test_a_page_of_many_findings_shows_every_code() -> None:
    def finding(code: str, number: int) -> Finding:
        subject = Subject("memory", str(number))
        return Finding(code, "rule", Severity.ERROR, subject, None, "message")

    findings = [finding("C007", n) for n in range(5000)] + [finding("V003", n) for n in range(9)]
    shown = listed(findings, 100)
    assert len(shown) == 100
    assert sum(one.code == "V003" for one in shown) == 9
    assert shown == sorted(shown, key=lambda one: (one.code, int(one.subject.id)))
    assert listed(findings[:50], 100) == findings[:50]
