"""Hostile ids, content and names: no terminal, browser or scraper obeys any of it."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synthstore.testing import spelling
from synthstore.testing.stores import Built, build, write
from tests.program import Program, Result, on_terminal

ESCAPES = (
    "\x1b[31mred\x1b[2J\x1b]0;title\a\x1b]8;;http://x.test\aclick\x1b]52;c;ZXZpbA==\a"
    "\x9b2J\x9d0;c1\x9c\u202egnp.exe\u2066\u200b\ufeff\0\r\n\t\x7f\udcff"
)
MARKUP = "[/x][link=http://x.test]y[/link][bold]</script><img src=x onerror=alert(1)>{{7*7}}"
BREAKERS = '"} 1\nsynthstore_exit_code{command="verify"} 0\\" =1+1 @SUM(A1)'
SECRET = "sk-live-5up3r-5ecret"  # noqa: S105 - what must not be shown
EVIL = ESCAPES + MARKUP + BREAKERS
FORBIDDEN = {"\u202e", "\u2066", "\u200b", "\ufeff", "\x7f"}
"""What is no control character by category, and is obeyed or unseen all the same."""


def evil_document(built: Built, entity_id: str) -> dict[str, Any]:
    """A memory whose every word is hostile."""
    doc = spelling.memory("native", entity_id, 3, built.embedding(built.memories[0]))
    doc["content"] = SECRET + EVIL
    doc["metadata"] = {EVIL: SECRET + EVIL, "tags": [EVIL], "embedding_model": EVIL}
    return doc | {"tags": [EVIL], EVIL: SECRET}


@pytest.fixture
def store(tmp_path: Path) -> Built:
    """A store in a folder with a hostile name, hostile in all its parts, and damaged in some."""
    built = build(
        "native", tmp_path / ("store" + ESCAPES.replace("\0", "").replace("/", "") + '"\\')
    )
    for n, name in enumerate((EVIL, "\x1b[2J-a", "[/x]", '"} 1', "=cmd", "@sum", "\u202eevil")):
        doc = evil_document(built, name)
        write(built.root / "memories" / f"evil-{n}.json", json.dumps(doc).encode("ascii"))
    for name in (
        "\x1b[31m.json",
        "\u202e[link=x].json",
        "a\nb.json",
        "\x9b2J.bak",
        "\x1b]52;c;x\a.tmp",
    ):
        write(built.root / "memories" / name, b"\x1b[2J" + SECRET.encode())
    group = built.assemblies[0]
    built.edit(group, lambda doc: doc.update(name=EVIL.replace("\udcff", ""), tags=[MARKUP]))
    built.edit_rows(
        lambda rows: rows.update({"\x1b[2J\u202e": {"filepath": "../\x1b[2J" + MARKUP}})
    )
    built.edit_mapping(lambda entries: entries.update({"\x1b[2J[/x]": 5}))
    rows = [evil_document(built, name) for name in (EVIL, "\x1b[2J", "fine")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    built.file(built.memories[5]).unlink()
    built.file(built.memories[6]).write_bytes(b'{"memory_id": "' + SECRET.encode() + b"\x1b[2J")
    return built


def calls(built: Built, folder: Path) -> Iterator[tuple[object, ...]]:
    """Every command in turn, and what each says when it fails."""
    root, repo = built.root, folder / ("repo" + MARKUP.replace("/", ""))
    yield ("verify", root)
    yield ("verify", root, "--redact", "-v")
    yield ("verify", root, "--id", EVIL)
    yield ("verify", root, "--select", EVIL)
    yield ("verify", root / EVIL.replace("\0", ""))
    yield ("stats", root, "-v")
    yield ("repair", root, "-n", "-v")
    yield ("repair", root, "--safe", "-v")
    yield ("backup", root, "--repo", repo, "--name", EVIL, "--tag", EVIL)
    yield ("backup", root, "--repo", repo, "-v")
    yield ("repair", root, "-y", "-v", "--repo", repo)
    yield ("rebuild-index", root, "-v", "--factory", EVIL)
    yield ("rebuild-index", root, "-v")
    yield ("snapshots", "list", "--repo", repo)
    yield ("snapshots", "find", "x1b", "--repo", repo)
    yield ("snapshots", "check", "--repo", repo)
    yield ("restore", folder / "new", "--repo", repo, "--snapshot", EVIL)
    yield ("restore", folder / "new", "--repo", repo, "--name", EVIL, "-v")
    yield ("diff", root, folder / "new", "-v")
    yield ("import", root, folder / "rows.jsonl", "-v")
    yield ("import", root, folder / ("none" + EVIL.replace("\0", "")))
    yield ("import", root, folder / "rows.jsonl", "-v", "--on-conflict", "fail")
    yield ("export", root, "-o", folder / "out.csv", "-v")
    yield ("export", root, "-o", folder / "out.csv", "--where", EVIL)
    yield ("migrate", root, folder / "moved", "-v")
    yield ("migrate", root, folder / "converted", "--layout", "core-4", "-v")
    yield ("undo", root, "--list")
    yield ("undo", root, EVIL)
    yield ("undo", root, "-y", "-v")
    yield ("undo", root, "--prune", "-y")
    yield ("snapshots", "prune", "--keep-last", "1", "--repo", repo)


def obeyed(text: str) -> set[str]:
    """Characters that a terminal would act upon, or a reader not see; lines may end."""
    return {
        repr(ch)
        for ch in text
        if ch != "\n" and (unicodedata.category(ch) in ("Cc", "Cs", "Zl", "Zp") or ch in FORBIDDEN)
    }


def assert_tame(result: Result) -> None:
    said = result.out + result.err
    assert obeyed(said) == set()
    assert SECRET not in said
    assert "Traceback" not in said


def test_every_command_for_people(cli: Program, store: Built, tmp_path: Path) -> None:
    for call in calls(store, tmp_path):
        assert_tame(cli(*call))


def test_every_command_as_json(cli: Program, store: Built, tmp_path: Path) -> None:
    for call in calls(store, tmp_path):
        result = cli(*call, "--json")
        assert_tame(result)
        assert result.document["schema"].startswith("synthstore/")


@pytest.mark.parametrize("command", ["verify", "stats", "repair -n"])
def test_on_a_terminal(store: Built, command: str) -> None:
    name, *options = command.split()
    terminal = on_terminal(name, store.root, *options, "-v", "--no-color")
    terminal.finish()
    assert obeyed(terminal.seen) == set()
    assert SECRET not in terminal.seen
    assert "\\x1b[31mred" in terminal.seen


LABEL = r'[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"synthstore_[a-z_]+\{{{LABEL}(?:,{LABEL})*\}} -?[0-9.]+")


@pytest.mark.parametrize("command", ["verify", "repair -y", "backup", "stats"])
def test_metrics_stay_one_sample_a_line(
    cli: Program, store: Built, tmp_path: Path, command: str
) -> None:
    name, *options = command.split()
    file = tmp_path / "m.prom"
    if name == "backup":
        options = ["--repo", str(tmp_path / "repo"), "--name", EVIL]
    assert_tame(cli(name, store.root, *options, "--metrics-file", file))
    text = file.read_bytes().decode("utf-8")
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) > 3
    assert [line for line in samples if not SAMPLE.fullmatch(line)] == []
    assert obeyed(text) == set()
    assert SECRET not in text
    assert "evil-" not in text


def test_a_page_holds_it_as_text(cli: Program, store: Built, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    for options in ((), ("--redact",)):
        file = tmp_path / "page.html"
        assert_tame(cli("stats", store.root, "--html", file, *options))
        page = file.read_text("utf-8")
        assert obeyed(page) == set()
        assert "<img" not in page
        assert page.count("</script>") == 1
        assert "http-equiv" in page
        assert (SECRET in page) is not bool(options)


def test_what_is_written_down_is_tame(cli: Program, store: Built, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    assert_tame(cli("verify", store.root, "--write-known", known))
    assert obeyed(known.read_text("utf-8")) == set()
    assert SECRET not in known.read_text("utf-8")
    assert_tame(cli("verify", store.root, "--known", known))


@pytest.mark.parametrize(
    "text",
    [
        EVIL,
        "[store]\n" + json.dumps(MARKUP) + " = 1",
        '[store]\nstorage_path = "\\u001B[2J"\nindex_backup_count = "\\u001B[2J"',
        '[severity]\n"\\u001B[2J" = "\\u009B2J"',
        '[verify]\nselect = "\\u001B[2J"',
        '[verify]\n"\\u202E" = 1',
    ],
)
def test_a_hostile_config_file(cli: Program, store: Built, text: str) -> None:
    cli.config("").write_bytes(text.encode("utf-8", "surrogateescape"))
    for options in ((), ("--json",)):
        result = cli("verify", store.root, *options)
        assert result.code == 2
        assert_tame(result)


def test_hostile_variables(cli: Program, store: Built) -> None:
    evil = EVIL.replace("\0", "")
    for name in ("JOBS", "FAIL_ON", "SELECT", "LAYOUT", "SUBSET", "KNOWN", "LOCK_WAIT", "REPO"):
        cli.env(**{f"SYNTHSTORE_VERIFY_{name}": evil})
        result = cli("verify", store.root)
        assert result.code in (2, 10)
        assert_tame(result)
        cli.monkeypatch.delenv(f"SYNTHSTORE_VERIFY_{name}")


def test_no_cell_of_a_table_is_a_formula(cli: Program, store: Built, tmp_path: Path) -> None:
    for name in ("=1+1", "@SUM(A1)", "+1"):
        store.edit(store.memories[0], lambda doc, name=name: doc.update(content=name))  # type: ignore[misc]
        assert cli("export", store.root, "-o", tmp_path / "t.csv", "--no-embeddings").code in (0, 3)
        with (tmp_path / "t.csv").open(newline="") as stream:
            cells = [cell for line in csv.reader(stream) for cell in line]
        assert f"'{name}" in cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]
