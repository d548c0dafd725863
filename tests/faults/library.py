"""The library under faults: whatever is cut, what returned holds, and nothing is half there.

A save is no run, so its promise is another one: what has returned is noted in memory that the
library's process shares with its judge, where no fault strikes, and asked for afterwards.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import mmap
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from synthstore import MemoryAssembly, MemoryEntry, MemoryPersistence
from synthstore.testing.stores import unit_vectors
from tests import oracle
from tests.faults import products
from tests.faults.checker import STORE, Judgement, Moment
from tests.faults.scenario import Scenario, State, Step
from tests.trees import Tree

OLD = {f"old-{n}": f"old {n}" for n in range(4)}
_PAGES = 1 << 16


class Diary:
    """What was begun and what returned, as lines that survive whatever befalls the writer."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _PAGES)

    def clear(self) -> None:
        """Begin anew."""
        self._memory[:] = bytes(_PAGES)
        self._memory.seek(0)

    def note(self, done: bool, name: str, content: str | None) -> None:
        """Note that ``name`` is about to become ``content``, or has; None: to go."""
        self._memory.write(json.dumps([done, name, content]).encode() + b"\n")

    def read(self) -> Iterator[tuple[bool, str, str | None]]:
        """All notes, in order."""
        for line in self._memory[:].rstrip(b"\0").splitlines():
            done, name, content = json.loads(line)
            yield done, name, content


DIARY = Diary()


@dataclass
class States:
    """What each memory may hold after a fault."""

    may: dict[str, set[str | None]] = field(default_factory=dict)

    @classmethod
    def now(cls) -> States:
        """What was there, and what the diary tells of it."""
        states = cls({name: {content} for name, content in OLD.items()})
        for done, name, content in DIARY.read():
            known = states.may.setdefault(name, {None})
            if done:
                states.may[name] = {content}
            else:
                known.add(content)
        return states

    def breaches(self, found: Mapping[str, str]) -> Iterator[str]:
        """What of the contents found is nothing that there may be."""
        for name in sorted(self.may.keys() | found.keys()):
            may, content = self.may.get(name, {None}), found.get(name)
            if content not in may:
                yield f"{name} is {content!r}, not one of {sorted(map(str, may))}"


def entry(name: str, content: str) -> MemoryEntry:
    """A memory whose embedding tells it from others."""
    vector = unit_vectors(1, 8, seed=sum(map(ord, name + content)))[0]
    return MemoryEntry(content, vector, name)


async def prepare(p: MemoryPersistence) -> None:
    """The store before the fault."""
    await p.save_memories_batch([entry(name, text) for name, text in OLD.items()])
    await p.save_assembly(MemoryAssembly("all", list(OLD), assembly_id="group"))


async def save(p: MemoryPersistence) -> None:
    """Save new ones and a changed one."""
    for name, text in (("new-0", "one"), ("old-1", "changed"), ("new-1", "two")):
        DIARY.note(False, name, text)
        found = await p.load_memory(name) or entry(name, text)
        found.content = text
        await p.save_memory(found)
        DIARY.note(True, name, text)


async def batch(p: MemoryPersistence) -> None:
    """Save a batch of new ones and changed ones."""
    wanted = {**{f"new-{n}": f"batch {n}" for n in range(5)}, "old-2": "batch changed"}
    for name, text in wanted.items():
        DIARY.note(False, name, text)
    await p.save_memories_batch([entry(name, text) for name, text in wanted.items()])
    for name, text in wanted.items():
        DIARY.note(True, name, text)


async def delete(p: MemoryPersistence) -> None:
    """Delete two, and save one of them again."""
    for name in ("old-0", "old-3"):
        DIARY.note(False, name, None)
        await p.delete_memory(name)
        DIARY.note(True, name, None)
    DIARY.note(False, "old-0", "back again")
    await p.save_memory(entry("old-0", "back again"))
    DIARY.note(True, "old-0", "back again")


Deed = Callable[[MemoryPersistence], Awaitable[None]]


def _within(deed: Deed, store: Path) -> None:
    """Open, do it, close."""

    async def run() -> None:
        async with MemoryPersistence(store) as p:
            await deed(p)

    asyncio.run(run())


def _noted(deed: Deed, store: Path) -> None:
    DIARY.clear()
    _within(deed, store)


def opened(store: Path) -> list[str]:
    """Open the store, and say what is wrong with what it gives."""
    found: dict[str, str] = {}
    wrong: list[str] = []

    async def load(p: MemoryPersistence) -> None:
        listed = {row.id for row in await p.list_memories()}
        for name in listed | States.now().may.keys():
            loaded = await p.load_memory(name)
            if loaded is not None:
                found[name] = loaded.content
            if (loaded is not None) != (name in listed):
                wrong.append(f"{name} is listed, or loaded, but not both")

    _within(load, store)
    return [*wrong, *States.now().breaches(found), *oracle.problems(store, "native")]


def held(arena: Path) -> Tree:
    """What each entity says, whatever time it was saved at."""
    whole = oracle.entities(arena / STORE, "native")
    return {f"{STORE}/{path}": _mark(arena, entity) for path, entity in whole.items()}


def _mark(arena: Path, entity: oracle.Entity) -> tuple[str, int]:
    timeless = {k: v for k, v in entity.doc.items() if k not in ("created_at", "updated_at")}
    text = json.dumps(timeless, sort_keys=True).encode()
    mode = stat.S_IMODE((arena / STORE / entity.path).stat().st_mode)
    return hashlib.sha256(text).hexdigest(), mode


def remembered(at: Moment) -> Iterator[str]:
    """What returned is there, what was begun is there or is not, and every file is whole."""
    whole = oracle.entities(at.arena / STORE, "native")
    found = {e.id: str(e.doc["content"]) for e in whole.values() if e.is_memory}
    yield from States.now().breaches(found)
    for path in sorted((at.arena / STORE).glob("*/*.json")):
        known = path.relative_to(at.arena / STORE).as_posix()
        if known.startswith(("memories/", "assemblies/")) and known not in whole:
            yield f"{known} is torn"


LIBRARY = Judgement((remembered,), held, lossless=False)


def _scenario(deed: Deed) -> Scenario:
    act = partial(_noted, deed)
    return Scenario(
        command=f"library {deed.__name__}",
        layout="native",
        build=partial(_within, prepare),
        act=act,
        sequels=(
            (Step("open", opened, State.LAWFUL), products.VERIFY),
            (Step("repair", products.mend, State.LAWFUL), products.VERIFY),
            (Step("again", act, State.AFTER), Step("open", opened, State.SAME)),
        ),
        inspect=partial(products.sound, "native"),
        judgement=LIBRARY,
        lock=products.LOCK,
    )


SCENARIOS = tuple(_scenario(deed) for deed in (save, batch, delete))
