"""The library under faults: whatever is cut, what returned holds, and nothing is half there.

Not a scenario like the commands': a save is no run, so its promise is another one. What has
returned is noted outside the arena, where no fault strikes, and asked for afterwards.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from synthstore import MemoryAssembly, MemoryEntry, MemoryPersistence
from synthstore.checks.finding import Severity
from synthstore.verify import LookOptions, verify
from tests import oracle
from tests.faults.actions import Action, Fault, points
from tests.faults.campaign import spread
from tests.faults.supervisor import Outcome, apart, observe
from tests.stores import unit_vectors

OLD = {f"old-{n}": f"old {n}" for n in range(4)}
STORE, NOTES = "arena/store", "notes"


@dataclass
class Diary:
    """What was begun and what returned, as lines that survive any fault of the arena."""

    path: Path

    def note(self, done: bool, name: str, content: str | None) -> None:
        """Note that ``name`` is about to become ``content``, or has; None: to go."""
        with self.path.open("a") as file:
            file.write(json.dumps([done, name, content]) + "\n")

    def read(self) -> Iterator[tuple[bool, str, str | None]]:
        """All notes, in order."""
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            done, name, content = json.loads(line)
            yield done, name, content


@dataclass
class States:
    """What each memory may hold after a fault."""

    may: dict[str, set[str | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, diary: Diary) -> States:
        """What was there, and what the diary tells of it."""
        states = cls({name: {content} for name, content in OLD.items()})
        for done, name, content in diary.read():
            known = states.may.setdefault(name, {None})
            if done:
                states.may[name] = {content}
            else:
                known.add(content)
        return states


def entry(name: str, content: str) -> MemoryEntry:
    """A memory whose embedding tells it from others."""
    vector = unit_vectors(1, 8, seed=sum(map(ord, name + content)))[0]
    return MemoryEntry(content, vector, name)


async def prepare(root: Path) -> None:
    """The store before the fault."""
    async with MemoryPersistence(root) as p:
        await p.save_memories_batch([entry(name, text) for name, text in OLD.items()])
        await p.save_assembly(MemoryAssembly("all", list(OLD), assembly_id="group"))


async def save(p: MemoryPersistence, diary: Diary) -> None:
    """Save new ones and a changed one."""
    for name, text in (("new-0", "one"), ("old-1", "changed"), ("new-1", "two")):
        diary.note(False, name, text)
        found = await p.load_memory(name) or entry(name, text)
        found.content = text
        await p.save_memory(found)
        diary.note(True, name, text)


async def batch(p: MemoryPersistence, diary: Diary) -> None:
    """Save a batch of new ones and changed ones."""
    states = {**{f"new-{n}": f"batch {n}" for n in range(5)}, "old-2": "batch changed"}
    for name, text in states.items():
        diary.note(False, name, text)
    await p.save_memories_batch([entry(name, text) for name, text in states.items()])
    for name, text in states.items():
        diary.note(True, name, text)


async def delete(p: MemoryPersistence, diary: Diary) -> None:
    """Delete two, and save one of them again."""
    for name in ("old-0", "old-3"):
        diary.note(False, name, None)
        await p.delete_memory(name)
        diary.note(True, name, None)
    diary.note(False, "old-0", "back again")
    await p.save_memory(entry("old-0", "back again"))
    diary.note(True, "old-0", "back again")


Act = Callable[[MemoryPersistence, Diary], Awaitable[None]]
ACTS: Mapping[str, Act] = {"save": save, "batch": batch, "delete": delete}


def act(name: str, folder: Path) -> None:
    """Open, do it, close."""

    async def run() -> None:
        async with MemoryPersistence(folder / STORE) as p:
            await ACTS[name](p, Diary(folder / NOTES))

    asyncio.run(run())


def problems(folder: Path) -> list[str]:
    """What is wrong with the store, once it has been opened again."""
    return asyncio.run(_problems(folder / STORE, States.of(Diary(folder / NOTES))))


async def _problems(root: Path, states: States) -> list[str]:
    found: list[str] = []
    async with MemoryPersistence(root) as p:
        listed = {row.id for row in await p.list_memories()}
        for name, may in states.may.items():
            loaded = await p.load_memory(name)
            content = loaded.content if loaded is not None else None
            if content not in may:
                found.append(f"{name} is {content!r}, not one of {sorted(map(str, may))}")
            if (loaded is not None) != (name in listed):
                found.append(f"{name} is listed, or loaded, but not both")
        found += [f"{name} came from nowhere" for name in listed - states.may.keys()]
    report = await verify(root, LookOptions(jobs=1))
    found += [f"{f.code} {f.path}" for f in report.findings if f.severity is Severity.ERROR]
    return found + [str(problem) for problem in oracle.problems(root, "native")]


def endure(name: str, action: Action, limit: int | None) -> tuple[int, list[str]]:
    """Set off ``action`` at up to ``limit`` points of one act; points tried, and what was wrong.

    This process must have no threads.
    """
    with TemporaryDirectory(prefix="synthstore-library-", dir=_memory_files()) as where:
        template, folder = Path(where) / "template", Path(where) / "folder"
        (template / "arena").mkdir(parents=True)
        _succeed(apart(partial(_run, prepare, template / STORE)))
        _clone(template, folder)
        calm = observe(partial(act, name, folder), folder / "arena")
        _succeed(calm)
        chosen = spread(points(action, calm.calls), limit)
        bad = [said for k in chosen for said in _strike(name, Fault(action, k), template, folder)]
        return len(chosen), bad


def _strike(name: str, fault: Fault, template: Path, folder: Path) -> list[str]:
    _clone(template, folder)
    outcome = observe(partial(act, name, folder), folder / "arena", fault)
    where = f"{name} {fault.action} at {fault.point} ({outcome.struck})"
    said = [] if outcome.typed and not outcome.timed_out else [f"ended badly: {outcome.error}"]
    after = apart(partial(problems, folder))
    if after.code != 0:
        said.append(f"does not open: {after.error}")
    said += after.value if isinstance(after.value, list) else []
    return [f"{where}: {one}" for one in said]


def _run(prepare: Callable[[Path], Awaitable[None]], root: Path) -> None:
    async def run() -> None:
        await prepare(root)

    asyncio.run(run())


def _succeed(outcome: Outcome) -> None:
    if outcome.code != 0:
        raise RuntimeError(outcome.error)


def _clone(source: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(target)
    shutil.copytree(source, target)


def _memory_files() -> Path | None:
    fast = Path("/dev/shm")  # noqa: S108 - faster than a disk
    return fast if fast.is_dir() else None
