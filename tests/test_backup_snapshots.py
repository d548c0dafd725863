"""Backups: what they read, what they leave out, and what they come to when read again."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthstore import MemoryPersistence
from synthstore.backup import encoding
from synthstore.backup.encoding import Read, read_large
from synthstore.backup.restore import RestoreOptions, restore
from synthstore.backup.snapshot import BackupOptions, backup
from synthstore.errors import NotAStoreError, UsageError
from synthstore.files import walk
from synthstore.files.walk import UnsteadyFileError
from synthstore.layout.base import Layout
from synthstore.repository import vault
from synthstore.repository.place import LocalPlace
from synthstore.repository.recipes import Encoded, Piece, encode
from synthstore.repository.vault import Repository
from synthstore.repository.writing import Writer
from synthstore.store import evidence
from synthstore.testing import stores
from synthstore.testing.flat_bytes import Flat
from synthstore.testing.spelling import Name
from tests import oracle
from tests.persistence_stores import log_lines, memories
from tests.trees import sha_tree
from tests.vaults import back_up, give_back, opened, packs, place_at, settle, standing

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return place_at(tmp_path / "repo")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_restore_is_the_store_to_the_byte(
    layout: Name, tmp_path: Path, place: LocalPlace
) -> None:
    built = stores.build(layout, tmp_path / "store")
    (built.root / "empty").mkdir(mode=0o710)
    stores.write(built.root / "notes.txt", b"by hand", mode=0o604)
    before = standing(built.root)
    report = back_up(built.root, place)
    assert (report.exit_code, report.new, report.snapshot.tags) == (0, len(_files(before)), ())
    restored = give_back(tmp_path / "again", place)
    assert (restored.exit_code, restored.findings) == (0, ())
    assert standing(tmp_path / "again") == before


@pytest.mark.real_stores
@pytest.mark.parametrize("name", ["core-3-drifted", "core-4-sixty", "core-3-string-members"])
def test_real_stores_come_back(
    name: str, real_copy: Callable[[str], Path], tmp_path: Path, place: LocalPlace
) -> None:
    root = real_copy(name)
    before = standing(root)
    report = back_up(root, place)
    assert report.bytes_added < 0.2 * report.snapshot.bytes
    restored = give_back(tmp_path / "again", place)
    assert not restored.lost
    assert standing(tmp_path / "again") == before


def test_what_did_not_change_is_not_read(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    settle(built.root)
    first = back_up(built.root, place)
    old = packs(place)
    victim = built.file(built.memories[0])
    status = victim.stat()
    victim.write_bytes(bytes(len(victim.read_bytes())))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = back_up(built.root, place)
    assert (second.new, second.changed, second.removed) == (0, 0, 0)
    assert second.bytes_added == 0
    assert second.snapshot.tree == first.snapshot.tree
    assert packs(place) == old


def test_only_what_changed_is_stored(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("core-4", tmp_path / "store", memories=60, dim=256)
    settle(built.root)
    whole = back_up(built.root, place).bytes_added
    built.edit(built.memories[3], lambda doc: doc.update(access_count=99))
    built.file(built.memories[5]).unlink()
    report = back_up(built.root, place)
    assert (report.new, report.removed) == (0, 1)
    assert report.snapshot.tags == ("damaged",)
    assert report.snapshot.findings["M001"] == 1
    # Its embedding is there already.
    assert report.bytes_added < whole / 8


def test_a_file_too_young_to_trust_is_read_again(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    settle(built.root)
    young = built.file(built.memories[0])
    later = time.time_ns() + 10**10
    os.utime(young, ns=(later, later))
    back_up(built.root, place)
    rows = opened(place).tree(opened(place).snapshots()[0]).files
    assert [row.path for row in rows if not row.inode] == [built.paths[built.memories[0]]]


def test_two_stores_share_what_is_the_same(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "one", memories=40, dim=256)
    first = back_up(built.root, place)
    shutil.copytree(built.root, tmp_path / "two")
    second = back_up(tmp_path / "two", place)
    assert (first.snapshot.name, second.snapshot.name) == ("one", "two")
    assert second.bytes_added < first.bytes_added / 4


def test_what_a_snapshot_leaves_out(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    kept = [".synthstore/quarantine/r/memories/x.json", ".synthstore/changes.log", "memories/x.bak"]
    left = [".synthstore/runs/r/plan", ".synthstore/lock", "backups/index/memory_index.1.json"]
    for path in (*kept, *left):
        (built.root / path).parent.mkdir(parents=True, exist_ok=True)
        (built.root / path).write_bytes(b"{}\n" if path.endswith("json") else b"")
    (built.root / "memories" / "link.json").symlink_to(built.file(built.memories[0]))
    os.mkfifo(built.root / "pipe")
    report = back_up(built.root, place)
    names = {row.path for row in opened(place).tree(report.snapshot).files}
    assert names >= set(kept)
    assert names.isdisjoint({*left, "pipe", "memories/link.json"})
    assert set(report.skipped) == {"pipe", "memories/link.json"}


def test_a_file_that_cannot_be_read_is_said_and_the_rest_is_done(
    tmp_path: Path, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build("native", tmp_path / "store")
    victim = built.file(built.memories[0])
    real = walk.read_at

    def read(fd: int, name: str, shown: str) -> object:
        if shown == str(victim):
            raise UnsteadyFileError(f"{shown} kept changing")
        return real(fd, name, shown)

    monkeypatch.setattr(encoding, "read_at", read)
    report = back_up(built.root, place)
    assert report.exit_code == 3
    assert set(report.problems) == {built.paths[built.memories[0]]}
    assert report.snapshot.memories == len(built.memories) - 1
    assert "partial" in report.snapshot.tags
    monkeypatch.undo()
    assert back_up(built.root, place).snapshot.good


def test_large_files_go_through_in_pieces(
    tmp_path: Path, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build("native", tmp_path / "store", memories=30, dim=64)
    (built.root / "log").write_bytes(os.urandom(100_000))
    monkeypatch.setattr("synthstore.backup.reading.WHOLE_BELOW", 5_000)
    monkeypatch.setattr("synthstore.backup.encoding._PIECE", 30_000)
    monkeypatch.setattr("synthstore.backup.decoding.WHOLE_BELOW", 5_000)
    before = standing(built.root)
    back_up(built.root, place)
    index = opened(place)
    row = next(r for r in index.tree(index.snapshots()[0]).files if r.path.endswith(".faiss"))
    recipe = index.recipe(row.object)
    assert recipe is not None
    assert len(recipe.ids) == 32
    give_back(tmp_path / "again", place)
    assert standing(tmp_path / "again") == before


def test_a_large_file_that_never_stands_still(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(1000))

    class Disturb:
        stored = 0

        def add(self, _: Encoded) -> None:
            self.stored += 1

        def add_piece(self, _: Piece) -> None:
            with path.open("ab") as stream:
                stream.write(b"x")

    sink = Disturb()
    assert read_large(tmp_path, "log", sink).problem is not None
    assert read_large(tmp_path, "gone", sink) == Read("gone")
    assert sink.stored == 0


def test_workers_pack_what_is_new_and_no_more(
    tmp_path: Path, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build("native", tmp_path / "store", memories=40, dim=256)
    settle(built.root)
    monkeypatch.setattr("synthstore.scan.pool.PROCESSES_PAY_FROM", 1)
    monkeypatch.setattr("synthstore.backup.crew.PROCESSES_PAY_FROM", 1)
    monkeypatch.setattr("synthstore.scan.pool.SHARD", 7)
    first = back_up(built.root, place, jobs=2)
    for name in built.memories:
        built.edit(name, lambda document: document.update(content="told anew"))
    settle(built.root)
    before = standing(built.root)
    second = back_up(built.root, place, jobs=2)
    assert (first.exit_code, second.exit_code, second.changed) == (0, 0, 41)
    # The catalog changed, too; the embeddings are there already.
    assert second.bytes_added < first.bytes_added / 2
    give_back(tmp_path / "again", place)
    assert standing(tmp_path / "again") == before


def test_a_store_that_is_written_meanwhile_is_gone_through_again(
    tmp_path: Path, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build("native", tmp_path / "store")
    once = threading.Event()
    real = walk.read_at

    def read(fd: int, name: str, shown: Path) -> object:
        if name == "memory_index.json" and not once.is_set():
            once.set()
            built.add_memory("late-comer")
        return real(fd, name, shown)

    monkeypatch.setattr(encoding, "read_at", read)
    report = back_up(built.root, place)
    give_back(tmp_path / "again", place)
    assert report.snapshot.memories == len(built.memories) + 1
    assert (tmp_path / "again" / "memory_index.json").read_bytes() == built.catalog.read_bytes()


def tear(built: stores.Built) -> None:
    built.overwrite(built.memories[0], built.raw(built.memories[0])[:-30])


def rot(built: stores.Built) -> None:
    raw = built.raw(built.memories[0])
    built.overwrite(built.memories[0], raw.replace(b"harbour", b"harpour"))


@pytest.mark.parametrize(("hurt", "code"), [(tear, "M003"), (rot, "M004")])
def test_hurt_files_make_the_snapshot_damaged(
    hurt: Callable[[stores.Built], None], code: str, tmp_path: Path, place: LocalPlace
) -> None:
    built = stores.build("native", tmp_path / "store")
    hurt(built)
    report = back_up(built.root, place)
    assert report.exit_code == 0
    assert report.snapshot.findings == {code: 1}
    assert report.snapshot.damaged
    known = frozenset({(code, "memory", built.memories[0])})
    assert not back_up(built.root, place, known=known).snapshot.damaged


def test_a_repository_inside_the_store_is_refused(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    with pytest.raises(UsageError, match="inside"):
        back_up(built.root, place_at(built.root / "repo"))
    assert not (built.root / "repo").exists()


def test_what_is_no_repository_is_left_alone(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    other = stores.build("native", tmp_path / "other")
    before = standing(other.root)
    with pytest.raises(UsageError, match="neither empty"):
        back_up(built.root, place_at(other.root))
    with pytest.raises(NotAStoreError):
        opened(place_at(tmp_path / "nowhere"))
    assert standing(other.root) == before


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    layout=st.sampled_from(LAYOUTS),
    edits=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), max_size=6),
    seed=st.integers(0, 1000),
)
def test_every_snapshot_of_a_store_that_changes_comes_back(
    layout: Name, edits: list[tuple[int, int]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("random")
    built = stores.build(layout, folder / "store", memories=8, assemblies=1, seed=seed)
    place = place_at(folder / "repo")
    moments = []
    for kind, number in [*edits, (9, 0)]:
        report = back_up(built.root, place)
        moments.append((report.snapshot.id, standing(built.root)))
        _edit(built, kind, built.memories[number])
    for n, (snapshot, before) in enumerate(moments):
        give_back(folder / f"again-{n}", place, snapshot=snapshot)
        assert standing(folder / f"again-{n}") == before


def _edit(built: stores.Built, kind: int, memory: str) -> None:
    path = built.file(memory)
    if kind == 0:
        path.unlink(missing_ok=True)
    elif kind == 1 and path.exists():
        path.write_bytes(path.read_bytes()[:-7])
    elif kind == 2:
        path.write_bytes(b'{"embedding": [' + b"0.25, " * 40 + b"1e-07]}")
    elif kind == 3:
        (built.root / f"new-{memory}.txt").write_bytes(os.urandom(50))
    elif kind == 4 and path.exists():
        path.chmod(0o600)
    elif kind == 5:
        built.index.write_bytes(built.index.read_bytes() + b"!")


def _files(moment: dict[str, tuple[str, int, int]]) -> list[str]:
    return [path for path, (content, _, _) in moment.items() if content or path == "empty.txt"]


async def test_a_store_that_a_library_holds_comes_back_without_findings(
    tmp_path: Path, place: LocalPlace
) -> None:
    root, again = tmp_path / "store", tmp_path / "again"
    async with MemoryPersistence(root) as p:
        await p.save_memories_batch(memories(4))
        await p.flush()
        await p.save_memories_batch(memories(4, start=4))
        await p.delete_memory("memory-1")
        changed = await p.load_memory("memory-2")
        assert changed is not None
        await p.save_memory(changed)
        report = await backup(root, place, BackupOptions())
        assert not report.snapshot.findings
    restored = await restore(again, place, RestoreOptions(), confirm=lambda _: True)
    assert (restored.exit_code, restored.findings) == (0, ())
    assert len(log_lines(again)) > 4
    async with MemoryPersistence(again) as p:
        assert len(await p.list_memories()) == 7
        assert p.opening_report["clean"]
    assert oracle.problems(again, "native") == []


@pytest.mark.parametrize("window", [1, 1000, 1 << 20])
def test_an_index_is_put_together_window_by_window(
    window: int, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32)
    vectors[150] = vectors[3]
    raw = Flat("IxM2", False, np.arange(200, dtype=np.int64), vectors).dump()
    repository = Repository.make(place)
    writer = Writer(repository)
    writer.add(encode(raw))
    writer.close()
    monkeypatch.setattr(vault, "_WINDOW_BYTES", window)
    assert repository.read(hashlib.sha256(raw).digest()) == raw


@pytest.fixture
def recognised(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each store whose layout was looked for."""
    found: list[Path] = []

    def recognise(root: Path, forced: str | None) -> Layout:
        found.append(root)
        return evidence.recognise(root, forced)

    monkeypatch.setattr("synthstore.backup.snapshot.recognise", recognise)
    return found


def touched(built: stores.Built) -> None:
    built.edit(built.memories[0], lambda document: document.update(content="told anew"))
    settle(built.root)


@pytest.mark.parametrize(
    ("change", "options", "again"),
    [
        (lambda _: None, {}, False),
        (lambda built: (built.root / "memories").chmod(0o700), {}, True),
        (touched, {}, True),
        (lambda _: None, {"layout": "core-4"}, True),
        (lambda _: None, {"name": "another"}, True),
    ],
)
def test_a_store_that_is_as_it_was_has_the_layout_that_it_had(
    change: Callable[[stores.Built], object],
    options: dict[str, object],
    again: bool,
    place: LocalPlace,
    recognised: list[Path],
) -> None:
    built = stores.build("core-4", place.root.with_name("store"))
    settle(built.root)
    first = back_up(built.root, place)
    change(built)
    recognised.clear()
    second = back_up(built.root, place, **options)
    assert recognised == [built.root] * again
    for told in ("layout", "memories", "assemblies", "files"):
        assert getattr(second.snapshot, told) == getattr(first.snapshot, told)


def test_another_version_looks_for_the_layout_itself(
    tmp_path: Path, place: LocalPlace, recognised: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build("native", tmp_path / "store")
    settle(built.root)
    back_up(built.root, place)
    monkeypatch.setattr("synthstore.backup.snapshot.__version__", "99")
    assert back_up(built.root, place).unchanged
    assert recognised == [built.root] * 2


def test_what_is_no_store_any_more_gets_no_snapshot(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    settle(built.root)
    back_up(built.root, place)
    before = sha_tree(place.root)
    shutil.rmtree(built.root)
    built.root.mkdir()
    with pytest.raises(NotAStoreError):
        back_up(built.root, place)
    assert sha_tree(place.root) == before
