"""Small things to watch and to break: what the harness's own tests let the workers run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.faults.actions import Action, Fault
from tests.faults.supervisor import Outcome, observe


def saves_in_threads(folder: Path) -> None:
    """Two threads and a child process write; something outside is written too."""

    async def both() -> None:
        await asyncio.gather(*(asyncio.to_thread(_save, folder / name) for name in ("a", "b")))

    asyncio.run(both())
    outside = folder.parent / "outside"
    code = f"open({str(folder / 'c')!r}, 'w').write('x'); open({str(outside)!r}, 'w')"
    subprocess.run([sys.executable, "-c", code], check=True)


def only_reads(folder: Path) -> None:
    """Look at everything, the way a read-only command may."""
    for path in folder.rglob("*"):
        path.stat()
        if path.is_file():
            path.read_bytes()


def touches_everything(folder: Path) -> None:
    """Each kind of change once, through folder descriptors where that can be."""
    fd = os.open(folder, os.O_RDONLY)
    os.mkdir("sub", dir_fd=fd)
    number = os.open("file", os.O_RDWR | os.O_CREAT, dir_fd=fd)
    os.write(number, b"12")
    os.ftruncate(number, 1)
    os.fchmod(number, 0o600)
    os.utime(number)
    os.link("file", "sub/other", src_dir_fd=fd, dst_dir_fd=fd)
    (folder / "link").symlink_to("file")
    os.rename("sub/other", "sub/renamed", src_dir_fd=fd, dst_dir_fd=fd)
    os.fsync(fd)
    os.unlink("sub/renamed", dir_fd=fd)
    os.rmdir("sub", dir_fd=fd)


def watched_program(folder: Path) -> Outcome:
    """Watch a program instead of a function; it exits with 7."""
    code = f"import sys; open({str(folder / 'p')!r}, 'w').write('x'); sys.exit(7)"
    return observe([sys.executable, "-c", code], folder)


def faulted_write(action: Action, folder: Path) -> Outcome:
    """Write ten bytes and unlink another file; the fault comes at the write."""
    (folder / "there").write_bytes(b"")

    def act() -> int:
        number = os.open(folder / "file", os.O_WRONLY | os.O_CREAT)
        try:
            return os.write(number, b"0123456789")
        finally:
            (folder / "there").unlink()

    return observe(act, folder, Fault(action, 2))


def _save(path: Path) -> None:
    aside = path.with_suffix(".tmp")
    aside.write_bytes(b"x")
    aside.replace(path)
