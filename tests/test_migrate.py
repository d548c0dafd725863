"""Migrations to a new place: the same store, or the same entities in another layout."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthstore import verify
from synthstore.errors import DiskFullError, LockedError, OperationError, RefusedError, UsageError
from synthstore.files import pieces
from synthstore.files.lock import Lock
from synthstore.migrate import converting, operation
from synthstore.migrate.aside import MARKER, Aside, Errand, Parcel
from synthstore.model import columns
from synthstore.model.ids import EntityRef
from synthstore.scan.scanner import scan
from synthstore.store.changes import LOG, Deed, Logged, spell
from synthstore.store.evidence import recognise
from synthstore.store.session import Session
from synthstore.testing import flat_bytes, stores
from synthstore.testing.interrupt import interrupt
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built
from tests import oracle
from tests.migrations import bring, entities, unreadable
from tests.mounts import small_disk
from tests.operate import codes, look
from tests.trees import sha_tree, stamps
from tests.vaults import standing

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return stores.build("native", tmp_path / "store")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_copy_is_the_same_to_the_byte_mode_and_time(layout: Name, tmp_path: Path) -> None:
    built = stores.build(layout, tmp_path / "store")
    stores.write(built.root / "logs" / "core.log", b"noise")
    stores.write(built.root / "backups" / "index" / "old.json", b"{}")
    before = stamps(built.root)
    report = bring(built.root, tmp_path / "deep" / "new")
    assert (report.exit_code, report.memories, report.assemblies, report.vectors) == (0, 12, 2, 14)
    assert standing(tmp_path / "deep" / "new") == standing(built.root)
    assert stamps(built.root) == before
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["new"]


def test_runs_quarantine_and_locks_stay_behind(built: Built, tmp_path: Path) -> None:
    built.file(built.memories[0]).write_bytes(b"")
    bring(built.root, tmp_path / "aside")
    Session.open(built.root).close()
    stores.write(built.root / ".synthstore" / "quarantine" / "x" / "y.json", b"{}")
    report = bring(built.root, tmp_path / "new")
    assert report.next == f"synthstore repair {tmp_path / 'new'} --dry-run"
    assert not (tmp_path / "new" / ".synthstore").exists()
    assert codes(look(tmp_path / "new")) == codes(look(built.root))


@pytest.mark.parametrize("source", LAYOUTS)
@pytest.mark.parametrize("target", ["native", "core-4"])
def test_every_entity_comes_along(source: Name, target: Name, tmp_path: Path) -> None:
    built = stores.build(source, tmp_path / "store")
    before = sha_tree(built.root, skip=""), stamps(built.root)
    report = bring(built.root, tmp_path / "new", target)
    assert (report.exit_code, report.into, report.vectors) == (0, target, 14)
    assert codes(look(tmp_path / "new")) == {}
    assert oracle.problems(tmp_path / "new", target) == []
    assert entities(tmp_path / "new").keys() == entities(built.root).keys()
    assert (sha_tree(built.root, skip=""), stamps(built.root)) == before
    if target == "core-4":
        assert list(unreadable(tmp_path / "new")) == []


def odd(built: Built) -> None:
    """Fields of all kinds that a Memory Core has no place for."""
    first, second = built.memories[:2]
    built.edit(first, lambda doc: doc.update(mood="calm", big=2**63, metadata=None, id="x"))
    built.edit(second, lambda doc: doc.update(updated_at="2025-03-16T09:00:00+02:00", embedding=[]))
    built.edit(built.assemblies[0], lambda doc: doc["memory_ids"].append("gone"))


def test_native_to_core_and_back_is_the_same_to_the_byte(built: Built, tmp_path: Path) -> None:
    bring(built.root, tmp_path / "core", "core-4")
    bring(tmp_path / "core", tmp_path / "back", "native")
    assert _entity_files(tmp_path / "back") == _entity_files(built.root)


def test_odd_fields_come_back(built: Built, tmp_path: Path) -> None:
    odd(built)
    bring(built.root, tmp_path / "core", "core-4")
    assert list(unreadable(tmp_path / "core")) == []
    bring(tmp_path / "core", tmp_path / "back", "native")
    for entity_id, path in built.paths.items():
        assert json.loads((tmp_path / "back" / path).read_bytes()) == built.read(entity_id)


def _entity_files(root: Path) -> dict[str, object]:
    files = [*(root / "memories").iterdir(), *(root / "assemblies").iterdir()]
    return {path.name: json.loads(path.read_bytes()) for path in files}


def test_an_older_embedding_whose_only_copy_is_its_vector_comes_along(
    built: Built, tmp_path: Path
) -> None:
    vector = built.embedding(built.memories[0])
    built.edit(built.memories[0], lambda doc: doc.update(embedding=None))
    assert bring(built.root, tmp_path / "new", "core-4").vectors == 14
    flat = flat_bytes.parse((tmp_path / "new" / "faiss_index.bin").read_bytes())
    assert any((row == vector).all() for row in flat.vectors)


def torn(built: Built) -> None:
    built.overwrite(built.memories[0], built.raw(built.memories[0])[:50])


def lost(built: Built) -> None:
    built.file(built.memories[0]).unlink()


def rotten(built: Built) -> None:
    raw = built.raw(built.memories[0])
    built.overwrite(built.memories[0], raw.replace(b"harbour", b"harboor"))


def rigid(built: Built) -> None:
    raw = built.raw(built.memories[0]).replace(b"{", b'{"n": 1, "n": 2, ', 1)
    built.overwrite(built.memories[0], raw)
    built.relist(built.memories[0])


def linked(built: Built) -> None:
    path = built.file(built.memories[0])
    path.rename(built.root / "elsewhere")
    path.symlink_to(built.root / "elsewhere")


def doubled(built: Built) -> None:
    stores.write(built.root / "memories" / "copy.json", built.raw(built.memories[0]))


@pytest.mark.parametrize(
    ("hurt", "code", "memories"),
    [
        (torn, "M003", 11),
        (lost, "M001", 11),
        (rotten, "M004", 11),
        (rigid, "M010", 11),
        (linked, "S004", 11),
        (doubled, "M006", 12),
    ],
)
def test_what_cannot_be_converted_is_named(
    hurt: Callable[[Built], None], code: str, memories: int, built: Built, tmp_path: Path
) -> None:
    hurt(built)
    report = bring(built.root, tmp_path / "new", "core-4")
    assert (report.exit_code, report.memories) == (3, memories)
    assert code in {one.code for one in report.left}
    assert not [f for f in look(tmp_path / "new").findings if f.severity.label == "error"]
    with pytest.raises(RefusedError, match=code) as refused:
        bring(built.root, None, "core-4")
    assert f"synthstore repair {built.root}" in str(refused.value.hint)


def test_a_deletion_that_had_begun_is_no_loss(built: Built, tmp_path: Path) -> None:
    doomed = built.memories[0]
    built.edit_rows(lambda rows: rows[doomed].update(deleted_at="2025-03-15T15:00:00"))
    report = bring(built.root, tmp_path / "new", "core-4")
    assert (report.exit_code, report.memories, report.left[0].code) == (0, 11, "C009")


def test_two_ids_of_one_file_name_do_not_meet(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    for name in ("a-b", "a:b"):
        built.add_memory(name)
    report = bring(built.root, tmp_path / "new", "core-4")
    assert [(one.code, one.id) for one in report.left] == [("M012", "a:b")]
    assert report.exit_code == 3


def test_pending_changes_are_part_of_the_store(built: Built, tmp_path: Path) -> None:
    path = built.add_memory("late", listed=False)
    _log_save(built.root, "late")
    assert bring(built.root, tmp_path / "copy").memories == 13
    assert codes(look(tmp_path / "copy")) == {}
    assert "late" in (tmp_path / "copy" / "memory_index.json").read_text()
    assert "late" not in built.catalog.read_text()
    assert (tmp_path / "copy" / path).read_bytes() == (built.root / path).read_bytes()
    assert bring(built.root, tmp_path / "core", "core-4").memories == 13


def _log_save(root: Path, memory_id: str) -> None:
    """Log a save as a library does that dies right after it."""
    line = Logged(Deed.SAVE, EntityRef("memory", memory_id))
    stores.write(root / LOG, spell(line), mode=0o600)


# Refusals


def test_a_target_that_is_not_free_is_refused(built: Built, tmp_path: Path) -> None:
    stores.write(tmp_path / "new" / "letter.txt", b"mine")
    with pytest.raises(UsageError, match="not empty"):
        bring(built.root, tmp_path / "new")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="not empty"):
        bring(built.root, tmp_path / "file")
    stores.write(tmp_path / ".other.migrating" / "letter.txt", b"mine")
    with pytest.raises(UsageError, match="stands where") as refused:
        bring(built.root, tmp_path / "other")
    assert "out of the way" in str(refused.value.hint)
    assert (tmp_path / ".other.migrating" / "letter.txt").exists()
    (tmp_path / "empty").mkdir()
    assert bring(built.root, tmp_path / "empty").exit_code == 0


def test_stores_inside_each_other_are_refused(built: Built, tmp_path: Path) -> None:
    for target in (built.root, built.root / "memories" / "new", tmp_path):
        with pytest.raises(UsageError, match=r"inside|is the source"):
            bring(built.root, target)
    (tmp_path / "link").symlink_to(built.root)
    with pytest.raises(UsageError, match="inside"):
        bring(built.root, tmp_path / "link" / "new")


def test_an_unfinished_migration_of_another_store_is_left_alone(
    built: Built, tmp_path: Path
) -> None:
    other = Aside(tmp_path / "new", Errand("../else", "native"))
    with other.making([], []):
        pass
    with pytest.raises(UsageError, match=r"unfinished migration of .*/else into layout native"):
        bring(built.root, tmp_path / "new")
    assert (other.path / MARKER).exists()


def test_mixed_dimensions_are_refused_unless_copied(built: Built, tmp_path: Path) -> None:
    built.edit(built.memories[0], lambda doc: doc.update(embedding=[1.0, 0.0]))
    for target in (tmp_path / "new", None):
        with pytest.raises(RefusedError, match="1 of 2 dimensions, 13 of 16") as refused:
            bring(built.root, target, "core-4")
        assert "E002" in str(refused.value.hint)
    assert bring(built.root, tmp_path / "new").exit_code == 0


def test_an_unmounted_folder_and_an_interrupted_run_are_refused(
    built: Built, tmp_path: Path
) -> None:
    (built.root / "memories").rename(tmp_path / "unmounted")
    with pytest.raises(RefusedError, match="is the disk mounted"):
        bring(built.root, tmp_path / "new")
    (tmp_path / "unmounted").rename(built.root / "memories")
    lost(built)
    interrupt(built)
    with pytest.raises(RefusedError, match="not finished") as refused:
        bring(built.root, tmp_path / "new")
    assert refused.value.hint == f"finish it with: synthstore repair {built.root}"


def test_a_store_that_somebody_holds_is_not_copied(built: Built, tmp_path: Path) -> None:
    with Session(built.root, shared=True), pytest.raises(LockedError):
        bring(built.root, tmp_path / "new")
    with Lock(built.root / ".synthstore" / "lock"), pytest.raises(LockedError):
        bring(built.root, tmp_path / "new")
    assert bring(built.root, tmp_path / "new").exit_code == 0


def test_a_dry_run_makes_nothing_and_tells_the_room(built: Built, tmp_path: Path) -> None:
    for layout in (None, "core-4"):
        report = bring(built.root, tmp_path / "new", layout, dry_run=True)
        assert (report.memories, report.assemblies, report.vectors) == (12, 2, 14)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
        bring(built.root, tmp_path / f"as-{layout}", layout)
        took = sum(p.stat().st_size for p in (tmp_path / f"as-{layout}").rglob("*") if p.is_file())
        assert took <= report.bytes < 2 * took + 40_000
        shutil.rmtree(tmp_path / f"as-{layout}")


@pytest.mark.root
def test_a_full_disk_is_found_before_the_first_byte(built: Built, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        for layout in (None, "core-4"):
            with pytest.raises(DiskFullError, match="no room"):
                bring(built.root, disk / "new", layout)
            assert list(disk.iterdir()) == []


# Going on


def test_what_an_earlier_try_made_is_kept(built: Built, tmp_path: Path) -> None:
    bring(built.root, tmp_path / "whole", "core-4")
    aside = tmp_path / ".new.migrating"
    (tmp_path / "whole").rename(aside)
    (aside / MARKER).write_bytes(Errand.of(built.root, tmp_path / "new", "core-4").spelt)
    kept, hurt = sorted((aside / "memories").iterdir())[:2]
    hurt.write_bytes(b"{")
    (aside / "memories" / "of-old.json").write_bytes(b"{}")
    before = kept.stat().st_ctime_ns, hurt.stat().st_ctime_ns
    report = bring(built.root, tmp_path / "new", "core-4")
    assert report.resumed
    assert list(unreadable(tmp_path / "new")) == []
    folder = tmp_path / "new" / "memories"
    assert (folder / kept.name).stat().st_ctime_ns == before[0]
    assert (folder / hurt.name).stat().st_ctime_ns != before[1]
    assert not (tmp_path / "new" / "memories" / "of-old.json").exists()
    assert not aside.exists()


def test_a_source_that_moves_is_not_taken(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Aside.settle

    def write_meanwhile(self: Aside, parcel: Parcel) -> str:
        digest = settle(self, parcel)
        built.edit(built.memories[-1], lambda doc: doc.update(content=doc["content"] + "."))
        return digest

    for layout in (None, "core-4"):
        monkeypatch.setattr(Aside, "settle", write_meanwhile)
        with pytest.raises(OperationError, match="changed while it was migrated"):
            bring(built.root, tmp_path / "new", layout)
        monkeypatch.undo()
        assert not (tmp_path / "new").exists()
        (tmp_path / ".new.migrating" / MARKER).unlink()
        shutil.rmtree(tmp_path / ".new.migrating")


def test_modes_are_those_of_the_source(built: Built, tmp_path: Path) -> None:
    bring(built.root, tmp_path / "new", "core-4")
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {stores.FILE_MODE}
    folders = [tmp_path / "new", *(p for p in (tmp_path / "new").rglob("*") if p.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {stores.FOLDER_MODE}


@pytest.mark.parametrize("target", ["native", "core-4"])
def test_a_long_catalog_is_spelt_as_a_short_one(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build("core-3" if target == "native" else "native", tmp_path / "store")
    bring(built.root, tmp_path / "whole", target)
    for module, name in ((pieces, "MEMBERS"), (columns, "RUN"), (converting, "RUN")):
        monkeypatch.setattr(module, name, 3)
    bring(built.root, tmp_path / "in pieces", target)
    assert sha_tree(tmp_path / "in pieces") == sha_tree(tmp_path / "whole")


def test_facts_that_are_kept_come_back(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converting, "RUN", 3)
    inventory = asyncio.run(scan(built.root, recognise(built.root)))
    facts, files = converting.KeptFacts(), list(inventory.files)
    refs = [EntityRef(file.kind, str(file.id)) for file in files]
    for ref, file in zip(refs, files, strict=True):
        facts.keep(ref, file)
    # A file that is rendered twice is kept as it was the last time.
    facts.keep(refs[1], files[2])
    assert list(facts) == refs
    assert [facts[ref] for ref in refs] == [files[0], files[2], *files[2:]]


@pytest.mark.parametrize("target", [None, "core-4"])
def test_the_old_store_is_let_go_before_the_new_one_is_looked_at(
    target: str | None, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[weakref.ref[object]] = []
    alive = []

    async def look_at(*args: Any) -> Any:
        for _ in range(100):
            # The thread that made the new store may still be putting its work away.
            if not any(one() for one in seen):
                break
            await asyncio.sleep(0.01)
        alive.append([one() is not None for one in seen])
        found = await verify.look(*args)
        seen.append(weakref.ref(found.inventory.files))
        return found

    monkeypatch.setattr(operation, "look", look_at)
    gc.disable()
    try:
        bring(built.root, tmp_path / "new", target)
    finally:
        gc.enable()
    assert alive == [[], [False]]
