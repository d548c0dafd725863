"""The config file: what it may say, and how it says no."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synthstore.config import StoreConfig, config_path, load_config, parse_duration
from synthstore.errors import PermissionDeniedError, UsageError
from tests.users import as_nobody, common_folder

OPTIONS = {"verify": {"fail_on", "jobs"}, "repair": {"yes", "select"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.mark.parametrize(
    ("text", "value"), [("30s", 30), ("10m", 600), ("26h", 93_600), ("30d", 2_592_000)]
)
def test_durations(text: str, value: float) -> None:
    assert parse_duration(text) == value


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1.5h", "1w", "30 s", "٣s", "1h30m"])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError, match="no duration"):
        parse_duration(text)


def test_defaults_are_the_designs() -> None:
    assert StoreConfig() == StoreConfig(Path("storage"), 3, True, 3600, 20, 1000, 1000)


@pytest.mark.parametrize(
    "values",
    [
        {"index_backup_count": -1},
        {"flush_threshold": 0},
        {"cache_size": "many"},
        {"chunk_size": 0},
        {"backup_interval": True},
        {"auto_repair": 1},
    ],
)
def test_a_store_config_is_checked(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(values))):
        StoreConfig(**values)  # type: ignore[arg-type]


def test_everything_that_a_file_may_say(file: Path) -> None:
    file.write_text(
        """
        [store]
        storage_path = "/data/store"
        index_backup_count = 5
        auto_repair = false
        backup_interval = "2h"
        [severity]
        E004 = "info"
        [verify]
        fail-on = "error"
        jobs = 2
        """
    )
    config = load_config(file, OPTIONS)
    assert config.store.storage_path == Path("/data/store")
    assert config.store.backup_interval == 7200
    assert not config.store.auto_repair
    assert config.severities == {"E004": "info"}
    assert config.commands == {"verify": {"fail_on": "error", "jobs": 2}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1", "'colour'"),
        ("[backup]", "'backup'"),
        ("store = 3", r"\[store\]"),
        ("[store]\nflush = 1", "'flush'"),
        ("[store]\nstorage_path = 3", "storage_path"),
        ("[store]\nflush_threshold = -1", "flush_threshold"),
        ("[store]\nbackup_interval = '1w'", "'1w'"),
        ("[verify]\nfailon = 1", "'failon'"),
        ("[severity]\nE004 = 'fatal'", "E004"),
        ("[repair]\nyes = true", "command line"),
        ("= 3", "TOML"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_key(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        load_config(file, OPTIONS)
    assert str(file) in caught.value.message


def test_a_file_that_is_no_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        load_config(file, OPTIONS)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_config(file, OPTIONS)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_file_that_may_not_be_read() -> None:
    with common_folder() as folder:
        file = folder / "config.toml"
        file.write_text("")
        file.chmod(0)
        with as_nobody(), pytest.raises(PermissionDeniedError, match="may not read") as caught:
            load_config(file, OPTIONS)
        mine = folder / "mine.toml"
        with as_nobody():
            mine.write_text("")
            mine.chmod(0)
            with pytest.raises(PermissionDeniedError) as closed:
                load_config(mine, OPTIONS)
    assert closed.value.hint == f"chmod u+r {mine}"
    assert "`sudo -u root synthstore ...`" in str(caught.value.hint)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_home_of_another_user_has_no_config_file_for_this_one(tmp_path: Path) -> None:
    (tmp_path / ".config").mkdir(mode=0o700)
    with as_nobody():
        assert config_path(None, {"HOME": str(tmp_path)}) is None


def test_which_file_holds(tmp_path: Path) -> None:
    own = tmp_path / ".config" / "synthstore" / "config.toml"
    home = {"HOME": str(tmp_path)}
    assert config_path(None, home) is None
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert config_path(None, home) == own
    assert config_path(None, home | {"SYNTHSTORE_CONFIG": "/b"}) == Path("/b")
    assert config_path("/a", home | {"SYNTHSTORE_CONFIG": "/b"}) == Path("/a")
