"""Runs by the protocol: the store is as before or as planned, and every byte comes back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthstore.errors import (
    DiskFullError,
    LockedError,
    OperationError,
    PermissionDeniedError,
    RefusedError,
    UsageError,
)
from synthstore.store import retention
from synthstore.store.journal import next_run, time_of
from synthstore.store.runs import (
    CATALOG,
    ENTITY,
    REMOVAL,
    Change,
    FilesChanged,
    RunInfo,
    list_runs,
    newest_undoable,
    undo_changes,
    unfinished_runs,
)
from synthstore.store.session import RunResult, Session
from tests.mounts import small_disk
from tests.users import as_nobody, is_root

NEEDS_ROOT = pytest.mark.skipif(not is_root(), reason="needs root")

State = dict[str, tuple[bytes, int, int]]

BEFORE = {
    "memory_index.json": b'{"rows": 1}',
    "memories/a.json": b"a1",
    "memories/b.json": b"b1",
    "memories/gone.json": b"to go",
}


def sha(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def change(path: str, old: bytes | None, new: bytes | None, order: int = ENTITY) -> Change:
    return Change(path, sha(old), new, order if new is not None else REMOVAL)


CHANGES = [
    change("memory_index.json", b'{"rows": 1}', b'{"rows": 2}', CATALOG),
    change("memories/gone.json", b"to go", None),
    change("memories/a.json", b"a1", b"a2"),
    change("memories/new.json", None, b"new"),
    change("assemblies/deep/x.json", None, b"x"),
]
AFTER = {
    "memory_index.json": b'{"rows": 2}',
    "memories/a.json": b"a2",
    "memories/b.json": b"b1",
    "memories/new.json": b"new",
    "assemblies/deep/x.json": b"x",
}


def make_store(root: Path) -> Path:
    root.mkdir(mode=0o755)
    for number, (path, data) in enumerate(BEFORE.items()):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(data)
        (root / path).chmod(0o640)
        os.utime(root / path, ns=(number, 1_600_000_000_123_456_789 + number))
    return root


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return make_store(tmp_path / "store")


def files(root: Path) -> dict[str, bytes]:
    return {path: data for path, (data, _, _) in state(root).items()}


def state(root: Path) -> State:
    """Bytes, mode and mtime of every file that is not ours."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(".synthstore/"):
            status = path.stat()
            found[name] = (path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime_ns)
    return found


def own_files(root: Path) -> set[str]:
    folder = root / ".synthstore"
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def do(root: Path, changes: Sequence[Change], **options: str) -> RunResult:
    with Session(root) as session:
        return session.run("repair", changes, **options)  # type: ignore[arg-type]


def undo(root: Path, run: str | None = None, *, force: bool = False) -> RunResult:
    with Session(root) as session:
        run = run or newest_undoable(root)
        return session.run("undo", undo_changes(root, run, force=force).changes, undoes=run)


def test_a_run_brings_about_the_plan_and_undo_gives_every_byte_back(store: Path) -> None:
    before = state(store)
    result = do(store, CHANGES)
    assert files(store) == AFTER
    assert set(result.applied) == {c.path for c in CHANGES}
    assert result.conflicts == ()
    undone = undo(store)
    assert state(store) == before
    assert not (store / "assemblies").exists()
    assert [(r.run, r.state, r.undoes) for r in list_runs(store)] == [
        (result.run, "undone", None),
        (undone.run, "done", result.run),
    ]


def test_an_undo_that_is_undone_is_a_redo(store: Path) -> None:
    first = do(store, CHANGES).run
    second = undo(store).run
    assert second is not None
    undo(store, second)
    assert files(store) == AFTER
    assert newest_undoable(store) == first
    undo(store)
    assert files(store) == BEFORE


def test_what_is_replaced_keeps_its_mode(store: Path) -> None:
    do(store, CHANGES)
    assert stat.S_IMODE((store / "memories/a.json").stat().st_mode) == 0o640
    assert stat.S_IMODE((store / "memories/new.json").stat().st_mode) == 0o644
    assert stat.S_IMODE((store / "assemblies").stat().st_mode) == 0o755


def test_our_own_folder_is_private(store: Path) -> None:
    do(store, CHANGES)
    for path in [store / ".synthstore", *(store / ".synthstore").rglob("*")]:
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700


@NEEDS_ROOT
def test_root_leaves_everything_to_the_stores_owner(store: Path) -> None:
    for path in [store, *store.rglob("*")]:
        os.chown(path, 1234, 2345)
    before = state(store)
    do(store, CHANGES)
    undo(store)
    assert state(store) == before
    owners = {(p.stat().st_uid, p.stat().st_gid) for p in [store, *store.rglob("*")]}
    assert owners == {(1234, 2345)}


def test_a_run_without_any_change_is_not_recorded(store: Path) -> None:
    def same(out: BinaryIO) -> None:
        out.write(b"b1")

    changes = [
        change("memories/a.json", b"a1", b"a1"),
        Change("memories/b.json", sha(b"b1"), same, ENTITY),
    ]
    assert do(store, changes) == RunResult(None)
    assert do(store, []) == RunResult(None)
    assert list_runs(store) == []
    assert own_files(store) == {"lock"}
    assert (store / "memories/b.json").stat().st_nlink == 1


def test_only_what_changes_is_recorded(store: Path) -> None:
    result = do(store, [change("memories/a.json", b"a1", b"a1"), CHANGES[0]])
    assert result.applied == ("memory_index.json",)
    assert list_runs(store)[0].files == 1


def test_the_plan_is_applied_in_order(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    real_replace, real_unlink = os.replace, os.unlink

    def replace(source: Path, target: str, **fds: int) -> None:
        steps.append(str(target))
        real_replace(source, target, **fds)

    def unlink(target: str, **fds: int) -> None:
        steps.append(str(target))
        real_unlink(target, **fds)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "unlink", unlink)
    do(store, CHANGES)
    names = {"a.json", "new.json", "x.json", "memory_index.json", "gone.json"}
    assert [s for s in steps if s in names] == [
        "a.json",
        "new.json",
        "x.json",
        "memory_index.json",
        "gone.json",
    ]


def test_streamed_content_is_staged(store: Path) -> None:
    def send(out: BinaryIO) -> None:
        out.writelines(b"x" * 1000 for _ in range(1000))

    do(store, [Change("memories/big.json", None, send, ENTITY, size=1_000_000)])
    assert (store / "memories/big.json").read_bytes() == b"x" * 1_000_000


def test_quarantine_holds_real_copies(store: Path) -> None:
    gone = Change("memories/gone.json", sha(b"to go"), None, REMOVAL, quarantine=True)
    run = do(store, [gone]).run
    copy = store / ".synthstore/quarantine" / str(run) / "memories/gone.json"
    assert copy.read_bytes() == b"to go"
    assert copy.stat().st_nlink == 1
    undo(store)
    assert files(store) == BEFORE


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a/../b", "./a", "a//b", "", ".synthstore/lock", ".synthstore/runs/x"]
)
def test_a_plan_never_leaves_the_store_nor_touches_our_folder(store: Path, path: str) -> None:
    with pytest.raises(ValueError):
        do(store, [change(path, None, b"x")])


def test_a_path_is_changed_once(store: Path) -> None:
    with pytest.raises(ValueError):
        do(store, [CHANGES[0], CHANGES[0]])


def test_a_closed_session_changes_nothing(store: Path) -> None:
    with pytest.raises(ValueError):
        Session(store).run("repair", CHANGES)
    assert files(store) == BEFORE


def test_names_that_are_no_utf8_are_kept(store: Path) -> None:
    name = os.fsdecode(b"memories/\xff.json")
    do(store, [change(name, None, b"x")])
    assert (store / name).read_bytes() == b"x"
    undo(store)
    assert files(store) == BEFORE


def moved(store: Path, changes: Sequence[Change]) -> tuple[str, ...]:
    with Session(store) as session, pytest.raises(FilesChanged) as caught:
        session.run("repair", changes)
    assert list_runs(store) == []
    assert own_files(store) == {"lock"}
    return caught.value.paths


def test_every_file_that_changed_is_named_and_nothing_is_done(store: Path) -> None:
    (store / "memories/a.json").write_bytes(b"other")
    (store / "memories/gone.json").write_bytes(b"other")
    assert set(moved(store, CHANGES)) == {"memories/a.json", "memories/gone.json"}
    assert (store / "memory_index.json").read_bytes() == b'{"rows": 1}'


def test_files_that_came_or_went_are_named(store: Path) -> None:
    (store / "memories/a.json").unlink()
    (store / "memories/new.json").touch()
    assert set(moved(store, CHANGES)) == {"memories/a.json", "memories/new.json"}


def irregular(kind: str, path: Path, elsewhere: Path) -> None:
    path.unlink()
    if kind == "link":
        elsewhere.write_bytes(b"a1")
        path.symlink_to(elsewhere)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["link", "fifo", "dir"])
def test_what_is_no_file_is_never_replaced(store: Path, tmp_path: Path, kind: str) -> None:
    irregular(kind, store / "memories/a.json", tmp_path / "elsewhere")
    assert moved(store, CHANGES) == ("memories/a.json",)


def test_a_folder_that_became_a_link_is_not_entered(store: Path, tmp_path: Path) -> None:
    (store / "memories").rename(tmp_path / "outside")
    (store / "memories").symlink_to(tmp_path / "outside")
    assert moved(store, [change("memories/new.json", None, b"x")]) == ("memories/new.json",)
    assert moved(store, [change("memories/a.json", b"a1", b"x")]) == ("memories/a.json",)
    assert not (tmp_path / "outside/new.json").exists()


def test_a_file_where_a_folder_belongs_is_left(store: Path) -> None:
    (store / "assemblies").write_bytes(b"not a folder")
    assert moved(store, CHANGES) == ("assemblies/deep/x.json",)


def interrupt(store: Path, changes: Sequence[Change] = CHANGES) -> None:
    """Leave a run that is committed and not applied at all."""
    child = os.fork()
    if child == 0:
        real = os.replace
        os.replace = lambda *names, dst_dir_fd=None: (
            real(*names) if dst_dir_fd is None else os._exit(9)
        )
        do(store, changes)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_conflicts_are_recorded_and_left_and_survive_undo(store: Path, tmp_path: Path) -> None:
    interrupt(store)
    (store / "memories/a.json").unlink()
    (store / "memories/a.json").write_bytes(b"foreign")
    irregular("link", store / "memories/gone.json", tmp_path / "elsewhere")
    shutil.rmtree(store / "assemblies")
    (store / "assemblies").write_bytes(b"in the way")
    with Session(store) as session:
        (rolled,) = session.recovered
    assert set(rolled.conflicts) == {
        "memories/a.json",
        "memories/gone.json",
        "assemblies/deep/x.json",
    }
    assert (store / "memories/a.json").read_bytes() == b"foreign"
    assert (store / "memories/new.json").read_bytes() == b"new"
    assert (store / "memories/gone.json").is_symlink()
    assert list_runs(store)[0].conflicts == rolled.conflicts
    undo(store)
    assert (store / "memories/a.json").read_bytes() == b"foreign"
    assert (store / "memory_index.json").read_bytes() == b'{"rows": 1}'
    assert not (store / "memories/new.json").exists()


def test_a_write_into_the_linked_pre_image_is_a_conflict(store: Path) -> None:
    interrupt(store)
    with (store / "memories/a.json").open("r+b") as out:
        out.write(b"in place")
    with Session(store) as session:
        assert session.recovered[0].conflicts == ("memories/a.json",)
    assert (store / "memories/a.json").read_bytes() == b"in place"
    assert (store / "memories/a.json").stat().st_nlink == 1


def test_a_file_with_several_names_keeps_the_others(store: Path, tmp_path: Path) -> None:
    os.link(store / "memories/a.json", tmp_path / "other")
    do(store, CHANGES)
    with (tmp_path / "other").open("r+b") as out:
        out.write(b"scribble")
    undo(store)
    assert (store / "memories/a.json").read_bytes() == b"a1"


def test_undo_refuses_what_changed_since_and_force_keeps_it(store: Path) -> None:
    do(store, CHANGES)
    (store / "memories/a.json").write_bytes(b"later work")
    with pytest.raises(RefusedError) as caught:
        undo(store)
    assert "memories/a.json" in caught.value.message
    assert "--force" in str(caught.value.hint)
    assert caught.value.exit_code == 12
    forced = undo(store, force=True).run
    assert files(store) == BEFORE
    assert forced is not None
    undo(store, forced)
    assert (store / "memories/a.json").read_bytes() == b"later work"


def test_undo_refuses_a_link_even_with_force(store: Path, tmp_path: Path) -> None:
    do(store, CHANGES)
    irregular("link", store / "memories/a.json", tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="no regular file"):
        undo(store, force=True)


def test_undo_never_restores_a_damaged_pre_image(store: Path) -> None:
    run = do(store, CHANGES).run
    for image in (store / ".synthstore/runs" / str(run) / "old").iterdir():
        image.write_bytes(b"rotten")
    now = state(store)
    with pytest.raises(OperationError, match="damaged"):
        undo(store)
    assert state(store) == now


def test_a_file_that_is_already_back_is_left(store: Path) -> None:
    do(store, CHANGES)
    (store / "memories/a.json").write_bytes(b"a1")
    assert "memories/a.json" not in undo(store).applied
    assert files(store) == BEFORE


def test_a_folder_that_the_run_made_stays_while_it_is_used(store: Path) -> None:
    do(store, CHANGES)
    (store / "assemblies/other.json").touch()
    undo(store)
    assert [p.name for p in (store / "assemblies").iterdir()] == ["other.json"]


def test_a_copied_store_can_be_undone(store: Path, tmp_path: Path) -> None:
    do(store, CHANGES)
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    undo(copy)
    assert files(copy) == BEFORE
    assert files(store) == AFTER


def test_what_cannot_be_undone_is_a_usage_error(store: Path) -> None:
    with pytest.raises(UsageError):
        newest_undoable(store)
    with pytest.raises(UsageError):
        undo_changes(store, "20250318T153042Z-0000")
    run = str(do(store, CHANGES).run)
    undo(store)
    with pytest.raises(UsageError, match="undone already"):
        undo_changes(store, run)


PATHS = st.sampled_from(["a", "b", "c", "d/x", "d/y"])
DATA = st.one_of(st.none(), st.binary(max_size=3))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.dictionaries(PATHS, DATA, max_size=4), max_size=4))
def test_any_sequence_of_runs_is_undone_step_by_step(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, bytes | None]]
) -> None:
    root = tmp_path_factory.mktemp("any")
    known: list[State] = []
    for step in steps:
        now = files(root)
        before = state(root)
        changes = [change(path, now.get(path), data) for path, data in step.items()]
        if do(root, changes).run is not None:
            known.append(before)
    for before in reversed(known):
        undo(root)
        assert state(root) == before


class Kill:
    """Lets a child die at its n-th call that changes the file system."""

    CALLS = ("replace", "rename", "unlink", "rmdir", "mkdir", "link", "fsync", "write", "fchmod")

    def __init__(self, at: int) -> None:
        self.left = at

    def install(self) -> None:
        for name in self.CALLS:
            setattr(os, name, self._deadly(getattr(os, name)))

    def _deadly(self, call: Callable[..., object]) -> Callable[..., object]:
        def deadly(*args: object, **kwargs: object) -> object:
            self.left -= 1
            if self.left == 0:
                os._exit(9)
            return call(*args, **kwargs)

        return deadly


def killed(at: int, work: Callable[[], object]) -> bool:
    """Do ``work`` in a child that dies at its n-th change; whether it died."""
    child = os.fork()
    if child == 0:
        Kill(at).install()
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it wrote, so what fsync does is not asked here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def kill_points(tmp_path: Path, ready: Callable[[Path], None]) -> Iterator[tuple[int, Path]]:
    template = make_store(tmp_path / "template")
    ready(template)
    for at in range(1, 500):
        root = tmp_path / f"kill-{at}"
        shutil.copytree(template, root, symlinks=True)
        yield at, root


def test_killed_anywhere_a_run_is_whole_or_nothing(tmp_path: Path, no_disk: None) -> None:
    seen: set[tuple[bool, bool]] = set()
    for at, root in kill_points(tmp_path, lambda _: None):
        before = state(root)
        died = killed(at, lambda root=root: do(root, CHANGES))  # type: ignore[misc]
        unfinished = bool(unfinished_runs(root))
        if not unfinished and not list_runs(root):
            assert state(root) == before
        with Session(root) as session:
            assert bool(session.recovered) == unfinished
        assert files(root) in (BEFORE, AFTER)
        assert unfinished_runs(root) == []
        if files(root) == AFTER:
            undo(root)
        assert state(root) == before
        assert not (root / "assemblies").exists()
        seen.add((died, unfinished))
        if not died:
            break
    assert seen == {(True, False), (True, True), (False, False)}


def test_killed_anywhere_an_undo_is_whole_or_nothing(tmp_path: Path, no_disk: None) -> None:
    def ready(root: Path) -> None:
        do(root, CHANGES)

    for at, root in kill_points(tmp_path, ready):
        died = killed(at, lambda root=root: undo(root))  # type: ignore[misc]
        Session.open(root).close()
        assert files(root) in (BEFORE, AFTER)
        if files(root) == AFTER:
            undo(root)
        assert files(root) == BEFORE
        assert not (root / "assemblies").exists()
        if not died:
            break


def test_killed_anywhere_a_recovery_is_taken_up_again(tmp_path: Path, no_disk: None) -> None:
    for at, root in kill_points(tmp_path, interrupt):
        died = killed(at, lambda root=root: Session.open(root))  # type: ignore[misc]
        Session.open(root).close()
        assert files(root) == AFTER
        if not died:
            break


def test_killed_anywhere_pruning_never_brings_a_run_back(tmp_path: Path, no_disk: None) -> None:
    def ready(root: Path) -> None:
        do(root, CHANGES)
        old = root / ".synthstore/runs" / list_runs(root)[0].run
        old.rename(old.with_name("20200101T000000Z-0000"))
        for number in range(10):
            do(root, [change(f"memories/{number}.json", None, b"x")])

    for at, root in kill_points(tmp_path, ready):
        expected = files(root)
        died = killed(at, lambda root=root: prune(root))  # type: ignore[misc]
        with Session(root) as session:
            assert session.recovered == ()
        assert files(root) == expected
        assert len(list_runs(root)) in (10, 11)
        if not died:
            break


def prune(root: Path) -> retention.Pruned:
    with Session(root) as session:
        return session.prune()


def test_an_unfinished_run_is_seen_without_touching_it(store: Path) -> None:
    interrupt(store)
    before = own_files(store)
    (found,) = unfinished_runs(store)
    assert (found.command, found.owner_alive) == ("repair", False)
    (listed,) = list_runs(store)
    assert (listed.run, listed.state, listed.files) == (found.run, "unfinished", 5)
    assert own_files(store) == before
    assert files(store) == BEFORE
    with Session(store) as session:
        (rolled,) = session.recovered
    assert (rolled.run, rolled.command) == (found.run, "repair")
    assert files(store) == AFTER


def test_a_living_owner_is_told_from_a_dead_one(store: Path) -> None:
    interrupt(store)
    with Session(store):
        begun = store / ".synthstore/runs" / list_runs(store)[0].run
        (begun / "done").unlink()
        assert unfinished_runs(store)[0].owner_alive
    assert not unfinished_runs(store)[0].owner_alive


def test_looking_on_tolerates_what_is_missing_or_torn(store: Path) -> None:
    assert list_runs(store) == []
    assert unfinished_runs(store) == []
    runs = store / ".synthstore/runs"
    runs.mkdir(parents=True)
    (runs / "stray").touch()
    (runs / "20250101T000000Z-0000").mkdir()
    (runs / "20250101T000000Z-0001").mkdir()
    (runs / "20250101T000000Z-0001/committed").write_bytes(b'{"items": [')
    (runs / "20250101T000000Z-0002").mkdir()
    (runs / "20250101T000000Z-0002/committed").write_bytes(b"{}")
    (runs / "20250101T000000Z-0002/done").write_bytes(b'{"run": 1}')
    assert [(r.run[-1], r.state) for r in list_runs(store)] == [("1", "unfinished"), ("2", "done")]
    assert [(r.run[-1], r.command) for r in unfinished_runs(store)] == [("1", "")]


@pytest.mark.parametrize("name", ["99999999T999999Z-ffff", "99991231T235959Z-ffff"])
def test_a_folder_named_by_no_time_of_ours_is_left(store: Path, name: str) -> None:
    stray = store / ".synthstore/runs" / name
    stray.mkdir(parents=True)
    (stray / "committed").write_bytes(b"{}")
    assert unfinished_runs(store) == []
    run = do(store, CHANGES).run
    assert [listed.run for listed in list_runs(store)] == [run]
    assert stray.exists()


def test_a_torn_plan_is_not_guessed(store: Path) -> None:
    interrupt(store)
    plan = store / ".synthstore/runs" / list_runs(store)[0].run / "committed"
    plan.write_bytes(plan.read_bytes()[:-40])
    with pytest.raises(OperationError, match="unreadable") as caught:
        Session.open(store)
    assert "move" in str(caught.value.hint)
    assert f"`synthstore repair {store}`" in str(caught.value.hint)
    assert files(store) == BEFORE


def plant(plan: Path, **planted: object) -> None:
    """Write other keys into a record, or into the first item of a plan."""
    record = json.loads(plan.read_bytes())
    for key, value in planted.items():
        (record if key in record else record["items"][0])[key] = value
    plan.write_text(json.dumps(record))


@pytest.mark.parametrize(
    "planted",
    [
        {"path": "../evil"},
        {"path": "../outside/kept", "new": None},
        {"path": ".synthstore/lock"},
        {"path": "a\0b"},
        {"path": 5},
        {"slot": "../../../../../outside/kept"},
        {"made": ["../outside/made"]},
        {"made": [5]},
        {"dropped": ["../outside/empty"]},
        {"undoes": []},
    ],
)
def test_a_plan_that_nobody_of_us_wrote_is_not_carried_out(
    store: Path, tmp_path: Path, planted: dict[str, object]
) -> None:
    (tmp_path / "outside/empty").mkdir(parents=True)
    (tmp_path / "outside/kept").write_bytes(b"a1")
    interrupt(store)
    plant(store / ".synthstore/runs" / list_runs(store)[0].run / "committed", **planted)
    before = sorted(tmp_path.rglob("[!.]*"))
    with pytest.raises(OperationError, match="unreadable"):
        Session.open(store)
    assert files(store) == BEFORE
    assert sorted(tmp_path.rglob("[!.]*")) == before


@pytest.mark.parametrize("planted", [{"bytes": "1"}, {"undoes": []}, {"conflicts": [[]]}])
def test_a_mistyped_final_record_is_listed_as_empty(
    store: Path, planted: dict[str, object]
) -> None:
    run = do(store, CHANGES).run
    plant(store / ".synthstore/runs" / str(run) / "done", **planted)
    (listed,) = list_runs(store)
    assert (listed.run, listed.command, listed.bytes) == (run, "", 0)
    with pytest.raises(OperationError, match="unreadable"):
        undo_changes(store, str(run))


def test_a_damaged_staged_file_is_never_put_in_place(store: Path) -> None:
    interrupt(store)
    staged = store / ".synthstore/runs" / list_runs(store)[0].run / "new" / "2"
    staged.write_bytes(b"rotten")
    with pytest.raises(OperationError, match="damaged"):
        Session.open(store)
    assert (store / "memories/a.json").read_bytes() == b"a1"


def test_an_error_while_applying_is_finished_by_the_next_session(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(OperationError) as caught:
            do(store, CHANGES)
    assert caught.value.exit_code == 4
    assert f"`synthstore repair {store}`" in str(caught.value.hint)
    Session.open(store).close()
    assert files(store) == AFTER


def test_a_run_that_could_not_be_sealed_is_gone_and_nobody_is_told_to_complete_it(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace

    def refuse(source: Path, target: Path) -> Path:
        if target.name == "committed":
            raise OSError(122, "Disk quota exceeded")
        return rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(DiskFullError) as caught:
            do(store, CHANGES)
    assert "quota" in str(caught.value.hint)
    assert "repair" not in str(caught.value.hint)
    assert files(store) == BEFORE
    assert not list((store / ".synthstore/runs").iterdir())


def test_a_run_that_was_sealed_but_not_made_durable_is_completed(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        if (path / "committed").exists():
            raise OperationError("cannot write it", hint="check the disk")

    with monkeypatch.context() as patch:
        patch.setattr("synthstore.store.journal.fsync_dir", refuse)
        with pytest.raises(OperationError) as caught:
            do(store, CHANGES)
    assert "synthstore repair" in str(caught.value.hint)
    Session.open(store).close()
    assert files(store) == AFTER


def test_records_of_a_later_version_are_read(store: Path) -> None:
    run = do(store, CHANGES).run
    folder = store / ".synthstore/runs" / str(run)
    for name in ("committed", "done"):
        record = json.loads((folder / name).read_bytes())
        (folder / name).write_text(json.dumps({**record, "later": 1}))
    assert list_runs(store)[0].command == "repair"
    undo(store)
    assert files(store) == BEFORE


def test_only_one_session_at_a_time(store: Path) -> None:
    with Session(store), pytest.raises(LockedError):
        Session.open(store)
    Session.open(store).close()


def nobodys(store: Path) -> None:
    for path in [store, *store.rglob("*")]:
        os.chown(path, 65534, 65534)
    for folder in store.parents:
        if stat.S_IMODE(folder.stat().st_mode) & 0o005 != 0o005 and folder.stat().st_uid == 0:
            folder.chmod(folder.stat().st_mode | 0o055)


def open_as_nobody(store: Path) -> PermissionDeniedError:
    before = sorted(p for p in store.rglob("*"))
    with as_nobody(), pytest.raises(PermissionDeniedError) as caught:
        do(store, CHANGES)
    assert caught.value.exit_code == 4
    assert [p for p in sorted(store.rglob("*")) if ".synthstore" not in p.parts] == before
    assert all((store / path).read_bytes() == data for path, data in BEFORE.items())
    return caught.value


@NEEDS_ROOT
@pytest.mark.parametrize(
    ("harm", "hint"),
    [
        (lambda store: store.chmod(0o777), "chmod o-w {}"),
        (lambda store: os.chown(store, 0, 0), "run it as its owner: `sudo -u root synthstore ...`"),
        (lambda store: store.chmod(0o555), "chmod u+rwx {}"),
        (lambda store: (store / "memories").chmod(0o555), "chmod u+rwx {}/memories"),
        (
            lambda store: os.chown(store / "memories/a.json", 0, 0),
            "run it as root, who can give both back: `sudo synthstore ...`",
        ),
    ],
)
def test_a_store_that_is_not_safely_ours_is_refused(
    store: Path, harm: Callable[[Path], None], hint: str
) -> None:
    nobodys(store)
    with as_nobody():
        Session.open(store).close()
    shutil.rmtree(store / ".synthstore")
    harm(store)
    assert hint.format(store) in str(open_as_nobody(store).hint)


@NEEDS_ROOT
def test_root_may_write_where_others_may(store: Path) -> None:
    store.chmod(0o777)
    do(store, CHANGES)
    assert files(store) == AFTER


@NEEDS_ROOT
def test_our_private_folder_does_not_keep_others_from_reading(store: Path) -> None:
    interrupt(store)
    nobodys(store)
    shutil.chown(store / ".synthstore", "root")
    with as_nobody():
        assert unfinished_runs(store) == []


@pytest.mark.parametrize("own", [".synthstore", ".synthstore/runs", ".synthstore/quarantine"])
def test_a_link_in_place_of_our_folder_is_refused(store: Path, tmp_path: Path, own: str) -> None:
    (tmp_path / "outside").mkdir()
    (store / own).parent.mkdir(exist_ok=True)
    (store / own).symlink_to(tmp_path / "outside")
    with pytest.raises(OperationError, match="no real folder"):
        Session.open(store)
    assert list((tmp_path / "outside").iterdir()) == []


def test_no_room_is_found_before_the_first_byte(store: Path) -> None:
    huge = Change("memories/huge.json", None, lambda _: None, ENTITY, size=2**60)
    with pytest.raises(DiskFullError, match="needed"):
        do(store, [huge])
    assert own_files(store) == {"lock"}


@NEEDS_ROOT
def test_a_disk_that_fills_while_staging_leaves_no_trace(tmp_path: Path) -> None:
    def send(out: BinaryIO) -> None:
        out.writelines(b"x" * 4096 for _ in range(300))

    with small_disk(tmp_path / "disk", "size=600k,mode=755") as disk:
        root = make_store(disk / "store")
        liar = Change("memories/huge.json", None, send, ENTITY, size=1)
        before = state(root)
        with pytest.raises(DiskFullError):
            do(root, [*CHANGES, liar])
        assert state(root) == before
        assert own_files(root) == {"lock"}
        assert list_runs(root) == []


@NEEDS_ROOT
def test_a_read_only_store_is_refused_before_anything(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=600k,mode=755") as disk:
        root = make_store(disk / "store")
        os.system(f"mount -o remount,ro {disk}")  # noqa: S605 - our own words
        with pytest.raises(PermissionDeniedError, match="read-only"):
            do(root, CHANGES)
        assert not (root / ".synthstore").exists()
        assert unfinished_runs(root) == []


@NEEDS_ROOT
def test_a_folder_on_another_file_system_is_served(store: Path, tmp_path: Path) -> None:
    shutil.move(store / "memories", tmp_path / "aside")
    with small_disk(store / "memories", "size=1m") as folder:
        shutil.copytree(tmp_path / "aside", folder, dirs_exist_ok=True)
        before = state(store)
        do(store, CHANGES)
        assert files(store) == AFTER
        undo(store)
        assert state(store) == before


def test_run_names_sort_by_time_even_within_a_second() -> None:
    now = datetime(2025, 3, 18, 15, 30, 42, 999_999, tzinfo=UTC)
    names: list[str] = []
    for _ in range(5):
        names.append(next_run(names, now))
    assert names[0] == "20250318T153042Z-ffff"
    assert names[1] == "20250318T153043Z-0000"
    assert names == sorted(set(names))
    earlier = next_run(names, now - timedelta(hours=1))
    assert earlier > names[-1]
    assert time_of(names[0]) == now.replace(microsecond=0)


def runs_of(ages: Sequence[tuple[float, int]], now: datetime) -> list[RunInfo]:
    """Runs by age in days and size in bytes, oldest first."""
    runs: list[RunInfo] = []
    for days, size in sorted(ages, reverse=True):
        name = next_run([run.run for run in runs], now - timedelta(days=days))
        runs.append(RunInfo(name, "repair", "", 1, size, "done"))
    return runs


NOW = datetime(2025, 3, 18, tzinfo=UTC)
GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("ages", "going"),
    [
        ([], 0),
        ([(100, 1)] * 10, 0),
        ([(100, 1)] * 13, 3),
        ([(1, 1)] * 200, 0),
        ([(1, 1)] * 8 + [(40, 1)] * 5, 3),
        ([(0, 11 * GIGABYTE)], 0),
        ([(0, 1), (1, 11 * GIGABYTE), (2, 1)], 2),
        ([(n, 3 * GIGABYTE) for n in range(6)], 3),
    ],
)
def test_what_is_kept(ages: list[tuple[float, int]], going: int) -> None:
    runs = runs_of(ages, NOW)
    assert retention.expendable(runs, NOW) == runs[:going]


def test_an_unfinished_run_is_always_kept() -> None:
    runs = [
        RunInfo(run.run, "repair", "", 1, 1, "unfinished") for run in runs_of([(99, 1)] * 12, NOW)
    ]
    assert retention.expendable(runs, NOW) == []


def test_old_runs_go_by_themselves_and_their_quarantine_by_request(store: Path) -> None:
    gone = Change("memories/gone.json", sha(b"to go"), None, REMOVAL, quarantine=True)
    first = str(do(store, [gone]).run)
    old = "20200101T000000Z-0000"
    for kind in ("runs", "quarantine"):
        (store / ".synthstore" / kind / first).rename(store / ".synthstore" / kind / old)
    for number in range(10):
        do(store, [change(f"memories/{number}.json", None, b"x")])
    assert len(list_runs(store)) == 10
    assert (store / ".synthstore/quarantine" / old / "memories/gone.json").exists()
    planned = retention.to_prune(store)
    assert planned == retention.Pruned((), 10, 5, (old,))
    assert prune(store) == planned
    assert list((store / ".synthstore/quarantine").iterdir()) == []
    assert prune(store) == retention.Pruned((), 10, 0)
