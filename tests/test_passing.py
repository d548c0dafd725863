"""Bytes passed from one process to another in memory."""

from __future__ import annotations

import errno
import io
import mmap
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from synthstore.errors import DiskFullError, OperationError
from synthstore.files import durable, passing
from synthstore.files.durable import replacing
from synthstore.files.passing import Passed, Tray, Trays, fill, lay_out
from synthstore.files.sharing import Address

PARTS = [b"one", b"", b"two\n" * 100_000, b"three"]
WHOLE = b"".join(PARTS)


@pytest.fixture
def tray() -> Iterator[Tray]:
    made = lay_out()
    assert made is not None
    yield made
    made.close()


def sent(passed: Passed, start: int = 0) -> bytes:
    out = io.BytesIO()
    passed.send(out, start)
    return out.getvalue()


def test_another_process_fills_a_tray(tray: Tray, tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        filled = pool.submit(fill, tray.address, PARTS).result()
    assert (filled.size, filled.held) == (len(WHOLE), None)
    passed = Passed(filled, tray)
    assert sent(passed) == passed.read() == WHOLE
    assert sent(passed, 5) == WHOLE[5:]
    with replacing(tmp_path / "file", 0o600) as out:
        out.write(b"before ")
        passed.send(out, 3)
        out.write(b" behind")
    assert (tmp_path / "file").read_bytes() == b"before " + WHOLE[3:] + b" behind"


def test_a_tray_goes_round(tray: Tray) -> None:
    for parts in (PARTS, [b"short"], [], PARTS):
        assert Passed(fill(tray.address, parts), tray).read() == b"".join(parts)
        tray.clear()


def test_a_tray_gives_back_what_few_need(tray: Tray, monkeypatch: pytest.MonkeyPatch) -> None:
    def room() -> int:
        return Path(tray.address.path).stat().st_size

    fill(tray.address, PARTS)
    tray.clear()
    assert room() == len(WHOLE)
    monkeypatch.setattr(passing, "_KEPT", 1000)
    tray.clear()
    assert room() == 0


@pytest.mark.parametrize("parts", [PARTS, []], ids=["some", "none"])
def test_what_reaches_no_tray_is_held(parts: list[bytes], tmp_path: Path) -> None:
    gone = Address(str(tmp_path / "gone"), 1, 1)
    for address in (None, gone):
        passed = Passed(fill(address, iter(parts)))
        assert passed.filled.held == sent(passed) == passed.read() == b"".join(parts)
        assert sent(passed, 2) == b"".join(parts)[2:]


def test_a_file_that_is_no_tray_is_left_alone(tray: Tray, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    filled = fill(tray.address._replace(path=str(other)), PARTS)
    assert filled.held == WHOLE
    assert other.read_bytes() == b"precious"


def test_a_system_without_such_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> int:
        raise OSError(errno.ENOSYS, "no such call")

    monkeypatch.setattr(os, "memfd_create", none)
    assert lay_out() is None


def test_a_tray_grows_with_what_it_is_for(tray: Tray) -> None:
    for size in (1, 4096, 4097, 3 << 20, 100):
        parts = [os.urandom(size)]
        assert Passed(fill(tray.address, parts), tray).read() == b"".join(parts)


def test_a_tray_that_cannot_be_looked_into_has_a_name(
    tray: Tray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOMEM, "no memory")

    passed = Passed(fill(tray.address, PARTS), tray)
    monkeypatch.setattr(mmap, "mmap", none)
    with pytest.raises(OperationError, match="memory for worker processes"):
        passed.read()


def test_calls_that_do_a_part_only(
    tray: Tray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather, write = os.writev, os.write
    monkeypatch.setattr(os, "writev", lambda fd, parts: gather(fd, [b"".join(parts)[:2]]))
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:70_000]))
    passed = Passed(fill(tray.address, PARTS), tray)
    with replacing(tmp_path / "file", 0o600) as out:
        passed.send(out)
    assert (tmp_path / "file").read_bytes() == WHOLE


def test_the_disk_begins_before_all_is_written(
    tray: Tray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(durable, "_AT_ONCE", 300_000)
    monkeypatch.setattr(os, "posix_fadvise", lambda _fd, start, *_: begun.append(start))
    passed = Passed(fill(tray.address, PARTS), tray)
    with replacing(tmp_path / "file", 0o600) as out:
        for _ in range(3):
            passed.send(out)
    assert begun == [0, len(WHOLE), 2 * len(WHOLE)]
    assert (tmp_path / "file").read_bytes() == WHOLE * 3


def test_a_full_disk_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    def send() -> None:
        with Trays() as trays, replacing(tmp_path / "file", 0o600) as out:
            filled = fill(trays.hand_out(), PARTS)
            monkeypatch.setattr(os, "write", full)
            with trays.returned() as tray:
                Passed(filled, tray).send(out)

    with pytest.raises(DiskFullError, match=r"cannot write .*/file: "):
        send()
    assert list(tmp_path.iterdir()) == []
