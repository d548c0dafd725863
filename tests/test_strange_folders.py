"""A folder that the program is called in gives it no modules, whatever lies there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synthstore.testing.stores import build
from tests.persistence_stores import ROOT

TRAP = "import pathlib, os; pathlib.Path('trapped').write_text(__name__)\nraise SystemExit(1)\n"
NAMES = ("numpy", "orjson", "synthstore", "simdjson", "selectors", "tempfile", "ijson")

WORKERS = """
import sys
from synthstore.scan.workers import _expect, processes
from synthstore.store.entity import Hashed

if __name__ == "__main__":
    _expect(2, ())
    with processes(2) as executor:
        print(executor.submit(Hashed, "memory", "p", None, "s").result().path)
"""

LIBRARY = """
import sys
from pathlib import Path
from synthstore.persistence import apart

apart.HEAVY_BYTES = 0
print(apart.settle(Path(sys.argv[1]), auto_repair=False, backups=(1, 0)) is not None)
"""


@pytest.mark.parametrize(("program", "said"), [(WORKERS, "p"), (LIBRARY, "True")])
def test_no_process_imports_what_lies_in_the_current_folder(
    program: str, said: str, tmp_path: Path
) -> None:
    store = build("native", tmp_path / "store").root
    folder = tmp_path / "here"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(TRAP)
    # As the installed program is called: its own folder is looked into, the current one is not.
    (tmp_path / "program.py").write_text(program)
    plain = {name: text for name, text in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py"), str(store)],
        cwd=folder,
        env={**plain, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.strip(), done.returncode) == (said, 0), done.stderr
    assert sorted(path.stem for path in folder.iterdir() if path.suffix == ".py") == sorted(NAMES)
    assert not (folder / "trapped").exists()
