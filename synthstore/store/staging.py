"""The first half of a run: all new bytes and all old ones in place, before the store is touched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthstore.errors import OperationError, PermissionDeniedError
from synthstore.files.durable import copier, fsync_dir, hash_file, write_new
from synthstore.files.flushing import Flush
from synthstore.files.inside import Found, Tree, split
from synthstore.files.putting import Attire, reads_back_wrong, write_proved
from synthstore.files.space import require_room, room_for
from synthstore.files.walk import IrregularFileError, is_folder, stat_of
from synthstore.layout.base import OWN_FOLDER
from synthstore.progress import Progress
from synthstore.shell import AGAIN, cited, owner_name
from synthstore.store.admission import PRIVATE_FILE, Custody
from synthstore.store.items import Copy, Item
from synthstore.store.journal import RunFolder
from synthstore.store.plan import NO_SLOT, Change, FilesChanged, Staged

_RECORD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Wish:
    """A change, with what stands at its path now."""

    slot: int
    change: Change
    found: Found


@dataclass(frozen=True, slots=True)
class Stage:
    """Where and how one run is staged."""

    tree: Tree
    folder: RunFolder
    custody: Custody
    progress: Progress
    flush: Flush


def survey(tree: Tree, changes: Sequence[Change], first: int = 0) -> list[Wish]:
    """Look at every path before anything is written, slots from ``first``; raises FilesChanged."""
    folders = {split(change.path)[0] for change in changes}
    # A folder that is not there need not be asked for each of its files.
    standing = {folder for folder in folders if tree.has_folder(folder)}
    blocked = {folder for folder in folders if _obstacle(tree, folder)}
    wishes = [
        Wish(_slot(change, n), change, _found(tree, change.path, standing))
        for n, change in enumerate(changes, first)
    ]
    moved = [wish.change.path for wish in wishes if _moved(wish, blocked)]
    if moved:
        raise FilesChanged(moved)
    return wishes


def _slot(change: Change, free: int) -> int:
    return change.content.slot if isinstance(change.content, Staged) else free


def _found(tree: Tree, path: str, standing: Container[str]) -> Found:
    return tree.find(path, hashed=False) if split(path)[0] in standing else Found()


def _moved(wish: Wish, blocked: Container[str]) -> bool:
    if wish.found.irregular or (wish.change.old is None) != (wish.found.stat is None):
        return True
    return split(wish.change.path)[0] in blocked


def _obstacle(tree: Tree, folder: str) -> bool:
    """Whether something that is no real folder stands on the way to ``folder``."""
    if not folder or tree.has_folder(folder):
        return False
    return tree.find(folder, hashed=False).stat is not None or _obstacle(tree, split(folder)[0])


def missing_folders(tree: Tree, wishes: Sequence[Wish]) -> set[str]:
    """Folders that must be made for the new files."""
    wanted = {split(wish.change.path)[0] for wish in wishes if wish.change.content is not None}
    found: set[str] = set()
    for folder in wanted:
        parts = folder.split("/")
        steps = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        found.update(step for step in steps if step and not tree.has_folder(step))
    return found


def check_room(root: Path, wishes: Sequence[Wish]) -> None:
    """Raise DiskFullError unless the staged files and the copied pre-images fit."""
    own = root / OWN_FOLDER
    sizes = _sizes(own, wishes)
    require_room(own, sizes, files=len(sizes) + 8)


def room_needed(root: Path, changes: Sequence[Change]) -> int:
    """Bytes that ``check_room`` is going to ask for; 0 where nothing is to be changed."""
    own = root / OWN_FOLDER if is_folder(root, OWN_FOLDER) else root
    with Tree(root) as tree:
        wishes = [
            Wish(NO_SLOT, change, tree.find(change.path, hashed=False))
            for change in changes
            if not change.idle
        ]
    return room_for(own, _sizes(own, wishes)) if wishes else 0


def _sizes(own: Path, wishes: Sequence[Wish]) -> list[int]:
    return [*_each_size(own, wishes), _RECORD_BYTES * len(wishes)]


def _each_size(own: Path, wishes: Sequence[Wish]) -> Iterator[int]:
    device = own.stat().st_dev
    for wish in wishes:
        before = wish.found.stat.size if wish.found.stat else 0
        if not isinstance(wish.change.content, Staged | None):
            yield wish.change.size_after(before)
        if wish.found.stat and (wish.found.stat.nlink > 1 or wish.found.device != device):
            yield before
        if wish.change.quarantine:
            yield before


def require_access(tree: Tree, wishes: Sequence[Wish]) -> None:
    """Raise PermissionDeniedError where a later step would be refused.

    That is a folder closed to us, and a file whose owner or group we could not give back.
    """
    for folder in sorted({split(wish.change.path)[0] for wish in wishes}):
        if tree.has_folder(folder):
            tree.require_writable(folder)
    if os.geteuid() == 0:
        return
    groups = {os.getegid(), *os.getgroups()}
    for wish in wishes:
        stat = wish.found.stat
        if stat is not None and (stat.uid != os.geteuid() or stat.gid not in groups):
            path = tree.root / wish.change.path
            raise PermissionDeniedError(
                f"{path} belongs to {owner_name(stat.uid)}, and must keep its owner and group",
                hint=f"run it as root, who can give both back: {cited(f'sudo {AGAIN}')}",
            )


def stage(at: Stage, wishes: Sequence[Wish]) -> tuple[Item, ...]:
    """Write and read back the new files, keep the old ones; the items to commit, unsorted.

    The new ones are durable once ``at.flush`` has finished. Raises FilesChanged where a pre-image
    is not what the plan was made for.
    """
    news = {w.slot: _write_one(at, w) for w in wishes if w.change.content is not None}
    at.flush.written(sum(copy.size for copy in news.values()))
    olds = _keep_old(at, [wish for wish in wishes if wish.change.old is not None])
    _quarantine(at, [wish for wish in wishes if wish.change.quarantine and wish.slot in olds])
    items = (
        Item(w.slot, w.change.path, w.change.order, olds.get(w.slot), news.get(w.slot))
        for w in wishes
    )
    return tuple(_changing(at.folder, items))


def _changing(folder: RunFolder, items: Iterable[Item]) -> Iterator[Item]:
    """The items that change bytes; of the others nothing is kept."""
    for item in items:
        if item.old is None or item.new is None or item.old.sha256 != item.new.sha256:
            yield item
        else:
            folder.forget(item.slot)


def _write_one(at: Stage, wish: Wish) -> Copy:
    """The new file of ``wish``, proved to be in place."""
    at.progress.advance(1)
    content = wish.change.content
    if isinstance(content, Staged):
        return content.copy
    path = f"{at.folder.new}/{wish.slot}"
    attire = _attire(at, wish)
    if isinstance(content, bytes):
        digest = hashlib.sha256(content).hexdigest()
        if wish.change.sha256 not in (None, digest):
            raise reads_back_wrong(path)
        return Copy.of(digest, write_proved(path, content, attire, wish.change.mtime_ns))
    digest = write_new(
        path,
        content or b"",
        mode=attire.mode,
        uid=attire.uid,
        gid=attire.gid,
        mtime_ns=wish.change.mtime_ns,
        sync=False,
    )
    if hash_file(path) != digest or wish.change.sha256 not in (None, digest):
        raise reads_back_wrong(path)
    return Copy.of(digest, stat_of(os.lstat(path)))


def _attire(at: Stage, wish: Wish) -> Attire:
    """As the change has it, else as the file that it replaces, else as the store's folder."""
    change, before = wish.change, wish.found.stat
    mode, uid, gid = (
        (before.mode, before.uid, before.gid)
        if before is not None
        else (at.custody.file_mode, at.custody.uid, at.custody.gid)
    )
    return Attire(
        mode if change.mode is None else change.mode,
        uid if change.uid is None else change.uid,
        gid if change.gid is None else change.gid,
    )


def _keep_old(at: Stage, wishes: Sequence[Wish]) -> dict[int, Copy]:
    moved = [wish.change.path for wish in wishes if not _kept(at, wish)]
    if moved:
        raise FilesChanged(moved)
    if wishes:
        fsync_dir(at.folder.old)
    return {
        wish.slot: Copy.of(wish.change.old, wish.found.stat)
        for wish in wishes
        if wish.change.old is not None and wish.found.stat is not None
    }


def _kept(at: Stage, wish: Wish) -> bool:
    """Whether the pre-image is in place, and is what the plan was made for."""
    if wish.change.content is None:
        at.progress.advance(1)
    target = at.folder.old / str(wish.slot)
    try:
        at.tree.keep(wish.change.path, target)
        return hash_file(target) == wish.change.old
    except IrregularFileError:
        return False
    except OperationError:
        if at.tree.find(wish.change.path, hashed=False).stat is None:
            return False
        raise


def _quarantine(at: Stage, wishes: Sequence[Wish]) -> None:
    """Copy what the run displaces to where only ``undo --prune`` removes it."""
    folders = set()
    for wish in wishes:
        target = at.folder.quarantine / wish.change.path
        at.custody.make_private(target.parent)
        source = at.folder.old / str(wish.slot)
        uid, gid = at.custody.uid, at.custody.gid
        write_new(target, copier(source), mode=PRIVATE_FILE, uid=uid, gid=gid)
        folders.add(target.parent)
    for folder in folders:
        fsync_dir(folder)
