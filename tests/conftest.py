"""What every test may ask for, and where the stores of real Memory Cores are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.program import Program

BESIDE = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_stores() -> Path:
    """The folder of the real stores, read-only; skips where they are not to be had."""
    folder = Path(os.environ.get("SYNTHSTORE_REAL_STORES", BESIDE))
    if not folder.is_dir():
        pytest.skip("the real stores are not beside the project")
    return folder


@pytest.fixture
def real_copy(real_stores: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies of the real stores that may be written to, by name."""

    def copy(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(real_stores / name, target)
        for path in (target, *target.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
        return target

    return copy


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Program:
    """The program in this process, with a home and a working folder of its own."""
    for name in os.environ:
        if name.startswith("SYNTHSTORE_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return Program(home, monkeypatch, capsys)
