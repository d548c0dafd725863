"""Looking leaves no trace: no byte, no time, no file, and needs no right to write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from synthstore.testing.damages import BY_NAME
from synthstore.testing.spelling import Name
from synthstore.testing.stores import build
from tests.operate import look
from tests.trees import sha_tree, stamps
from tests.users import NOBODY, common_folder, is_root

PROJECT = Path(__file__).parents[1]

LOOK = """
import json, pathlib, sys
from tests.operate import codes, look
report = look(pathlib.Path(sys.argv[1]))
print(json.dumps([report.exit_code, codes(report)]))
"""

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")


def look_elsewhere(prefix: Sequence[str], root: Path) -> tuple[int, dict[str, int]]:
    """Verify in another process: its exit code and codes."""
    done = subprocess.run(
        [*prefix, sys.executable, "-c", LOOK, str(root)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    exit_code, said = json.loads(done.stdout)
    return exit_code, said


def forbid_writing(root: Path) -> None:
    """Everybody may look, nobody may write."""
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def allow_writing(root: Path) -> None:
    """Let the folder be cleaned away."""
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [None, "a-bad-day", "only-entities-left", "index-cut"])
def test_verify_leaves_no_trace(layout: Name, name: str | None, tmp_path: Path) -> None:
    built = build(layout, tmp_path / "store")
    if name is not None:
        BY_NAME[name].apply(built)
    tree, times = sha_tree(built.root, skip=""), stamps(built.root)
    look(built.root)
    assert sha_tree(built.root, skip="") == tree
    assert stamps(built.root) == times


@pytest.mark.parametrize("layout", LAYOUTS)
def test_verify_needs_no_right_to_write(layout: Name) -> None:
    with common_folder() as folder:
        built = build(layout, folder / "store")
        forbid_writing(built.root)
        tree, times = sha_tree(built.root, skip=""), stamps(built.root)
        prefix = (
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            if is_root()
            else []
        )
        probe = [*prefix, sys.executable, "-c", "import numpy, orjson"]
        if subprocess.run(probe, capture_output=True, check=False).returncode:
            pytest.skip("this Python is closed to other users")
        _, said = look_elsewhere(prefix, built.root)
        assert said.keys() <= {"S005"}
        assert sha_tree(built.root, skip="") == tree
        assert stamps(built.root) == times
        allow_writing(built.root)


@pytest.mark.skipif(not is_root(), reason="only root may mount")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare here")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_verify_works_on_a_read_only_mount(layout: Name, tmp_path: Path) -> None:
    built = build(layout, tmp_path / "store")
    BY_NAME["vector-gone"].apply(built)
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", mount, str(built.root)]
    probe = [*prefix, "touch", str(built.root / "x")]
    refused = subprocess.run(probe, capture_output=True, text=True, check=False)
    if "Read-only file system" not in refused.stderr:
        pytest.skip("no private mounts here")
    tree = sha_tree(built.root, skip="")
    exit_code, said = look_elsewhere(prefix, built.root)
    assert exit_code == 1
    assert said.pop("V003") == 1
    assert said.keys() <= {"S005"}
    assert sha_tree(built.root, skip="") == tree
