"""One scenario on the bench: its undisturbed course once, then one fault after another."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from tests.faults.actions import Action, Fault
from tests.faults.calls import Call
from tests.faults.checker import (
    STORE,
    Truth,
    committed,
    lost,
    moment,
    open_runs,
    same,
    settled,
)
from tests.faults.disk import Disk, FileSystem, seclude
from tests.faults.scenario import Act, Mutant, Scenario, State, Step
from tests.faults.seccomp import SYNCS
from tests.faults.supervisor import Outcome, apart, observe
from tests.trees import Tree

MEMORY_FILES = Path("/dev/shm")  # noqa: S108 - faster than a disk, and each bench has its own
_FAILED = 4
"""The exit code of a command that the system failed."""
_LOCKED = 11
"""The exit code of a command that finds the lock held."""


class BenchError(Exception):
    """The undisturbed course is not what it should be, so no fault can be judged."""


@contextmanager
def bench(scenario: Scenario, kind: FileSystem | None = None) -> Iterator[Bench]:
    """Set up a bench in a folder of its own, on a disk if one is named, and clear it away."""
    where = MEMORY_FILES if MEMORY_FILES.is_dir() else None
    if kind is not None:
        seclude()
    # A TemporaryDirectory would remove itself at the interpreter's end, before the disk is gone.
    folder = Path(mkdtemp(prefix="synthstore-faults-", dir=where))
    try:
        disk = Disk(kind, folder) if kind is not None else None
        with closing(disk) if disk is not None else nullcontext():
            yield Bench(scenario, folder, disk)
    finally:
        shutil.rmtree(folder)


class Bench:
    """The states before and after, and a place to break things."""

    def __init__(self, scenario: Scenario, folder: Path, disk: Disk | None = None) -> None:
        self.scenario = scenario
        self._before, self._after = folder / "before", folder / "after"
        self._arena, self._aftermath = folder / "arena", folder / "aftermath"
        self._settled: dict[tuple[str, bool], Tree] = {}
        _make_arena(self._before, scenario.build)
        _clone(self._before, self._after)
        _succeed(scenario.command, lambda: scenario.act(self._after / STORE))
        self.truth = Truth.of(self._before, self._after, scenario.judgement)
        self._photograph = scenario.judgement.photograph
        self._inspect(folder / "origin")
        self._disk = disk
        if disk is not None:
            disk.fill(self._before)
            self._arena = disk.arena

    def _inspect(self, folder: Path) -> None:
        problems = [str(p) for p in _told(self.scenario.inspect(self._after / STORE))]
        if self.scenario.origin is not None:
            _make_arena(folder, self.scenario.origin)
            problems += same(self._photograph(folder), self.truth.after)
        if problems:
            raise BenchError(f"{self.scenario.name}, undisturbed: " + "; ".join(problems))

    def calls(self, mutant: Mutant | None = None) -> tuple[Call, ...]:
        """Count the mutating calls of the command, with no fault but ``mutant``."""
        return self._run(None, mutant).calls

    def try_fault(self, fault: Fault, mutant: Mutant | None = None) -> tuple[Outcome, list[str]]:
        """Set off one fault and judge all that follows; no problem means that promises hold."""
        if fault.action is Action.HELD:
            return self._try_held(mutant)
        outcome = self._run(fault, mutant)
        problems = [*_misbehaviour(outcome, fault), *moment(self.truth, self._arena)]
        if outcome.code == 0:
            problems += same(self.truth.after, self._photograph(self._arena))
        # What is wrong already only gets more confusing by going on.
        return outcome, problems or list(self._sequels(mutant))

    def _try_held(self, mutant: Mutant | None) -> tuple[Outcome, list[str]]:
        """Give the command while another process, which is this one, holds the lock."""
        _clone(self._before, self._arena)
        lock = self._arena / (self.scenario.lock or "lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            outcome = observe(self._planted(mutant, self.scenario.act), self._arena)
        problems = same(self.truth.before, self._photograph(self._arena))
        if outcome.code != _LOCKED:
            problems.append(f"the lock is held: {_failure(outcome)}")
        return outcome, problems

    def _run(self, fault: Fault | None, mutant: Mutant | None) -> Outcome:
        act = self._planted(mutant, self.scenario.act)
        if self._disk is None:
            _clone(self._before, self._arena)
            return observe(act, self._arena, fault)
        return self._run_on(self._disk, act, fault)

    def _run_on(self, disk: Disk, act: Callable[[], object], fault: Fault | None) -> Outcome:
        disk.fresh()
        if fault is None or not fault.action.cuts:
            return observe(act, self._arena, fault)
        cut = partial(disk.cut, committed=fault.action is Action.CUT_COMMITTED)
        outcome = observe(act, self._arena, replace(fault, cut=cut))
        if outcome.struck is None:
            # The last point is after the command: whatever it has told holds by now.
            cut()
        disk.revive()
        return outcome

    def _planted(self, mutant: Mutant | None, act: Act) -> Callable[[], object]:
        return _planted(mutant, act, self._arena / STORE)

    def _sequels(self, mutant: Mutant | None) -> Iterator[str]:
        past = committed(self.truth, self._arena)
        if not self.scenario.repeatable and settled(self.truth, self._arena):
            return
        _clone(self._arena, self._aftermath)
        for steps in self.scenario.sequels:
            # In the same place: what a command left may name it.
            _clone(self._aftermath, self._arena)
            yield from self._follow(steps, mutant, past=past)

    def _follow(
        self, steps: tuple[Step, ...], mutant: Mutant | None, *, past: bool
    ) -> Iterator[str]:
        for step in steps:
            found = self._take(step, mutant, past=past)
            yield from (f"{step.name}: {problem}" for problem in found)
            if found:
                return

    def _take(self, step: Step, mutant: Mutant | None, *, past: bool) -> list[str]:
        wanted = self._wanted(step, past=past)
        outcome = apart(_planted(mutant, step.act, self._arena / STORE))
        if outcome.code != 0:
            return [_failure(outcome)]
        now = self._photograph(self._arena)
        left = open_runs(self._arena) - self.truth.open_runs
        return [
            *_told(outcome.value),
            *(moment(self.truth, self._arena) if wanted is None else same(wanted, now)),
            *(lost(self.truth.before, now) if self.truth.judgement.lossless else ()),
            *(f"the run {run} is still open" for run in left),
        ]

    def _wanted(self, step: Step, *, past: bool) -> Tree | None:
        """What the step must lead to exactly; None where the promises alone decide."""
        match step.leads_to:
            case State.LAWFUL:
                return None
            case State.BEFORE:
                return self.truth.before
            case State.AFTER:
                return self.truth.after
            case State.SAME:
                return self._photograph(self._arena)
            case State.SETTLED:
                return self._settle(step, past=past)

    def _settle(self, step: Step, *, past: bool) -> Tree:
        key = (step.name, past)
        if key not in self._settled:
            arena = self._after.with_name("settled")
            _clone(self._after if past else self._before, arena)
            _succeed(step.name, lambda: step.act(arena / STORE))
            self._settled[key] = self._photograph(arena)
        return self._settled[key]


def _make_arena(arena: Path, build: Act) -> None:
    arena.mkdir()
    (arena / "neighbour.txt").write_text("not the store's")
    _succeed("build", lambda: build(arena / STORE))


def _clone(source: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target, symlinks=True)


def _succeed(what: str, function: Callable[[], object]) -> None:
    # In a child always: what the product starts (threads, event loops) would end the forking.
    outcome = apart(function)
    if outcome.code != 0:
        raise BenchError(f"{what}, undisturbed: {_failure(outcome)}\n{outcome.error}")


def _planted(mutant: Mutant | None, act: Act, store: Path) -> Callable[[], object]:
    def run() -> object:
        if mutant is not None:
            mutant.plant()
        value = act(store)
        return value if isinstance(value, list) else None

    return run


def _misbehaviour(outcome: Outcome, fault: Fault) -> Iterator[str]:
    """What is wrong with the way in which the command ended, whatever it left."""
    if outcome.timed_out or not outcome.typed or outcome.code not in (None, 0, _FAILED):
        yield _failure(outcome)
    if outcome.struck is None or outcome.code is None:
        return
    if fault.action is Action.SHORT and outcome.code != 0:
        yield f"failed, though a short write is no error: {_failure(outcome)}"
    errs = fault.action in (Action.EIO, Action.ENOSPC, Action.ENOSPC_ON)
    if errs and outcome.struck.name in SYNCS and outcome.code == 0:
        yield "a failed fsync, and the command says that all is well"


def _failure(outcome: Outcome) -> str:
    if outcome.timed_out:
        return "hangs"
    last = outcome.error.strip().rpartition("\n")[2]
    return f"exit code {outcome.code}: {last}"


def _told(value: object) -> list[str]:
    return [str(problem) for problem in value] if isinstance(value, list) else []
