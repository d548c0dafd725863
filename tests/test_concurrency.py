"""Several at one store: commands wait or refuse, looks find nothing, no bytes are lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from synthstore.testing.stores import Built, build
from tests import oracle
from tests.company import FOREIGN, LIBRARY, company
from tests.program import Program, on_terminal

SECONDS = float(os.environ.get("SYNTHSTORE_STRESS_SECONDS", "4"))
"""How long each stress lasts; 60 and more is the full one."""


@pytest.fixture
def hurt(tmp_path: Path) -> Built:
    built = build("native", tmp_path / "store")
    built.file(built.memories[8]).unlink()
    return built


def start(*args: object) -> subprocess.Popen[str]:
    """The program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "synthstore", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


WRITERS = ("repair -y", "repair --safe", "rebuild-index", "undo -y", "undo --prune -y")


def test_the_second_command_is_told_of_the_first(cli: Program, hurt: Built) -> None:
    assert cli("repair", hurt.root, "-y").code == 0
    hurt.file(hurt.memories[9]).unlink()
    first = on_terminal("repair", hurt.root)
    first.expect("[y/N]")
    for command in WRITERS:
        name, *options = command.split()
        second = cli(name, hurt.root, *options, "--json")
        assert second.code == 11, second
        assert f"process {first.process.pid} on " in second.document["error"]["message"]
    assert cli("verify", hurt.root).code == 1
    assert cli("repair", hurt.root, "-n").code == 1
    first.type("n\n")
    assert first.finish() == 130


def test_one_that_waits_goes_on_when_the_owner_is_killed(hurt: Built) -> None:
    first = on_terminal("repair", hurt.root)
    first.expect("[y/N]")
    second = start("repair", hurt.root, "-y", "--lock-wait", "60s")
    time.sleep(0.5)
    assert second.poll() is None
    first.process.kill()
    out, err = second.communicate(timeout=60)
    first.finish()
    assert second.returncode == 0, err
    assert "1 fixed, 0 left" in out
    assert oracle.problems(hurt.root, "native") == []


def test_of_two_that_wait_both_do_their_work(hurt: Built) -> None:
    both = [start("repair", hurt.root, "-y", "--lock-wait", "60s") for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("recorded as run" in out for out, _ in said) == [False, True]


def test_looks_and_backups_while_a_library_saves_find_nothing(cli: Program, tmp_path: Path) -> None:
    store, repo = tmp_path / "store", tmp_path / "repo"
    end = time.monotonic() + SECONDS
    with company(LIBRARY, store) as writer:
        looks = 0
        while time.monotonic() < end or not looks:
            looks += 1
            seen = cli("verify", store, "--json", "--jobs", 1)
            assert (seen.code, wrong(seen.document)) == (0, [])
            taken = cli("backup", store, "--repo", repo, "--json", "--jobs", 1)
            assert taken.code == 0, taken
            assert "M0" not in taken.err
            assert "V0" not in taken.err
        assert writer.poll() is None
    assert cli("snapshots", "check", "--read-data", "--repo", repo).code == 0
    assert cli("repair", store, "-y").code == 0
    assert cli("verify", store, "-q").code == 0


def test_a_repair_takes_nothing_from_one_who_knows_no_lock(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    paths = [built.paths[memory] for memory in built.memories]
    log, end = tmp_path / "said", time.monotonic() + SECONDS
    with company(FOREIGN, built.root, log, *paths):
        while time.monotonic() < end:
            mended = cli("repair", built.root, "-y", "--json", "--jobs", 1)
            assert mended.code in (0, 1, 4), mended
            assert all("changed" in why or "changing" in why for why in undone(mended.document))
    said = [line.split() for line in log.read_text().splitlines()]
    last = {path: int(number) for path, number in said[:-1]}
    for path, number in last.items():
        content = json.loads((built.root / path).read_bytes())["content"]
        # What it said last it may have been killed before writing.
        assert content in (f"said at {number}", f"said at {said[-1][1]}")
    assert cli("repair", built.root, "-y").code == 0
    assert cli("verify", built.root, "--fail-on", "error").code == 0


def wrong(document: dict[str, Any]) -> list[dict[str, Any]]:
    """All findings but that the library is at work, which it is."""
    return [
        one for one in document["findings"] if (one["code"], one["severity"]) != ("S001", "info")
    ]


def undone(document: dict[str, Any]) -> list[str]:
    """Why actions of a repair were not done, or the whole of it."""
    if "error" in document:
        return [document["error"]["message"]]
    return [one["because"] for one in document["actions"] if one["status"] != "done"]
