"""The tour for a newcomer: a small store, several damages, and the commands that mend it."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import orjson

from synthstore.checks.report import Report
from synthstore.errors import RefusedError
from synthstore.files.durable import atomic_write, make_dirs, remove
from synthstore.repair.operation import RepairOptions, repair
from synthstore.repair.rebuild import RebuildOptions, rebuild_index
from synthstore.repair.undoing import UndoReport, undo
from synthstore.shell import path_word
from synthstore.verify import LookOptions, verify

MEMORIES = 24
DIMENSION = 32

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_CATALOG = "memory_index.json"
_TOPICS = ("the harbour at dawn", "a talk about gardens", "the long way home", "rain on the roof")

Outcome = Report | UndoReport


class Guide(Protocol):
    """Who tells the tour."""

    def say(self, text: str) -> None:
        """Tell what comes next, or what was done."""

    def command(self, line: str) -> None:
        """Name the command line that is about to run."""

    def show(self, outcome: Outcome) -> None:
        """Show what the command gave."""


def memory_id(number: int) -> str:
    """The id of the demo's memory ``number``, the same in every demo."""
    return f"mem-{hashlib.sha256(str(number).encode()).hexdigest()[:12]}"


def make_store(folder: Path) -> None:
    """Write the entity files of a small native store; catalog and vectors are not made here."""
    if folder.exists() and any(folder.iterdir()):
        raise RefusedError(f"{folder} is not empty", hint="name a folder that is, or a new one")
    for name in ("memories", "assemblies"):
        make_dirs(folder / name, _FOLDER_MODE)
    for number in range(MEMORIES):
        _write(folder / "memories" / f"{memory_id(number)}.json", _memory(number))
    for number, members in enumerate((range(6), range(6, 11))):
        _write(folder / "assemblies" / f"asm-{number:04d}.json", _assembly(number, members))


def _memory(number: int) -> Mapping[str, object]:
    moment = f"2025-03-{number % 28 + 1:02d}T08:{number:02d}:00.000000"
    return {
        "memory_id": memory_id(number),
        "content": f"Memory {number}: {_TOPICS[number % len(_TOPICS)]}.",
        "created_at": moment,
        "updated_at": moment,
        "quickrecal_score": round(0.3 + number / 50, 2),
        "metadata": {"source": "demo"},
        "access_count": number % 5,
        "embedding": _embedding(number),
    }


def _assembly(number: int, members: range) -> Mapping[str, object]:
    vectors = [_embedding(member) for member in members]
    composite = _unit([sum(column) for column in zip(*vectors, strict=True)])
    return {
        "assembly_id": f"asm-{number:04d}",
        "name": f"Assembly {number}",
        "description": "Memories that belong together",
        "memory_ids": [memory_id(member) for member in members],
        "created_at": "2025-03-29T09:00:00.000000",
        "updated_at": "2025-03-29T09:00:00.000000",
        "tags": ["demo"],
        "composite_embedding": composite,
    }


def _embedding(seed: int) -> list[float]:
    """``DIMENSION`` numbers of norm 1, up to rounding."""
    source = random.Random(seed)  # noqa: S311 - the same demo every time
    return _unit([source.gauss(0, 1) for _ in range(DIMENSION)])


def _unit(values: list[float]) -> list[float]:
    norm = sum(value * value for value in values) ** 0.5
    return [round(value / norm, 6) for value in values]


def _write(path: Path, document: object) -> None:
    atomic_write(path, orjson.dumps(document, option=orjson.OPT_INDENT_2), _FILE_MODE)


def damage_store(folder: Path) -> tuple[str, ...]:
    """Break the store in several ways; says what was done, a sentence each."""
    return tuple(damage(folder) for damage in (_tear, _delete, _lose, _forget, _change))


def _path(folder: Path, number: int) -> Path:
    return folder / "memories" / f"{memory_id(number)}.json"


def _tear(folder: Path) -> str:
    path = _path(folder, 3)
    raw = path.read_bytes()
    atomic_write(path, raw[: raw.index(b'"embedding"') + 200], _FILE_MODE)
    return f"cut {path.name} in the middle of its embedding"


def _delete(folder: Path) -> str:
    path = _path(folder, 15)
    remove(path)
    return f"deleted {path.name}; its row and its vector stay"


def _lose(folder: Path) -> str:
    path = _path(folder, 16)
    remove(path)
    document = orjson.loads((folder / _CATALOG).read_bytes())
    del document["memories"][memory_id(16)]
    _write(folder / _CATALOG, document)
    return f"deleted {path.name} and its row; its vector stays"


def _forget(folder: Path) -> str:
    document = orjson.loads((folder / _CATALOG).read_bytes())
    del document["memories"][memory_id(7)]
    document["metadata"]["memory_count"] = 99
    _write(folder / _CATALOG, document)
    return f"dropped the row of {memory_id(7)} from the catalog, and wrote wrong counts"


def _change(folder: Path) -> str:
    path = _path(folder, 11)
    document = orjson.loads(path.read_bytes())
    document["embedding"] = _embedding(1000)
    document["updated_at"] = "2025-04-01T12:00:00.000000"
    _write(path, document)
    return f"gave {path.name} another embedding; its vector is the old one"


async def tour(folder: Path, guide: Guide) -> None:
    """Make a store in ``folder``, break it, mend it, take that back; ``guide`` tells each step.

    Raises RefusedError where the folder is not empty.
    """
    store = path_word(folder)

    async def look() -> None:
        guide.command(f"synthstore verify {store}")
        guide.show(await verify(folder, LookOptions()))

    async def mend(flag: str, *, dry_run: bool) -> None:
        guide.command(f"synthstore repair {store} {flag}")
        guide.show(await repair(folder, RepairOptions(dry_run=dry_run), confirm=_agree))

    await asyncio.to_thread(make_store, folder)
    guide.say(f"A store of {MEMORIES} memories and 2 assemblies, so far only their files.")
    guide.say("Catalog and vectors are built from the files:")
    guide.command(f"synthstore rebuild-index {store}")
    guide.show(await rebuild_index(folder, RebuildOptions(), confirm=_agree))
    guide.say("Nothing is wrong yet:")
    await look()
    for sentence in await asyncio.to_thread(damage_store, folder):
        guide.say(f"Damage: {sentence}.")
    guide.say("Verify finds all of it, and changes nothing:")
    await look()
    guide.say("What would repair do?")
    await mend("--dry-run", dry_run=True)
    guide.say("The torn file heals from its vector; what is gone for good loses its row:")
    await mend("--yes", dry_run=False)
    guide.say("Nothing is wrong any more:")
    await look()
    guide.say("Every byte that the repair displaced can be had back:")
    guide.command(f"synthstore undo {store} --yes")
    guide.show(await undo(folder, None, force=False, dry_run=False, lock_wait=0.0, confirm=_agree))
    guide.say("So the damage is as it was:")
    await look()


def _agree(_plan: object) -> bool:
    return True
