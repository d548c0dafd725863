"""The room that a dry run tells is the room that the command asks for."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from synthstore.testing.stores import Built, build
from tests.program import Program

BLOCKS_FREE = (3, 4)


@pytest.fixture
def hurt(tmp_path: Path) -> Built:
    """A store with a memory, its catalog and its vectors to be made again."""
    built = build("native", tmp_path / "store")
    built.file(built.memories[9]).unlink()
    built.catalog.unlink()
    built.index.unlink()
    return built


@pytest.mark.parametrize(
    ("command", "more"),
    [("repair", ()), ("rebuild-index", ("--allow-shrink",))],
)
def test_both_are_one_sum(
    command: str, more: tuple[str, ...], hurt: Built, cli: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = cli(command, hurt.root, "-n", "--json", *more).document["bytes_needed"]
    real = os.statvfs

    def full(path: Path) -> os.statvfs_result:
        return os.statvfs_result(0 if at in BLOCKS_FREE else v for at, v in enumerate(real(path)))

    monkeypatch.setattr(os, "statvfs", full)
    refused = cli(command, hurt.root, "-y", *more)
    assert refused.code == 4
    (asked,) = re.findall(r"(\d+) bytes needed", refused.err)
    assert told == int(asked)
    assert told % 4096 == 0
