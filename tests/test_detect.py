"""Which layout a directory has: told by any part that survived, refused where nothing tells."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Never

import pytest

from synthstore.errors import NewerFormatError, NotAStoreError, PermissionDeniedError, UsageError
from synthstore.layout.detect import SUPPORTED, detect
from synthstore.layout.evidence import SAMPLE_SIZE, Evidence, Sample, spread
from synthstore.store.evidence import gather, recognise
from synthstore.testing.flat_bytes import Flat
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built, build
from tests.trees import stamps
from tests.users import as_nobody, common_folder

BESIDE = Path(__file__).parents[2] / "shared" / "data"
HOME = Path(os.environ.get("SYNTHSTORE_REAL_STORES", BESIDE))
NAMES: tuple[Name, ...] = ("native", "core-4", "core-3")
Hurt = Callable[[Built], object]


def rmtree(*names: str) -> Hurt:
    """Remove folders."""

    def act(built: Built) -> None:
        for name in names:
            shutil.rmtree(built.root / name, ignore_errors=True)

    return act


def without(*parts: str) -> Hurt:
    """Remove catalog, index, mapping."""
    return lambda built: [getattr(built, part).unlink() for part in parts]


def cut(built: Built) -> None:
    """Cut the catalog short."""
    raw = built.catalog.read_bytes()
    built.catalog.write_bytes(raw[: len(raw) // 2])


def fill_catalog(raw: bytes) -> Hurt:
    """Put something else in the catalog."""
    return lambda built: built.catalog.write_bytes(raw)


def empty_files(built: Built) -> None:
    """Every entity file empty: neither keys nor content are left."""
    for path in built.paths.values():
        (built.root / path).write_bytes(b"")


def tear_files(built: Built) -> None:
    """Every entity file cut short behind its first keys."""
    for path in built.paths.values():
        file = built.root / path
        file.write_bytes(file.read_bytes()[:200])


def remove_files(built: Built) -> None:
    """Every entity file gone, the folders left."""
    for path in built.paths.values():
        (built.root / path).unlink()


def all_of(*hurts: Hurt) -> Hurt:
    """One after the other."""
    return lambda built: [hurt(built) for hurt in hurts]


HURTS: dict[str, Hurt] = {
    "healthy": lambda _: None,
    "catalog gone": without("catalog"),
    "catalog cut": cut,
    "catalog zeroed": fill_catalog(b"\0" * 500),
    "catalog empty": fill_catalog(b""),
    "catalog fresh": fill_catalog(b"{}"),
    "catalog a list": fill_catalog(b"[]"),
    "catalog of others": fill_catalog(b'{"a": 1, "b": {"c": 2}}'),
    "catalog and vectors gone": without("catalog", "index", "mapping"),
    "catalog gone and files torn": all_of(without("catalog", "index", "mapping"), tear_files),
    "catalog gone and files empty": all_of(without("catalog"), empty_files),
    "catalog cut and files empty": all_of(cut, without("index", "mapping"), empty_files),
    "only files with names": all_of(without("catalog", "index", "mapping"), empty_files),
    "catalog gone and no files": all_of(without("catalog"), remove_files),
    "only a mapping": all_of(without("catalog", "index"), remove_files),
    "only the catalog": all_of(without("index", "mapping"), remove_files),
    "catalog cut and no files": all_of(cut, remove_files),
    "no folders": rmtree("memories", "assemblies", "vector_index"),
    "strangers in the root": lambda b: (b.root / "notes.json").write_text('{"id": 1, "text": ""}'),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hurt", HURTS)
def test_what_survives_tells(name: Name, hurt: str, tmp_path: Path) -> None:
    built = build(name, tmp_path / "store")
    HURTS[hurt](built)
    before = stamps(tmp_path)
    assert recognise(built.root).name == name
    assert stamps(tmp_path) == before


@pytest.mark.real_stores
@pytest.mark.skipif(not HOME.is_dir(), reason="the real stores are not beside the project")
@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("core-3-drifted", "core-3"),
        ("core-3-string-members", "core-3"),
        ("core-4-sixty", "core-4"),
    ],
)
def test_real_stores(folder: str, name: str) -> None:
    assert recognise(HOME / folder).name == name


@pytest.mark.parametrize("name", NAMES)
def test_at_most_fifty_files_are_looked_into(name: Name, tmp_path: Path) -> None:
    built = build(name, tmp_path / "store", memories=120, dim=2)
    evidence = gather(built.root)
    assert 25 < len(tuple(evidence.samples)) <= SAMPLE_SIZE
    assert detect(evidence).name == name


class Unasked(Sequence[Sample]):
    """Samples that a test does not expect anybody to read."""

    def __len__(self) -> int:
        raise AssertionError

    def __getitem__(self, at: object) -> Never:
        raise AssertionError


def test_files_are_not_read_where_catalog_and_vectors_agree() -> None:
    catalog = {"memories": {}, "metadata": {"memory_count": 0}}
    vectors = frozenset({"vector_index/mapping.json"})
    told = Evidence("here", catalog=catalog, vectors=vectors, samples=Unasked())
    assert detect(told).name == "native"
    with pytest.raises(AssertionError):
        detect(told, "native")
    with pytest.raises(AssertionError):
        detect(Evidence("here", catalog=catalog, samples=Unasked()))


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 99, 100, 101, 1000])
def test_spread_is_even(count: int) -> None:
    chosen = spread(range(count), 50)
    assert len(chosen) <= 50
    assert len(chosen) >= min(count, 25)


@pytest.mark.parametrize(("inside", "name"), [(9, "core-4"), (3, "core-3")])
def test_the_era_of_most_memories_counts(inside: int, name: str, tmp_path: Path) -> None:
    built = build("core-3", tmp_path / "store")
    (built.root / "memories").mkdir()
    for entity_id in built.memories[:inside]:
        built.file(entity_id).rename(built.root / "memories" / built.file(entity_id).name)
        path = f"memories/{entity_id}.json"
        built.edit_rows(lambda rows, i=entity_id, p=path: rows[i].update(path=p))  # type: ignore[misc]
    assert recognise(built.root).name == name
    built.catalog.unlink()
    assert recognise(built.root).name == name


def refused(root: Path, forced: str | None = None) -> NotAStoreError:
    """The error that refuses ``root``."""
    with pytest.raises(NotAStoreError) as caught:
        recognise(root, forced)
    assert caught.value.exit_code == 10
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("folders", [(), ("memories",), ("memories", "assemblies"), ("logs",)])
def test_no_evidence(folders: tuple[str, ...], tmp_path: Path) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    error = refused(tmp_path)
    assert "not a storage directory" in error.message
    assert all(folder in error.message for folder in folders)
    assert "--layout" in (error.hint or "")
    assert recognise(tmp_path, "native").name == "native"


def test_only_our_own_records(tmp_path: Path) -> None:
    (tmp_path / ".synthstore" / "runs").mkdir(parents=True)
    hint = refused(tmp_path).hint or ""
    assert "records of changes" in hint
    assert f"`synthstore undo {tmp_path} --list`" in hint
    (tmp_path / "memories").mkdir()
    assert "records of changes" not in (refused(tmp_path).hint or "")


def test_no_directory(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file")


def test_unrelated_json_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x", "id": "y"}')
    (tmp_path / "memory_index.json").write_text('{"a": {"b": 1}}')
    error = refused(tmp_path)
    assert "memory_index.json of 1 keys" in error.message


def test_a_tie_is_the_operators(tmp_path: Path) -> None:
    native = build("native", tmp_path / "store")
    core = build("core-4", tmp_path / "core")
    shutil.copy(core.catalog, native.catalog)
    shutil.copy(core.index, native.root / "faiss_index.bin")
    error = refused(native.root)
    assert "--layout" in (error.hint or "")
    assert "vector_index" in error.message
    assert recognise(native.root, "native").name == "native"
    assert recognise(native.root, "core-4").name == "core-4"


def test_layout_does_not_overrule_all_evidence(tmp_path: Path) -> None:
    native, core = build("native", tmp_path / "n"), build("core-3", tmp_path / "c")
    assert "all evidence is for native" in refused(native.root, "core-4").message
    assert "all evidence is for core" in refused(core.root, "native").message
    assert recognise(core.root, "core-4").name == "core-4"


def test_layouts_have_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="core-5"):
        recognise(build("native", tmp_path / "s").root, "core-5")
    assert set(NAMES) < set(SUPPORTED)
    assert all(layout.name == name for name, layout in SUPPORTED.items())


@pytest.mark.parametrize("version", ["3.0.0", "10", 3])
def test_a_newer_format_is_refused(version: object, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    built.edit_catalog(lambda doc: doc["metadata"].update(version=version))
    for forced in (None, "native"):
        with pytest.raises(NewerFormatError, match=str(version)):
            recognise(built.root, forced)


@pytest.mark.parametrize("version", ["2.9.1", "2", "1.0", "beta", None, True, [3]])
def test_other_versions_pass(version: object, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    built.edit_catalog(lambda doc: doc["metadata"].update(version=version))
    assert recognise(built.root).name == "native"


def bare_index(built: Built) -> None:
    """An index that carries no ids."""
    flat = built.vectors()
    built.put_vectors(Flat("", flat.l2, flat.ids, flat.vectors))


def positional_only(built: Built) -> None:
    """The second era: float times, no younger keys, positions as the only mapping."""
    built.mapping.rename(built.root / "id_to_index_mapping.json")
    for entity_id in built.memories:
        built.edit(entity_id, lambda doc: doc.pop("quickrecal_updated", None))
    for entity_id in built.assemblies:
        path = built.file(entity_id)
        path.rename(path.with_name(path.name.replace("asm-", "asm_")))


@pytest.mark.parametrize("hurt", [bare_index, positional_only])
def test_positions_make_a_core_2(hurt: Hurt, tmp_path: Path) -> None:
    built = build("core-3", tmp_path / "store")
    hurt(built)
    assert recognise(built.root).name == "core-2"
    assert recognise(built.root, "core-3").name == "core-3"


def test_a_younger_store_that_lost_its_mapping_is_no_core_2(tmp_path: Path) -> None:
    built = build("core-3", tmp_path / "store")
    built.mapping.rename(built.root / "id_to_index_mapping.json")
    built.index.unlink()
    assert recognise(built.root).name == "core-3"


def test_a_bare_index_makes_no_core_2_of_others(tmp_path: Path) -> None:
    names: tuple[Name, ...] = ("native", "core-4")
    for name in names:
        built = build(name, tmp_path / name)
        bare_index(built)
        assert recognise(built.root).name == name


UUID = "00159801-8d56-494b-8850-ef37faaae328"
OLD = {"id": UUID, "text": "x", "timestamp": 1742347426953, "embedding": [1.0]}


def lucidia(root: Path, catalog: object) -> Path:
    """A store of the Memory Core's ancestors."""
    (root / f"{UUID}.json").write_text(json.dumps(OLD))
    if catalog is not None:
        (root / "memory_index.json").write_text(json.dumps(catalog))
    return root


NESTED_ROW = {"path": f"{UUID}.json", "timestamp": 1.0, "quickrecal_score": 0.5}
TYPED_ROW = {"path": "/s/episodic/x.json", "significance": 0.5, "access_count": 1}


@pytest.mark.parametrize(
    ("catalog", "name"),
    [
        (None, "lucidia-0"),
        ({"memories": {UUID: NESTED_ROW}}, "lucidia-1"),
        ({"memories": {UUID: NESTED_ROW}, "last_updated": 1.0, "count": 1}, "lucidia-1"),
        ({"memories": {}, "last_updated": 1.0, "count": 0, "x": {"path": "y"}}, "lucidia-1"),
        ({"memories": {}, "last_updated": 1.0}, "lucidia-1"),
        ({}, "lucidia-1"),
        ([], "lucidia-1"),
    ],
)
def test_ancestors(catalog: object, name: str, tmp_path: Path) -> None:
    root = lucidia(tmp_path, catalog)
    assert recognise(root).name == recognise(root, name).name == name
    assert "all evidence is for lucidia" in refused(root, "core-3").message
    assert "all evidence is for lucidia" in refused(root, "native").message


@pytest.mark.parametrize(
    "torn",
    [
        '{"memories": {"x": {"path": "x.json", "quick',
        '{"memories": {"x": {"path": "x.json", "timestamp": 1.0, "significance": 0.5,',
    ],
)
def test_torn_catalogs_of_ancestors(torn: str, tmp_path: Path) -> None:
    root = lucidia(tmp_path, None)
    (root / "memory_index.json").write_text(torn)
    assert recognise(root).name == "lucidia-1"
    (root / f"{UUID}.json").write_bytes(b"")
    assert recognise(root).name == "lucidia-1"
    (root / f"{UUID}.json").unlink()
    assert recognise(root).name == "lucidia-1"


def test_names_alone_tell_an_ancestor(tmp_path: Path) -> None:
    (tmp_path / f"{UUID}.json").write_bytes(b"")
    assert recognise(tmp_path).name == "lucidia-0"


def test_an_ancestor_and_a_memory_core_may_tie(tmp_path: Path) -> None:
    core = build("core-3", tmp_path / "core")
    root = lucidia(tmp_path / "core", {"memories": {UUID: NESTED_ROW}})
    core.index.unlink()
    core.mapping.unlink()
    assert "ancestor" in refused(root).message
    for name in ("core-3", "lucidia-1"):
        assert recognise(root, name).name == name


@pytest.mark.parametrize("catalog", [{UUID: TYPED_ROW}, {"memories": {UUID: TYPED_ROW}}])
def test_the_typed_layout_is_refused_by_name(catalog: object, tmp_path: Path) -> None:
    root = lucidia(tmp_path, catalog)
    for forced in (None, "core-3", "lucidia-1"):
        assert "layout lucidia (typed) is not supported" in refused(root, forced).message


def test_a_torn_catalog_of_the_typed_layout(tmp_path: Path) -> None:
    (tmp_path / "memory_index.json").write_text('{"x": {"path": "/x.json", "significance": 0.5,')
    assert "lucidia (typed)" in refused(tmp_path).message


def test_folders_by_type(tmp_path: Path) -> None:
    for folder in ("episodic", "semantic", "procedural"):
        (tmp_path / folder).mkdir()
    assert "lucidia (typed)" in refused(tmp_path).message
    build("native", tmp_path)
    assert recognise(tmp_path).name == "native"


def test_a_memory_may_be_called_memories(tmp_path: Path) -> None:
    built = build("core-3", tmp_path / "store")
    built.add_memory("memories")
    built.add_memory("metadata")
    assert recognise(built.root).name == "core-3"


def test_links_and_devices_are_no_evidence(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    root = tmp_path / "other"
    root.mkdir()
    (root / "memories").symlink_to(built.root / "memories")
    (root / "memory_index.json").symlink_to(built.catalog)
    os.mkfifo(root / "mem_000000000001.json")
    os.mkfifo(root / "faiss_index.bin.mapping.json")
    evidence = gather(root)
    samples = tuple(evidence.samples)
    assert (evidence.catalog, samples, evidence.folders) == (None, (), frozenset())
    assert (evidence.catalog_problem or "").startswith("is unreadable")


def test_a_fifo_or_socket_as_index_is_not_opened(tmp_path: Path) -> None:
    built = build("core-3", tmp_path / "store")
    built.index.unlink()
    os.mkfifo(built.index)
    assert not gather(built.root).bare_index
    built.index.unlink()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(built.index))
    assert recognise(built.root).name == "core-3"


@pytest.mark.parametrize("closed", ["memories", "vector_index", "memory_index.json"])
def test_what_may_not_be_read_is_only_no_evidence(closed: str) -> None:
    with common_folder() as folder:
        root = build("native", folder / "store").root
        for path in (root, *root.rglob("*")):
            path.chmod(0o755)
        (root / closed).chmod(0o000)
        with as_nobody():
            assert recognise(root).name == "native"


def test_a_root_that_may_not_be_listed() -> None:
    with common_folder() as folder:
        root = build("native", folder / "store").root
        root.chmod(0o000)
        with as_nobody(), pytest.raises(PermissionDeniedError):
            recognise(root)
        root.chmod(0o755)


def test_detection_is_pure() -> None:
    native = Sample("memories/a.json", frozenset({"memory_id"}))
    core = Sample("memories/b.json", frozenset({"id", "content"}))
    told = Evidence("here", catalog_problem="is missing", samples=(native, core, core))
    assert detect(told).name == "core-3"
    inside = Evidence("here", folders=frozenset({"memories"}), samples=(core,))
    assert detect(inside).name == "core-4"
    with pytest.raises(NotAStoreError):
        detect(Evidence("here", samples=(native, core)))
    assert Evidence("here").seen() == "nothing that belongs to a store"
