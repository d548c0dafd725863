"""Run the fault suite by hand: ``python -m tests.faults --help``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.faults import seccomp
from tests.faults.actions import Action
from tests.faults.campaign import Crew, Tally, Task, crew
from tests.faults.registry import MUTANTS, SCENARIOS
from tests.faults.scenario import Scenario

_SAMPLE = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Try the chosen points, print a table, and say 1 if a promise or a mutant escaped."""
    options = _parser().parse_args(argv)
    with crew(options.jobs) as hired:
        reason = hired.call(seccomp.unsupported)
        if reason is not None:
            sys.stderr.write(f"skipped: {reason}\n")
            return 0
        sound = [] if options.only_mutants else _try(hired, list(_sound_tasks(options)))
        hunts = [] if options.no_mutants else _try(hired, list(_hunts(options)))
    if options.json:
        options.json.write_text(json.dumps([asdict(tally) for tally in (*sound, *hunts)], indent=1))
    return _summary(sound, hunts)


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


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    return [
        scenario
        for scenario in SCENARIOS.values()
        if scenario.command in (options.command or [scenario.command])
        and scenario.layout in (options.layout or [scenario.layout])
    ]


def _sound_tasks(options: argparse.Namespace) -> Iterator[Task]:
    limit = options.limit or (None if options.all else _SAMPLE)
    for scenario in _chosen(options):
        for action in options.action or Action:
            yield Task(scenario.name, action, limit=limit)


def _hunts(options: argparse.Namespace) -> Iterator[Task]:
    """Each mutant by the fault that must find it; with ``--all`` by every fault."""
    for scenario in _chosen(options):
        for mutant in MUTANTS.values():
            actions = list(Action) if options.all else [mutant.shown_by]
            for action in actions if scenario.command in mutant.commands else []:
                if action in (options.action or Action):
                    yield Task(scenario.name, action, mutant=mutant.name)


def _try(hired: Crew, tasks: Sequence[Task]) -> list[Tally]:
    _line("scenario", "action", "calls", "tried", "bad", "s", "planted bug")
    tallies = []
    for tally in hired.run(tasks):
        tallies.append(tally)
        task = tally.task
        seconds = f"{tally.seconds:.1f}"
        counts = (tally.calls, tally.tried, len(tally.bad), seconds)
        _line(task.scenario, task.action, *counts, task.mutant or "")
    return tallies


def _line(*cells: object) -> None:
    widths = (-22, -8, 6, 6, 5, 7, -1)
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
    points = sum(tally.tried for tally in sound)
    states = sum(len(tally.bad) for tally in sound)
    sys.stdout.write(
        f"{points} points, {states} bad states; "
        f"{len(planted) - len(missed)} of {len(planted)} planted bugs found\n"
    )
    for scenario, mutant in missed:
        sys.stdout.write(f"not found in {scenario}: {mutant}\n")
    return 1 if bad or missed else 0


def _bug(hunt: Tally) -> tuple[str, str]:
    return hunt.task.scenario, hunt.task.mutant or ""


def _shown_by(hunt: Tally) -> Action:
    return MUTANTS[hunt.task.mutant or ""].shown_by


if __name__ == "__main__":
    sys.exit(main())
