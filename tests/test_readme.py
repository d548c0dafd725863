"""Every command in the README runs, and every table in it is true."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from synthstore.checks.catalogue import CATALOGUE
from synthstore.cli.app import COMMANDS
from synthstore.cli.manual import EXIT_CODES
from synthstore.cli.storagepage import LAYOUTS
from synthstore.config import StoreConfig, load_config
from synthstore.layout.detect import SUPPORTED
from synthstore.testing.interrupt import interrupt
from synthstore.testing.stores import Built, build
from tests.program import Program
from tests.tour import PICTURE, picture, record, words
from tests.trees import sha_tree

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def block(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """A command of the README."""

    section: str
    line: str

    @property
    def args(self) -> list[str]:
        return shlex.split(self.line)[1:]


def calls() -> Iterator[Call]:
    """Every command that is shown, in order, whether for people, for cron or for systemd."""
    section = ""
    for line in README.splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
        shown = re.search(r"^(?:\$ |[0-9* ]+  |ExecStart=/usr/bin/env )(synthstore .*)$", line)
        if shown:
            yield Call(section, shown[1])


CALLS = tuple(calls())
HERE = {
    "/data/store": "data",
    "/data/new": "new",
    "/data/moved": "moved",
    "/mnt/host/store": "host",
    "/mnt/new/store": "elsewhere",
    "/mnt/core": "core",
    "/backup/repo": "repo",
    "/backup/before": "before",
    "/backup/repo@latest": "repo@latest",
    "/var/lib/node_exporter/synthstore-backup.prom": "backup.prom",
    "2025-03-18": "latest",
}
ASKING = {"repair", "restore", "undo", "migrate"}
EXPECTED = {
    ("A quick tour", "verify ./tour"): {0, 1},
    ("A quick tour", "repair ./tour --dry-run"): {1},
    ("A folder that was full is empty", "verify data"): {1},
    ("A quick tour", "rebuild-index ./tour"): {1},
}
"""Other exit codes than 0."""


@dataclass(frozen=True, slots=True)
class Night:
    """The store of the runbook, and what befalls it before each of its sections."""

    store: Built
    cli: Program

    def before(self, section: str) -> None:
        """Do the damage that a section is about."""
        store = self.store
        match section:
            case "The catalog is gone or torn":
                store.catalog.write_bytes(b'{"memories": {')
            case "Searches find nothing, or the wrong things":
                store.index.unlink()
            case "A memory is gone, torn or rotten":
                store.file(store.memories[1]).unlink()
                store.file(store.memories[2]).write_bytes(b"{ torn")
            case "Something was killed in the midst":
                store.catalog.write_bytes(b"")
                interrupt(store)
            case "A folder that was full is empty":
                (store.root / "memories").rename(store.root.with_name("unmounted"))
            case "It refuses":
                for name in store.memories[:12]:
                    store.file(name).unlink()
            case "The repair was a mistake":
                store.catalog.write_bytes(b"")
                assert self.cli("repair", store.root, "-y", "-q").code == 0
            case "One memory back from last week":
                store.file(store.memories[0]).unlink()
            case _:
                pass

    def after(self, section: str) -> None:
        """Hold what a section promised; give back what only a person could."""
        store = self.store
        if section == "A folder that was full is empty":
            store.root.with_name("unmounted").rename(store.root / "memories")
        if section == "The repair was a mistake":
            assert store.catalog.read_bytes() == b""
            assert self.cli("repair", store.root, "-y", "-q").code == 0
        if section == "Moving to a new host":
            assert sha_tree(store.root) == sha_tree(store.root.with_name("host"))
        if section in {heading for heading in HEADINGS if heading not in UNRELATED}:
            assert self.cli("verify", store.root, "-q").code == 0, section


HEADINGS = tuple(dict.fromkeys(call.section for call in CALLS))
UNRELATED = {"The two commands", "A quick tour", "Working on it"}


def test_every_command_runs_in_this_order(
    cli: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = build("native", tmp_path / "data", memories=30)
    night = Night(store, cli)
    whole = sha_tree(store.root / "memories")
    for section in HEADINGS:
        night.before(section)
        for call in CALLS:
            if call.section == section:
                run(cli, call, {"ID": store.memories[0]})
        night.after(section)
    assert sha_tree(store.root / "memories") == whole
    assert (tmp_path / "tour.prom").is_file()


def run(cli: Program, call: Call, names: dict[str, str]) -> None:
    args = [(HERE | names).get(word, word) for word in call.args]
    expected = EXPECTED.get((call.section, " ".join(args)), {0})
    if args[0] in ASKING and args[1] == "data" and not {"--dry-run", "--list"} & set(args):
        args.append("--yes")  # there is no terminal to ask on
    if call.section == "From systemd":
        args += ["--repo", "repo"]  # the unit has it in its environment
    result = cli(*args)
    assert result.code in expected, (call, result.out, result.err)


def test_the_runbook_has_a_place_for_every_symptom() -> None:
    table = README.partition("| what you see |")[2].partition("\n\n")[0]
    links = re.findall(r"\(#([a-z-]+)\) \|$", table, re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    assert len(links) == len(set(links)) == 13
    assert set(links) <= set(map(anchor, headings))


def test_every_link_within_leads_somewhere() -> None:
    headings = set(map(anchor, re.findall(r"^#+ (.*)$", README, re.MULTILINE)))
    assert set(re.findall(r"\(#([^)]*)\)", README)) <= headings
    for name in re.findall(r'(?:src="|\]\()([^#")]+)[")]', README):
        assert (ROOT / name).is_file(), name


def anchor(heading: str) -> str:
    """The name that a heading can be linked by."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def test_every_command_in_a_sentence_is_one() -> None:
    names = {name for name, _, _ in COMMANDS} | {"COMMAND"}
    spans = re.findall(r"`synthstore ([^`]+)`", README)
    assert {span.split()[0] for span in spans} <= names


def test_the_picture_is_what_is_printed(tmp_path: Path) -> None:
    assert words(PICTURE.read_text()) == words(picture(record(tmp_path))), "run: -m tests.tour"


def test_the_layouts() -> None:
    section = README.partition("## Layouts")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", section, re.MULTILINE)
    assert {name: text.replace("`", "") for name, text in rows} == LAYOUTS
    assert set(LAYOUTS) == set(SUPPORTED)


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
    shown = {call.args[0] for call in CALLS}
    assert shown == {name for name, _, _ in COMMANDS}


def test_the_exit_codes() -> None:
    section = README.partition("## Exit codes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section, re.MULTILINE)
    assert {int(code): text.replace("`", "") for code, text in rows} == EXIT_CODES


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
