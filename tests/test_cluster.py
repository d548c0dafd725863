"""A Dask cluster as executor: the same report, byte for byte, from workers elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    count = int(sys.argv[1])
    with LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started(tmp_path_factory.mktemp("dask"), 2) as (server, address):
        yield f"dask={address}"
        server.communicate()


@contextmanager
def started(folder: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A scheduler with its workers, and its address; both end with the body."""
    script = folder / "cluster.py"
    script.write_text(CLUSTER)
    pipe = subprocess.PIPE
    call = [sys.executable, str(script), str(workers)]
    with subprocess.Popen(call, stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdout is not None
        yield server, server.stdout.readline().strip()


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


@needs_dask
def test_a_cluster_without_workers_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 1.0)
    with started(tmp_path, 0) as (_, address), dask_executor(address) as executor:
        call = executor.submit(len, "three")
        with pytest.raises(OperationError, match="no worker") as caught:
            call.result(timeout=30)
        assert f"dask worker {address}" in str(caught.value.hint)
        with pytest.raises(OperationError, match="no worker"):
            executor.submit(len, "three")


@needs_dask
def test_a_scheduler_that_is_lost_ends_the_command(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store", memories=20)
    with started(tmp_path, 0) as (server, address):
        call = [sys.executable, "-m", "synthstore", "verify", str(built.root)]
        call += ["--executor", f"dask={address}"]
        pipe = subprocess.PIPE
        with subprocess.Popen(call, stdout=pipe, stderr=pipe, text=True) as command:
            # No worker is there, so it waits by then.
            time.sleep(3)
            server.kill()
            _, errors = command.communicate(timeout=60)
    assert command.returncode == 4
    assert errors.startswith(f"synthstore: the Dask scheduler at {address} was lost")
    assert "Traceback" not in errors


@needs_dask
def test_what_a_call_raises_comes_back_and_one_that_is_called_off_is_not_told(
    executor: str,
) -> None:
    with dask_executor(executor.removeprefix("dask=")) as crew:
        with pytest.raises(ValueError, match="invalid literal"):
            crew.submit(int, "three").result(timeout=30)
        off = crew.submit(time.sleep, 60)
        assert off.cancel()
        assert crew.submit(int, "3").result(timeout=30) == 3


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="extra cluster"), dask_executor("tcp://127.0.0.1:9"):
        pass


@pytest.mark.parametrize("other", ["dask=", "tcp://localhost:8786", "ray=x", ""])
def test_other_executors_are_refused(cli: Program, tmp_path: Path, other: str) -> None:
    store = stores.build("native", tmp_path / "store").root
    assert cli("verify", store, "--executor", other).code == 2
