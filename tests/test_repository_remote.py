"""Repositories in an object store: moto's S3 server on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthstore.backup.check import CheckOptions, check_repository
from synthstore.backup.prune import prune_repository
from synthstore.backup.retention import Keep
from synthstore.errors import LockedError, NotAStoreError, OperationError, UsageError
from synthstore.repository.place import LocalPlace, Place
from synthstore.repository.remote import RemotePlace, place_of
from synthstore.repository.vault import Repository
from synthstore.testing import stores
from tests.vaults import back_up, give_back, opened, settle, standing


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def place(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    fsspec = pytest.importorskip("fsspec")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    bucket = tmp_path.name.replace("_", "-").lower()[:60].strip("-")
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(bucket)
    return place_of(f"s3://{bucket}/repo")


@pytest.mark.filterwarnings("ignore")
def test_a_year_in_a_bucket(tmp_path: Path, place: Place) -> None:
    built = stores.build("native", tmp_path / "store", memories=12, dim=64)
    settle(built.root)
    first = back_up(built.root, place)
    assert back_up(built.root, place).bytes_added == 0
    (built.root / "noise").write_bytes(os.urandom(50_000))
    built.edit(built.memories[0], lambda doc: doc.update(content="new"))
    third = back_up(built.root, place)
    assert 50_000 < third.bytes_added < first.bytes_added + 60_000
    assert check_repository(place, CheckOptions(read_data=True)).clean
    before = standing(built.root)
    give_back(tmp_path / "again", place)
    assert standing(tmp_path / "again") == before
    (built.root / "noise").unlink()
    back_up(built.root, place)
    report = prune_repository(place, Keep(last=1))
    assert report.freed_bytes > 0
    assert len(opened(place).snapshots()) == 1
    assert check_repository(place, CheckOptions(read_data=True)).clean
    before = standing(built.root)
    give_back(tmp_path / "last", place)
    assert standing(tmp_path / "last") == before


@pytest.mark.filterwarnings("ignore")
def test_locks_in_a_bucket(tmp_path: Path, place: Place) -> None:
    built = stores.build("native", tmp_path / "store", memories=3)
    back_up(built.root, place)
    with place.locked(shared=True, wait=0.0):
        back_up(built.root, place)
        with pytest.raises(LockedError, match="process"):
            prune_repository(place, Keep(last=1))
    with place.locked(shared=False, wait=0.0), pytest.raises(LockedError):
        back_up(built.root, place)
    assert dict(place.names("locks")) == {}


@pytest.mark.filterwarnings("ignore")
def test_a_lock_whose_owner_died_holds_nobody_up(tmp_path: Path, place: Place) -> None:
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, check=True)
    note = {"shared": False, "time": time.time(), "pid": int(dead.stdout)}
    elsewhere = json.dumps({**note, "host": "elsewhere"}).encode()
    built = stores.build("native", tmp_path / "store", memories=3)
    back_up(built.root, place)
    place.write("locks/one", json.dumps({**note, "host": socket.gethostname()}).encode())
    back_up(built.root, place)
    place.write("locks/one", elsewhere)
    with pytest.raises(LockedError, match="elsewhere"):
        back_up(built.root, place)


@pytest.mark.filterwarnings("ignore")
def test_an_empty_bucket_is_no_repository(place: Place) -> None:
    with pytest.raises(NotAStoreError):
        Repository.open(place)


@pytest.mark.filterwarnings("ignore")
def test_a_bucket_that_is_missing_is_named(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    built = stores.build("native", tmp_path / "store")
    with pytest.raises(OperationError, match="s3://no-such-bucket/repo: ") as caught:
        back_up(built.root, place_of("s3://no-such-bucket/repo"))
    assert "address" in (caught.value.hint or "")


def test_an_error_of_the_client_s_own_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    class EndpointConnectionError(Exception):
        pass

    place = place_of("memory://unreachable/repo")
    assert isinstance(place, RemotePlace)

    def unreachable(*_: object, **__: object) -> bytes:
        raise EndpointConnectionError("Could not connect to the endpoint")

    monkeypatch.setattr(type(place._system), "cat_file", unreachable)
    monkeypatch.setattr(type(place._system), "ls", unreachable)
    for look in (lambda: place.read("config"), lambda: place.names("packs")):
        with pytest.raises(OperationError, match="memory://unreachable/repo: Could not connect"):
            look()


def test_a_path_is_a_directory_and_nonsense_is_refused(tmp_path: Path) -> None:
    assert isinstance(place_of(str(tmp_path)), LocalPlace)
    assert place_of(f"file://{tmp_path}").where == str(tmp_path)
    with pytest.raises(UsageError):
        place_of("no-such-protocol://x")


def test_any_fsspec_file_system_will_do(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    place = place_of(f"memory://{tmp_path.name}/repo")
    assert isinstance(place, RemotePlace)
    built = stores.build("core-4", tmp_path / "store", memories=3)
    back_up(built.root, place)
    give_back(tmp_path / "again", place)
    assert standing(tmp_path / "again") == standing(built.root)
