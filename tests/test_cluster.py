"""A Dask cluster as executor: the same report, byte for byte, from workers elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from synthstore.errors import OperationError, UsageError
from synthstore.scan import cluster
from synthstore.scan.cluster import dask_executor
from synthstore.testing import stores
from tests.program import Program, spawn
from tests.trees import sha_tree

needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="the extra 'cluster' is not installed"
)

# In a process of its own, so that the threads and warnings of a cluster are nobody else's.
CLUSTER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    script = tmp_path_factory.mktemp("dask") / "cluster.py"
    script.write_text(CLUSTER)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, script], stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdout is not None
        yield f"dask={server.stdout.readline().strip()}"
        server.communicate()


def told(*args: object) -> object:
    report = json.loads(spawn(*args, "--json").stdout)
    return {key: value for key, value in report.items() if not key.endswith(("_at", "_seconds"))}


@needs_dask
def test_a_cluster_tells_the_same(tmp_path: Path, executor: str) -> None:
    built = stores.build("native", tmp_path / "store", memories=600)
    built.overwrite(built.memories[1], b"{")
    built.edit(built.memories[2], lambda doc: doc.update(content="else"), listed=False)
    alone = told("verify", built.root)
    assert alone == told("verify", built.root, "--executor", executor)
    assert isinstance(alone, dict)
    assert set(alone["summary"]["by_code"]) >= {"M003", "M004"}


@needs_dask
def test_a_cluster_rebuilds_the_same(tmp_path: Path, executor: str) -> None:
    built = stores.build("native", tmp_path / "one")
    built.catalog.unlink()
    built.index.unlink()
    shutil.copytree(built.root, tmp_path / "two")
    spawn("rebuild-index", tmp_path / "one")
    done = spawn("rebuild-index", tmp_path / "two", "--executor", executor)
    assert done.returncode == 0, done.stderr
    one, two = (sha_tree(tmp_path / name) for name in ("one", "two"))
    assert one == two


@needs_dask
@pytest.mark.parametrize("form", ["jsonl", "json.gz", "csv", "parquet"])
def test_a_cluster_exports_the_same(form: str, tmp_path: Path, executor: str) -> None:
    built = stores.build("native", tmp_path / "store", memories=600)
    built.overwrite(built.memories[1], b"{")
    alone, together = tmp_path / f"alone.{form}", tmp_path / f"together.{form}"
    spawn("export", built.root, "-o", alone)
    done = spawn("export", built.root, "-o", together, "--executor", executor)
    assert done.returncode == 3, done.stderr
    assert "599 memories" in done.stdout
    assert together.read_bytes() == alone.read_bytes()


@needs_dask
def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.2)
    with (
        pytest.raises(OperationError, match="no Dask scheduler answers"),
        dask_executor("tcp://127.0.0.1:9"),
    ):
        pass


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="extra cluster"), dask_executor("tcp://127.0.0.1:9"):
        pass


@pytest.mark.parametrize("other", ["dask=", "tcp://localhost:8786", "ray=x", ""])
def test_other_executors_are_refused(cli: Program, tmp_path: Path, other: str) -> None:
    store = stores.build("native", tmp_path / "store").root
    assert cli("verify", store, "--executor", other).code == 2
