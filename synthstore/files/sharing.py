"""Files in memory that have no name, and how another process finds one."""

from __future__ import annotations

import os
from typing import NamedTuple


class Address(NamedTuple):
    """Where processes of the same user on the same machine find such a file, and know it."""

    path: str
    device: int
    inode: int


def new_memory(name: str) -> int | None:
    """The descriptor of a new file in memory; None where the system has none. ``name`` is shown."""
    try:
        return os.memfd_create(name, os.MFD_CLOEXEC)
    except OSError:
        return None


def address_of(fd: int) -> Address:
    """Where others find the file that is open here as ``fd``, as long as it is."""
    status = os.fstat(fd)
    return Address(f"/proc/{os.getpid()}/fd/{fd}", status.st_dev, status.st_ino)


def reach(address: Address) -> int | None:
    """The file at ``address`` opened anew, so that it is written from its start; None if it cannot.

    As on another machine, or where the process that had it is gone.
    """
    try:
        fd = os.open(address.path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    # The number of a process that is gone may be another one's by now, and the file any file.
    status = os.fstat(fd)
    if (status.st_dev, status.st_ino) == (address.device, address.inode):
        return fd
    os.close(fd)
    return None
