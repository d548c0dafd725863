"""A real file system in a file, whose power can be cut: what no fsync had secured is gone.

The cut is the kernel's own: FS_IOC_SHUTDOWN without flushing the log, which ext4 and XFS know. The
process that uses a disk must have called ``seclude``, so that whatever becomes of it, the kernel
clears its mounts and loop devices away.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = struct.pack("I", 2)
_NEW_MOUNT_NAMESPACE = 0x00020000
_TRIES, _PAUSE = 100, 0.01


class FileSystem(StrEnum):
    """A kind of file system, as ``mount`` names it."""

    EXT4 = "ext4"
    XFS = "xfs"


_MAKE = {
    FileSystem.EXT4: ("mkfs.ext4", "-q", "-F"),
    FileSystem.XFS: ("mkfs.xfs", "-q", "-f"),
}
# ext4 otherwise writes data before a rename by itself, which hides a missing fsync, and commits its
# journal every five seconds, which makes a cut a matter of luck.
_OPTIONS = {FileSystem.EXT4: "loop,noauto_da_alloc,commit=300", FileSystem.XFS: "loop"}
_MEGABYTES = {FileSystem.EXT4: 32, FileSystem.XFS: 320}


@cache
def seclude() -> None:
    """Give this process mounts of its own, which end with it; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNT_NAMESPACE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    _run("mount", "--make-rprivate", "/")


@cache
def unsupported(kind: FileSystem) -> str | None:
    """Say why no power can be cut here, or None if it can; tries it."""
    if os.geteuid() != 0:
        return "only root can mount a file system"
    if shutil.which(_MAKE[kind][0]) is None:
        return f"there is no {_MAKE[kind][0]}"
    try:
        seclude()
        with TemporaryDirectory(prefix="synthstore-disk-") as folder:
            disk = Disk(kind, Path(folder))
            disk.fill(_empty(Path(folder) / "content"))
            disk.fresh()
            disk.cut()
            disk.unmount()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no {kind} on a loop device: {error}"
    return None


class Disk:
    """A disk that begins every run with the same content."""

    def __init__(self, kind: FileSystem, folder: Path) -> None:
        self._kind = kind
        self._base, self._image = folder / "base.img", folder / "run.img"
        self._mount = folder / "mount"
        self._mount.mkdir()
        with self._base.open("wb") as image:
            image.truncate(_MEGABYTES[kind] << 20)
        _run(*_MAKE[kind], str(self._base))

    @property
    def arena(self) -> Path:
        """Where the content stands while the disk is mounted."""
        return self._mount / "arena"

    def fill(self, content: Path) -> None:
        """Put a copy of ``content`` on the disk, for every run to begin with."""
        self._attach(self._base)
        shutil.copytree(content, self.arena, symlinks=True)
        self.unmount()

    def fresh(self) -> None:
        """Mount a disk as it was filled."""
        if self._mount.is_mount():
            self.unmount()
        _run("cp", "--sparse=always", str(self._base), str(self._image))
        self._attach(self._image)

    def cut(self, *, committed: bool = False) -> None:
        """Cut the power; ``committed``: just after the file system saved its names, but no data."""
        if committed:
            self._commit()
        fd = os.open(self._mount, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(fd)

    def _commit(self) -> None:
        fd = os.open(self._mount / "commit", os.O_CREAT | os.O_WRONLY)
        try:
            os.write(fd, b"x")
            os.fsync(fd)
        finally:
            os.close(fd)

    def revive(self) -> None:
        """Switch the disk on again."""
        self.unmount()
        self._attach(self._image)

    def unmount(self) -> None:
        """Take the disk away, once the last process of the command has let it go."""
        for left in reversed(range(_TRIES)):
            try:
                _run("umount", str(self._mount))
            except subprocess.CalledProcessError:
                if not left:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def close(self) -> None:
        """Leave no mount behind."""
        if self._mount.is_mount():
            self.unmount()

    def _attach(self, image: Path) -> None:
        command: Sequence[str] = ("mount", "-t", self._kind, "-o", _OPTIONS[self._kind])
        _run(*command, str(image), str(self._mount))


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
