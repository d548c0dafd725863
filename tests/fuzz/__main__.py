"""Fuzz by hand: ``python -m tests.fuzz --help``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from tests.faults import seccomp
from tests.faults.campaign import Crew, crew
from tests.fuzz.campaign import Score, Share, run, shares
from tests.fuzz.targets import TARGETS

TRIALS, ALONE = 30_000, 300
_SHOWN = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen trials, print what came of them, and say 1 if one failed."""
    options = _parser().parse_args(argv)
    began = time.monotonic()
    scores = []
    with crew(options.jobs) as hired:
        reason = hired.call(seccomp.unsupported)
        if reason is not None:
            sys.stderr.write(f"skipped: {reason}\n")
            return 0
        for score in _scores(hired, list(_shares(options))):
            scores.append(score)
            sys.stdout.write(_told(score))
            sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps([asdict(score) for score in scores], indent=1))
    tried, failed = sum(s.tried for s in scores), sum(len(s.failures) for s in scores)
    minutes = (time.monotonic() - began) / 60
    sys.stdout.write(f"{tried} mutations, {failed} failures, {minutes:.1f} minutes\n")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", action="append", choices=sorted(TARGETS))
    parser.add_argument("--count", type=int, default=TRIALS, help="trials of each target")
    parser.add_argument(
        "--alone", type=int, default=ALONE, help="trials of a target with a process for each"
    )
    parser.add_argument("--one", type=int, help="only the trial of this number")
    parser.add_argument("--jobs", type=int, help="worker processes (default: one a processor)")
    parser.add_argument("--json", type=Path, help="write all scores to this file")
    return parser


def _shares(options: argparse.Namespace) -> Iterator[Share]:
    for name in options.target or TARGETS:
        if options.one is not None:
            yield Share(name, options.one, options.one + 1)
        else:
            count = min(options.count, options.alone) if TARGETS[name].alone else options.count
            yield from shares(name, count)


def _scores(hired: Crew, every: Sequence[Share]) -> Iterator[Score]:
    for name, group in groupby(hired.map(run, every), lambda score: score.target):
        whole = Score(name)
        for score in group:
            whole.add(score)
        yield whole


def _told(score: Score) -> str:
    lines = [f"{score.target}: {score.tried} in {score.seconds:.0f} s"]
    lines += [f"  {count:6} {what}" for what, count in score.outcomes.most_common()]
    worst = sorted(score.failures.items())
    lines += [f"  FAILED {number}: {why}" for number, why in worst[:_SHOWN]]
    lines += [f"  ... {len(worst) - _SHOWN} more"] * (len(worst) > _SHOWN)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
