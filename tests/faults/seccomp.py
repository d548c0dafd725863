"""Ask the kernel to announce mutating system calls: a BPF filter with a listener."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
from dataclasses import dataclass
from typing import Final

WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
PROT_WRITE: Final = 2
MAP_SHARED: Final = 1
AT: Final = -100
"""In ``Syscall.paths``: relative to the working directory, where a folder's argument would be."""


@dataclass(frozen=True, slots=True)
class Syscall:
    """One system call that can change a file system, and where it names what it changes."""

    name: str
    number: int
    fd: int | None = None
    """Argument that is the descriptor of what changes."""
    paths: tuple[tuple[int, int], ...] = ()
    """Pairs of arguments: folder descriptor (or ``AT``) and path."""
    guards: tuple[tuple[int, int], ...] = ()
    """Pairs of argument and bits: the call mutates only with one of the bits of each pair set."""
    size: int | None = None
    """Argument that is the number of bytes to write; None for calls that write no data."""
    room: bool = False
    """Whether a full disk would make it fail; opening does only with O_CREAT."""


_OPEN = ((1, WRITE_FLAGS),)
_CALLS: Final = (
    Syscall("write", 1, fd=0, size=2, room=True),
    Syscall("open", 2, paths=((AT, 0),), guards=_OPEN, room=True),
    Syscall("mmap", 9, fd=4, guards=((2, PROT_WRITE), (3, MAP_SHARED))),
    Syscall("pwrite64", 18, fd=0, size=2, room=True),
    Syscall("writev", 20, fd=0, room=True),
    Syscall("sendfile", 40, fd=0, size=3, room=True),
    Syscall("fsync", 74, fd=0, room=True),
    Syscall("fdatasync", 75, fd=0, room=True),
    Syscall("truncate", 76, paths=((AT, 0),)),
    Syscall("ftruncate", 77, fd=0),
    Syscall("rename", 82, paths=((AT, 0), (AT, 1))),
    Syscall("mkdir", 83, paths=((AT, 0),), room=True),
    Syscall("rmdir", 84, paths=((AT, 0),)),
    Syscall("creat", 85, paths=((AT, 0),), room=True),
    Syscall("link", 86, paths=((AT, 1),), room=True),
    Syscall("unlink", 87, paths=((AT, 0),)),
    Syscall("symlink", 88, paths=((AT, 1),), room=True),
    Syscall("chmod", 90, paths=((AT, 0),)),
    Syscall("fchmod", 91, fd=0),
    Syscall("chown", 92, paths=((AT, 0),)),
    Syscall("fchown", 93, fd=0),
    Syscall("lchown", 94, paths=((AT, 0),)),
    Syscall("utime", 132, paths=((AT, 0),)),
    Syscall("mknod", 133, paths=((AT, 0),), room=True),
    Syscall("setxattr", 188, paths=((AT, 0),)),
    Syscall("lsetxattr", 189, paths=((AT, 0),)),
    Syscall("fsetxattr", 190, fd=0),
    Syscall("removexattr", 197, paths=((AT, 0),)),
    Syscall("lremovexattr", 198, paths=((AT, 0),)),
    Syscall("fremovexattr", 199, fd=0),
    Syscall("utimes", 235, paths=((AT, 0),)),
    Syscall("openat", 257, paths=((0, 1),), guards=((2, WRITE_FLAGS),), room=True),
    Syscall("mkdirat", 258, paths=((0, 1),), room=True),
    Syscall("mknodat", 259, paths=((0, 1),), room=True),
    Syscall("fchownat", 260, paths=((0, 1),)),
    Syscall("futimesat", 261, paths=((0, 1),)),
    Syscall("unlinkat", 263, paths=((0, 1),)),
    Syscall("renameat", 264, paths=((0, 1), (2, 3))),
    Syscall("linkat", 265, paths=((2, 3),), room=True),
    Syscall("symlinkat", 266, paths=((1, 2),), room=True),
    Syscall("fchmodat", 268, paths=((0, 1),)),
    Syscall("splice", 275, fd=2, room=True),
    Syscall("sync_file_range", 277, fd=0),
    Syscall("utimensat", 280, paths=((0, 1),)),
    Syscall("fallocate", 285, fd=0, room=True),
    Syscall("pwritev", 296, fd=0, room=True),
    Syscall("syncfs", 306, fd=0, room=True),
    Syscall("renameat2", 316, paths=((0, 1), (2, 3))),
    Syscall("copy_file_range", 326, fd=2, size=4, room=True),
    Syscall("pwritev2", 328, fd=0, room=True),
    Syscall("openat2", 437, paths=((0, 1),), room=True),
    Syscall("fchmodat2", 452, paths=((0, 1),)),
)
BY_NUMBER: Final = {call.number: call for call in _CALLS}
SYNCS: Final = frozenset({"fsync", "fdatasync", "syncfs"})

_IO_URING_SETUP = 425
_PIDFD_GETFD = 438
_SECCOMP = 317
_SET_NO_NEW_PRIVS = 38
_SET_CHILD_SUBREAPER = 36
_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_ARCH_X86_64 = 0xC000003E
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NOTIFY, _REFUSE = 0x7FFF0000, 0x7FC00000, 0x00050000
_NOTICE = struct.Struct("QIIiIQ6Q")
_REPLY = struct.Struct("QqiI")
_PROCEED = 1

_Step = tuple[int, int, int, int]
"""One BPF instruction: code, jump if true, jump if false, constant."""
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Notice:
    """A thread stands still at a system call and waits for a reply."""

    key: int
    tid: int
    syscall: Syscall
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What becomes of the call: it proceeds, or it returns ``value`` or fails with ``error``."""

    proceed: bool = True
    value: int = 0
    error: int = 0
    kill: bool = False
    """Kill the command's processes instead of answering."""


def unsupported() -> str | None:
    """Say why no filter can be set up here, or None if one can."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return f"needs Linux on x86-64, this is {platform.system()} on {platform.machine()}"
    pid = os.fork()
    if pid == 0:
        try:
            install()
        except OSError as error:
            os._exit(error.errno or errno.EINVAL)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if code == 0 else f"no seccomp listener: {os.strerror(abs(code))}"


def install() -> int:
    """Filter this process and all that it starts, for good; gives the listener's descriptor."""
    code = b"".join(struct.pack("HBBI", *step) for step in _program())
    steps = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(steps))
    program = ctypes.create_string_buffer(head, len(head))
    _checked(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    return _checked(_libc.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, program))


def receive(listener: int) -> Notice | None:
    """Take the next waiting call; None if its thread is gone by now."""
    buffer = bytearray(_NOTICE.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    key, tid, _, number, _, _, *args = _NOTICE.unpack(buffer)
    return Notice(key, tid, BY_NUMBER[number], tuple(args))


def answer(listener: int, notice: Notice, reply: Reply) -> None:
    """Let the waiting call go on as ``reply`` says; a thread that is gone is no error."""
    flags = _PROCEED if reply.proceed else 0
    packed = _REPLY.pack(notice.key, reply.value, -reply.error, flags)
    try:
        fcntl.ioctl(listener, _SEND, packed)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def borrow_fd(pid: int, number: int) -> int:
    """Duplicate descriptor ``number`` of process ``pid``: same file, same offset."""
    handle = os.pidfd_open(pid)
    try:
        return _checked(_libc.syscall(_PIDFD_GETFD, handle, number, 0))
    finally:
        os.close(handle)


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent dies, so that they can be waited for."""
    _checked(_libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def _program() -> list[_Step]:
    steps: list[_Step] = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, _ARCH_X86_64),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, 0),
        # What io_uring does passes no filter; programs fall back when it is not there.
        (_EQUAL, 0, 1, _IO_URING_SETUP),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    ]
    for call in _CALLS:
        steps += _notify(call)
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _notify(call: Syscall) -> list[_Step]:
    body: list[_Step] = []
    for argument, bits in call.guards:
        body += [
            (_LOAD, 0, 0, 16 + 8 * argument),
            (_ANY_BIT, 1, 0, bits),
            (_RETURN, 0, 0, _ALLOW),
        ]
    body.append((_RETURN, 0, 0, _NOTIFY))
    return [(_EQUAL, 0, len(body), call.number), *body]


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
