"""Run the fault suite by hand: ``python -m tests.faults --help``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.faults import disk, seccomp
from tests.faults.actions import CALL_FAULTS, Action
from tests.faults.campaign import Crew, Tally, Task, crew
from tests.faults.disk import FileSystem
from tests.faults.registry import MUTANTS, SCENARIOS
from tests.faults.scenario import Scenario

_SAMPLE = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Try the chosen points, print a table, and say 1 if a promise or a mutant escaped."""
    options = _parser().parse_args(argv)
    started = time.monotonic()
    with crew(options.jobs) as hired:
        reason = hired.call(seccomp.unsupported)
        if reason is not None:
            sys.stderr.write(f"skipped: {reason}\n")
            return 0
        disks = _disks(hired)
        sound = [] if options.only_mutants else _try(hired, list(_sound_tasks(options, disks)))
        hunts = [] if options.no_mutants else _try(hired, list(_hunts(options, disks)))
    if options.json:
        options.json.write_text(json.dumps([asdict(tally) for tally in (*sound, *hunts)], indent=1))
    code = _summary(sound, hunts)
    sys.stdout.write(f"{(time.monotonic() - started) / 60:.1f} minutes\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every point and every mutant's matrix")
    parser.add_argument("--action", action="append", type=Action, choices=list(Action))
    parser.add_argument("--command", action="append", choices=sorted(_commands()))
    parser.add_argument("--layout", action="append")
    parser.add_argument("--limit", type=int, help="points per scenario and action, evenly spread")
    parser.add_argument("--jobs", type=int, help="worker processes (default: one a processor)")
    parser.add_argument("--no-mutants", action="store_true", help="plant no bugs")
    parser.add_argument("--only-mutants", action="store_true", help="only hunt planted bugs")
    parser.add_argument("--json", type=Path, help="write all tallies to this file")
    return parser


def _commands() -> set[str]:
    return {scenario.command for scenario in SCENARIOS.values()}


def _disks(hired: Crew) -> list[FileSystem]:
    """The kinds of disk whose power can be cut here."""
    usable = []
    for kind in FileSystem:
        reason = hired.call(disk.unsupported, kind)
        if reason is None:
            usable.append(kind)
        else:
            sys.stderr.write(f"no power cuts on {kind}: {reason}\n")
    return usable


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    return [
        scenario
        for scenario in SCENARIOS.values()
        if scenario.command in (options.command or [scenario.command])
        and scenario.layout in (options.layout or [scenario.layout])
    ]


def _sound_tasks(options: argparse.Namespace, disks: Sequence[FileSystem]) -> Iterator[Task]:
    limit = options.limit or (None if options.all else _SAMPLE)
    for scenario in _chosen(options):
        for action in options.action or Action:
            if action is not Action.HELD or scenario.lock:
                for kind in _where(scenario, action, disks):
                    yield Task(scenario.name, action, limit=limit, disk=kind)


def _where(
    scenario: Scenario, action: Action, disks: Sequence[FileSystem]
) -> Sequence[FileSystem | None]:
    if not action.cuts:
        return [None]
    return [] if scenario.silent else disks


def _hunts(options: argparse.Namespace, disks: Sequence[FileSystem]) -> Iterator[Task]:
    """Each mutant by the fault that must find it; with ``--all`` by every fault of a call too."""
    for scenario in _chosen(options):
        for mutant in MUTANTS.values():
            if not mutant.shows_in(scenario):
                continue
            more = [a for a in CALL_FAULTS if options.all and a is not mutant.shown_by]
            for action in (mutant.shown_by, *more):
                if action in (options.action or Action):
                    for kind in _where(scenario, action, disks[:1]):
                        yield Task(scenario.name, action, mutant=mutant.name, disk=kind)


def _try(hired: Crew, tasks: Sequence[Task]) -> list[Tally]:
    _line("scenario", "action", "disk", "calls", "tried", "bad", "s", "planted bug")
    tallies = []
    for tally in hired.run(tasks):
        tallies.append(tally)
        task = tally.task
        seconds = f"{tally.seconds:.1f}"
        counts = (tally.calls, tally.tried, len(tally.bad), seconds)
        _line(task.scenario, task.action, task.disk or "", *counts, task.mutant or "")
    return tallies


def _line(*cells: object) -> None:
    widths = (-22, -10, -5, 6, 6, 5, 7, -1)
    pairs = zip(cells, widths, strict=True)
    shown = (str(c).ljust(-width) if width < 0 else str(c).rjust(width) for c, width in pairs)
    sys.stdout.write("  ".join(shown).rstrip() + "\n")
    sys.stdout.flush()


def _summary(sound: Sequence[Tally], hunts: Sequence[Tally]) -> int:
    bad = [tally for tally in sound if tally.bad]
    planted = {_bug(tally) for tally in hunts if tally.task.action is _shown_by(tally)}
    missed = sorted(planted - {_bug(tally) for tally in hunts if tally.bad})
    for tally in bad:
        sys.stdout.write(tally.told() + "\n")
    if sound:
        _by_command(sound)
    found = f"{len(planted) - len(missed)} of {len(planted)} planted bugs found"
    kinds = len({name for _, name in planted})
    sys.stdout.write(f"{found}, of {kinds} kinds\n")
    for scenario, mutant in missed:
        sys.stdout.write(f"not found in {scenario}: {mutant}\n")
    return 1 if bad or missed else 0


def _by_command(sound: Sequence[Tally]) -> None:
    """Write what came of each command: calls that change something, points tried, bad states."""
    line = "{:<16} {:>6} {:>6} {:>6} {:>10}\n".format
    sys.stdout.write("\n" + line("product", "calls", "faults", "tried", "bad states"))
    groups: dict[str, list[Tally]] = {}
    for tally in sound:
        groups.setdefault(SCENARIOS[tally.task.scenario].command, []).append(tally)
    for command, tallies in groups.items():
        calls = sum({tally.task.scenario: tally.calls for tally in tallies}.values())
        kinds = len({(tally.task.action, tally.task.disk) for tally in tallies if tally.tried})
        sys.stdout.write(line(command, calls, kinds, *_totals(tallies)))
    sys.stdout.write(line("all", "", "", *_totals(sound)))


def _totals(tallies: Sequence[Tally]) -> tuple[int, int]:
    return sum(tally.tried for tally in tallies), sum(len(tally.bad) for tally in tallies)


def _bug(hunt: Tally) -> tuple[str, str]:
    return hunt.task.scenario, hunt.task.mutant or ""


def _shown_by(hunt: Tally) -> Action:
    return MUTANTS[hunt.task.mutant or ""].shown_by


if __name__ == "__main__":
    sys.exit(main())
