"""A file that is being written while it is looked at is no damage."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from synthstore import verify as verify_module
from synthstore.scan.inventory import Inventory
from synthstore.scan.scanner import scan
from synthstore.testing.stores import build


@pytest.mark.parametrize("written", [b"", b"half"])
def test_a_file_that_is_being_written_in_place_is_looked_at_again(
    written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build("native", tmp_path / "store")
    path, whole = built.file(built.memories[0]), built.raw(built.memories[0])
    path.write_bytes(whole[: len(whole) // 2] if written else b"")
    looks = []

    async def scan_and_write(*args: Any, **kwargs: Any) -> Inventory:
        inventory = await scan(*args, **kwargs)
        looks.append(inventory)
        path.write_bytes(whole)
        return inventory

    monkeypatch.setattr(verify_module, "scan", scan_and_write)
    monkeypatch.setattr(verify_module, "PAUSE_SECONDS", 0.0)
    report = asyncio.run(verify_module.verify(built.root, verify_module.LookOptions(jobs=1)))
    assert len(looks) == 2
    assert not {"M003", "M009"} & {finding.code for finding in report.findings}
