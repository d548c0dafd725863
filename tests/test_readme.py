"""Every command in the README runs, and every table in it is true."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from synthstore.checks.catalogue import CATALOGUE
from synthstore.cli.app import COMMANDS
from synthstore.cli.manual import EXIT_CODES
from synthstore.config import StoreConfig, load_config
from tests.program import Program
from tests.stores import build

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def block(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


CALLS = [
    line.removeprefix("$ ")
    for text in block("console")
    for line in text.splitlines()
    if line.startswith("$ synthstore ")
]
HERE = {
    "/data/store": "data",
    "/data/new": "new",
    "/mnt/new/store": "moved",
    "/mnt/core": "core",
    "/backup/repo": "repo",
    "/backup/repo@latest": "repo@latest",
    "2025-03-18": "latest",
}
ASKING = (["repair", "data"], ["migrate", "data"], ["restore", "data"], ["undo", "data"])
EXPECTED = {"verify ./tour": {0, 1}, "repair ./tour --dry-run": {1}}


def test_every_command_runs_in_this_order(
    cli: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build("native", tmp_path / "data")
    here = HERE | {"ID": built.memories[0]}
    for call in CALLS:
        args = [here.get(word, word) for word in shlex.split(call)[1:]]
        if args[:2] == ["restore", "data"]:
            built.file(built.memories[0]).unlink()
        if args[:2] in ASKING:
            args.append("--yes")  # there is no terminal to ask on
        result = cli(*args)
        allowed = EXPECTED.get(" ".join(args), {0})
        assert result.code in allowed, (call, result.out, result.err)
    assert (tmp_path / "tour.prom").is_file()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    pattern = r"^`/etc/systemd/system/(\S+)`:\n\n```ini\n(.*?)^```$"
    units = dict(re.findall(pattern, README, re.MULTILINE | re.DOTALL))
    assert len(units) == len(block("ini")) == 3
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    called = [str(tmp_path / name.replace("@.", "@x.")) for name in units]
    (tmp_path / "synthstore-failed@x.service").symlink_to(tmp_path / "synthstore-failed@.service")
    command = ["systemd-analyze", "verify", *called]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


@pytest.mark.parametrize("expression", re.findall(r"^ +expr: (.*)$", README, re.MULTILINE))
def test_the_alerts_ask_for_what_a_backup_writes(
    expression: str, cli: Program, tmp_path: Path
) -> None:
    built = build("native", tmp_path / "store", memories=2)
    metrics = tmp_path / "store.prom"
    cli("backup", built.root, "--repo", tmp_path / "repo", "--check", "--metrics-file", metrics)
    name, labels = re.findall(r"(synthstore_\w+)(?:\{(.*?)\})?", expression)[0]
    lines = [line for line in metrics.read_text().splitlines() if line.startswith(f"{name}{{")]
    assert any(labels in line for line in lines), expression


def test_every_command_is_shown() -> None:
    shown = {shlex.split(call)[1] for call in CALLS}
    assert shown == {name for name, _, _ in COMMANDS}


def test_the_exit_codes() -> None:
    section = README.partition("## Exit codes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section, re.MULTILINE)
    assert {int(code): text.replace("`", "") for code, text in rows} == {
        code: text.replace("the next repair", "the next repair")
        for code, text in EXIT_CODES.items()
    }


def test_the_config_file(tmp_path: Path) -> None:
    (text,) = block("toml")
    file = tmp_path / "config.toml"
    file.write_text(text)
    config = load_config(file, {"verify": {"fail_on"}, "repair": {"lock_wait"}})
    assert set(tomllib.loads(text)["store"]) == set(StoreConfig.__dataclass_fields__)
    assert StoreConfig(**tomllib.loads(text)["store"] | {"storage_path": Path("storage")}) == (
        StoreConfig()
    )
    assert set(config.severities) <= set(CATALOGUE)


@pytest.mark.parametrize("words", ["synthstore demo", "-m pytest"])
def test_ci_runs_the_two_commands(words: str) -> None:
    """Each is the first command line with these words, and makes its environment itself."""
    lines = [line for line in README.splitlines() if line.startswith("$ ") and words in line]
    assert "-m venv" in lines[0]
    assert f"readme '{words}'" in (ROOT / ".ci" / "run").read_text()


def test_the_changelog_knows_every_command() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert all(f"`{name}`" in changes for name, _, _ in COMMANDS)
