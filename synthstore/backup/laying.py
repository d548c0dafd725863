"""A whole snapshot laid out in a new directory: built aside, then renamed into place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from synthstore.errors import OperationError, UsageError
from synthstore.files.durable import (
    fsync_dir,
    make_dirs,
    remove,
    remove_tree,
    replace,
    synced,
    write_new,
)
from synthstore.files.folders import dress_folder
from synthstore.files.space import require_room
from synthstore.model.paths import confined
from synthstore.progress import Progress
from synthstore.repository.manifest import FileRow, Tree
from synthstore.repository.place import Place
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.scan.pool import PROCESSES_PAY_FROM, SHARD, executor_for, usable_cores

_PRIVATE = 0o700
_WHOLE_BELOW = 8 << 20

_opened: dict[str, Repository] = {}
"""In a worker process: the repositories that earlier shards opened."""


def lay_out(
    repository: Repository, tree: Tree, target: Path, jobs: int | None, progress: Progress
) -> Mapping[str, str]:
    """Make ``target`` hold exactly ``tree``; the paths that are lost, and why.

    ``target`` must not exist, or be an empty folder. Raises OperationError with it untouched.
    """
    _require_sound(tree)
    aside = target.with_name(f".{target.name}.restoring")
    remove_tree(aside)
    make_dirs(target.parent, _PRIVATE)
    require_room(target.parent, (row.size for row in tree.files), files=len(tree.files))
    with ExitStack() as undo:
        undo.callback(_forget, aside)
        lost = _lay_aside(repository, tree, aside, jobs, progress)
        undo.pop_all()
    replace(aside, target)
    fsync_dir(target.parent)
    return lost


def _forget(aside: Path) -> None:
    # Failing at that changes nothing: the next restore removes it before its first byte.
    with suppress(OperationError):
        remove_tree(aside)


def _lay_aside(
    repository: Repository, tree: Tree, aside: Path, jobs: int | None, progress: Progress
) -> Mapping[str, str]:
    make_dirs(aside, _PRIVATE)
    for folder in sorted({folder.path for folder in tree.folders} - {""}):
        make_dirs(aside / folder, _PRIVATE)
    with synced(aside, [aside / row.path for row in tree.files]):
        lost = _write_all(repository, tree.files, aside, jobs, progress)
        if lost:
            _fill_gaps(aside, lost)
    for gap in lost:
        remove(aside / gap)
    for row in sorted(tree.folders, key=lambda row: row.path, reverse=True):
        dress_folder(aside / row.path, row.mode, row.mtime_ns)
    return lost


def _fill_gaps(aside: Path, lost: Mapping[str, str]) -> None:
    # The sync is of a fixed list of files, and a lost one was never written.
    for path in lost:
        write_new(aside / path, b"", mode=0o600, sync=False)


def _require_sound(tree: Tree) -> None:
    paths = [row.path for row in tree.files] + [row.path for row in tree.folders if row.path]
    strange = next((path for path in paths if confined(path) != path), None)
    if strange is not None:
        raise UsageError(f"the snapshot holds a path that leaves the store: {strange!r}")


def _write_all(
    repository: Repository,
    files: Sequence[FileRow],
    aside: Path,
    jobs: int | None,
    progress: Progress,
) -> dict[str, str]:
    progress.start("restoring", len(files))
    lost: dict[str, str] = {}
    shards = [files[start : start + SHARD] for start in range(0, len(files), SHARD)]
    if len(files) < PROCESSES_PAY_FROM or (jobs or usable_cores()) < 2:  # noqa: PLR2004
        for shard in shards:
            lost |= write_rows(repository, aside, shard)
            progress.advance(len(shard))
        return lost
    with executor_for(len(files), jobs) as executor:
        for found, shard in zip(
            _spread(executor, repository.place, aside, shards), shards, strict=True
        ):
            lost |= found
            progress.advance(len(shard))
    return lost


def _spread(
    executor: Executor, place: Place, aside: Path, shards: Sequence[Sequence[FileRow]]
) -> Iterator[Mapping[str, str]]:
    yield from executor.map(partial(write_shard, place, aside), shards)


def write_shard(place: Place, aside: Path, rows: Sequence[FileRow]) -> Mapping[str, str]:
    """In a worker: write the files of ``rows``; those lost, and why."""
    repository = _opened.get(place.where)
    if repository is None:
        repository = _opened[place.where] = Repository.open(place)
    return write_rows(repository, aside, rows)


def write_rows(repository: Repository, aside: Path, rows: Sequence[FileRow]) -> Mapping[str, str]:
    """Write the files of ``rows`` below ``aside``, not synced; those lost, and why."""
    lost: dict[str, str] = {}
    for row in rows:
        path = aside / row.path
        try:
            digest = write_new(
                path,
                _content(repository, row),
                mode=row.safe_mode,
                mtime_ns=row.mtime_ns,
                sync=False,
            )
        except LostObjectError as error:
            lost[row.path] = error.message
            continue
        if digest != row.sha256:
            remove(path)
            lost[row.path] = "its bytes are not those that were stored"
    return lost


def _content(repository: Repository, row: FileRow) -> bytes | Callable[[BinaryIO], None]:
    if row.size < _WHOLE_BELOW:
        return b"".join(repository.stream(row.object))

    def send(out: BinaryIO) -> None:
        out.writelines(repository.stream(row.object))

    return send


def is_new(target: Path) -> bool:
    """Whether ``target`` is free to become a directory of ours."""
    if not target.exists():
        return True
    try:
        return target.is_dir() and not any(target.iterdir())
    except OSError as error:
        raise OperationError(f"cannot look into {target}: {error.strerror}") from error
