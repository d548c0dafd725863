"""The names of the library, its example, and what its import costs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

import synthstore
from tests.examples import library
from tests.persistence_stores import ROOT


def test_every_public_name_is_there() -> None:
    for name in synthstore.__all__:
        assert getattr(synthstore, name) is not None
        assert name in dir(synthstore)
    with pytest.raises(AttributeError):
        _ = synthstore.Nonsense


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"numpy", "faiss", "aiofiles", "orjson", "typer", "rich"}
    program = "import sys, synthstore; from synthstore import StoreConfig; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert heavy.isdisjoint(done.stdout.split())


def test_using_a_flat_index_never_imports_faiss(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from synthstore import MemoryEntry, MemoryPersistence\n"
        "async def main():\n"
        "    async with MemoryPersistence(sys.argv[1]) as p:\n"
        "        await p.save_memory(MemoryEntry('x', [1.0, 0.0]))\n"
        "        assert await p.search([1.0, 0.0])\n"
        "asyncio.run(main())\n"
        "assert 'faiss' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=True)


def test_the_readme_shows_the_example_that_runs_here() -> None:
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## The library") :]
    shown = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[0]
    source = Path(str(library.__file__)).read_text().replace("  # noqa: T201", "")
    assert shown.strip() == source.partition("\n")[2].strip()


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(library.main(tmp_path / "store"))
    told = capsys.readouterr().out
    assert "The harbour was calm at noon" in told
    assert "clean: True" in told
