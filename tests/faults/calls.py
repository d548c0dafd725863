"""What a stopped system call is about to change, read from the stopped thread."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.seccomp import AT, WRITE_FLAGS, Notice, borrow_fd

_FLAGS_ARGUMENT = {"open": 1, "openat": 2}
_PATH_MAX = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """One mutating call below the root."""

    name: str
    path: str
    """Relative to the root."""
    size: int | None = None
    """Bytes that it asks to write; None if it writes no data (or in a way that is not torn)."""
    room: bool = False
    """Whether a full disk would make it fail."""


def locate(notice: Notice, root: str) -> Call | None:
    """Tell what the call would change below ``root``, a real path; None if nothing there."""
    try:
        if _only_reads(notice):
            return None
        for path in _targets(notice):
            if path == root or path.startswith(root.rstrip("/") + "/"):
                return _call(notice, os.path.relpath(path, root))
    except OSError:
        # The call names something that is not there; it will fail by itself.
        return None
    return None


def write_half(notice: Notice, size: int) -> int:
    """Do the first half of a data write on behalf of the stopped thread; gives the bytes done."""
    pid = _process_of(notice.tid)
    args = notice.args
    target = borrow_fd(pid, _int(args[notice.syscall.fd or 0]))
    try:
        if notice.syscall.name == "write":
            return os.write(target, _memory(notice.tid, args[1], size // 2))
        if notice.syscall.name == "pwrite64":
            return os.pwrite(target, _memory(notice.tid, args[1], size // 2), args[3])
        return _copy_half(notice, pid, target, size)
    finally:
        os.close(target)


def _copy_half(notice: Notice, pid: int, target: int, size: int) -> int:
    """Tear a copy inside the kernel: descriptors share their offsets, so both move on."""
    source = borrow_fd(pid, _int(notice.args[1 if notice.syscall.name == "sendfile" else 0]))
    try:
        rest = os.fstat(source).st_size - os.lseek(source, 0, os.SEEK_CUR)
        half = min(size, rest) // 2
        return os.write(target, os.read(source, half)) if half else 0
    finally:
        os.close(source)


def _call(notice: Notice, path: str) -> Call:
    syscall = notice.syscall
    size = None if syscall.size is None else notice.args[syscall.size]
    opens = syscall.name in _FLAGS_ARGUMENT or syscall.name == "openat2"
    room = syscall.room and (not opens or bool(_flags(notice) & os.O_CREAT))
    return Call(syscall.name, path, size, room)


def _only_reads(notice: Notice) -> bool:
    # The filter cannot look into openat2's structure, so its readers are announced as well.
    return notice.syscall.name == "openat2" and not _flags(notice) & WRITE_FLAGS


def _flags(notice: Notice) -> int:
    if notice.syscall.name == "openat2":
        return int.from_bytes(_memory(notice.tid, notice.args[2], 8), "little")
    return notice.args[_FLAGS_ARGUMENT[notice.syscall.name]]


def _targets(notice: Notice) -> Iterator[str]:
    if notice.syscall.fd is not None:
        yield _open_path(notice.tid, _int(notice.args[notice.syscall.fd]))
    for folder, name in notice.syscall.paths:
        number = AT if folder == AT else _int(notice.args[folder])
        base = f"/proc/{notice.tid}/cwd" if number == AT else f"/proc/{notice.tid}/fd/{number}"
        address = notice.args[name]
        # futimens is utimensat without a path.
        yield _resolved(base, _text(notice.tid, address)) if address else _link(base)


def _resolved(base: str, text: str) -> str:
    """Resolve all but the last component: the call acts on a link itself, not on its target."""
    path = Path(_link(base)) / text
    return os.path.normpath(path.parent.resolve() / path.name)


def _open_path(tid: int, number: int) -> str:
    return _link(f"/proc/{tid}/fd/{number}").removesuffix(" (deleted)")


def _link(path: str) -> str:
    return str(Path(path).readlink())


def _text(tid: int, address: int) -> str:
    return os.fsdecode(_memory(tid, address, _PATH_MAX).split(b"\0", 1)[0])


def _memory(tid: int, address: int, size: int) -> bytes:
    with Path(f"/proc/{tid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size) or b""


def _process_of(tid: int) -> int:
    for line in Path(f"/proc/{tid}/status").read_text().splitlines():
        if line.startswith("Tgid:"):
            return int(line.split()[1])
    raise ProcessLookupError(tid)


def _int(argument: int) -> int:
    """A register's low half as the C int that the kernel takes it for."""
    return ctypes.c_int(argument & 0xFFFFFFFF).value
