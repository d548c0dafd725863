"""Faults at the mutating calls of backup, prune and restore; run whole by ``python -m``.

What is promised: whatever stands as a snapshot gives back its bytes, the next run succeeds, and the
next prune leaves nothing behind.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from synthstore.backup.check import CheckOptions, check_repository
from synthstore.backup.prune import needed_objects, prune_repository
from synthstore.backup.retention import Keep
from tests import stores
from tests.faults.actions import Action, Fault, points
from tests.faults.campaign import crew, spread
from tests.faults.supervisor import apart, observe
from tests.spelling import Doc
from tests.vaults import Standing, back_up, give_back, opened, place_at, standing

T = TypeVar("T")

ALL = Keep(last=99)


@dataclass(frozen=True, slots=True)
class Case:
    """A command, the folder that it meets, and what must hold after a fault."""

    build: Callable[[Path], dict[str, Standing]]
    """Fills a folder; the moments that snapshots must give back, by tag."""
    act: Callable[[Path], object]


def _store(folder: Path) -> stores.Built:
    return stores.build("native", folder / "store", memories=5, assemblies=1, dim=32)


def _first(folder: Path) -> dict[str, Standing]:
    return {"new": standing(_store(folder).root)}


def _second(folder: Path) -> dict[str, Standing]:
    built = _store(folder)
    moments = {"old": standing(built.root)}
    back_up(built.root, place_at(folder / "repo"), tags=("old",))
    built.edit(built.memories[0], lambda doc: doc.update(content="new", embedding=[0.5] * 32))
    built.file(built.memories[1]).unlink()
    return {**moments, "new": standing(built.root)}


def _many(folder: Path) -> dict[str, Standing]:
    built = _store(folder)
    moments = {}
    for number in range(4):
        (built.root / "noise").write_bytes(os.urandom(4000))
        built.edit(built.memories[number], partial(_say, "x" * number))
        moments[f"n{number}"] = standing(built.root)
        back_up(built.root, place_at(folder / "repo"), tags=(f"n{number}",))
    return moments


def _say(text: str, doc: Doc) -> None:
    doc.update(content=text)


def _back_up(folder: Path) -> None:
    back_up(folder / "store", place_at(folder / "repo"), tags=("new",), jobs=1)


def _prune(folder: Path) -> None:
    prune_repository(place_at(folder / "repo"), Keep(last=2))


def _restore(folder: Path) -> None:
    if not (folder / "again").exists():
        give_back(folder / "again", place_at(folder / "repo"))


CASES = {
    "first backup": Case(_first, _back_up),
    "backup": Case(_second, _back_up),
    "prune": Case(_many, _prune),
    "restore": Case(_many, _restore),
}


def campaign(name: str, action: Action, limit: int | None) -> tuple[int, list[str]]:
    """Try ``action`` at all points of a case, or at ``limit``; how many, and what broke."""
    case = CASES[name]
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        template = Path(scratch) / "template"
        template.mkdir()
        moments = _apart(lambda: case.build(template))
        quiet = _copy(template, Path(scratch) / "quiet")
        calls = observe(lambda: case.act(quiet), quiet).calls
        chosen = spread(points(action, calls), limit)
        for point in chosen:
            folder = _copy(template, Path(scratch) / "one")
            outcome = observe(lambda: case.act(folder), folder, Fault(action, point))  # noqa: B023
            problems = _apart(lambda: _problems(case, folder, moments))  # noqa: B023
            if not outcome.typed:
                problems.append(outcome.error.splitlines()[-1])
            struck = f"{outcome.struck.name} {outcome.struck.path}" if outcome.struck else "nothing"
            bad += [f"{name} {action} {point} ({struck}): {problem}" for problem in problems]
            shutil.rmtree(folder)
    return len(chosen), bad


def _apart(function: Callable[[], T]) -> T:
    """Call what starts threads in a child: whoever watches must not have any."""
    outcome = apart(function)
    if outcome.code:
        raise AssertionError(outcome.error)
    return cast("T", outcome.value)


def _copy(template: Path, folder: Path) -> Path:
    shutil.copytree(template, folder, symlinks=True)
    return folder


def _problems(case: Case, folder: Path, moments: dict[str, Standing]) -> list[str]:
    problems = _snapshots(folder, moments)
    case.act(folder)
    problems += _snapshots(folder, moments)
    place = place_at(folder / "repo")
    if (folder / "again").exists():
        last = moments[max(moments)]
        problems += [] if standing(folder / "again") == last else ["the restore differs"]
        problems += [f"left: {path.name}" for path in folder.glob(".*.restoring")]
    prune_repository(place, ALL)
    problems += [f"left: {path}" for path in place.root.rglob(".tmp-*")]
    repository = opened(place)
    needed = needed_objects(repository)
    for pack in repository.index.packs.values():
        if needed.isdisjoint(pack.ids()):
            problems.append(f"garbage: pack {pack.name}")
    report = check_repository(place, CheckOptions(read_data=True))
    return [*problems, *report.problems, *map(str, report.lost)]


def _snapshots(folder: Path, moments: dict[str, Standing]) -> list[str]:
    """Every snapshot that stands, restored and compared."""
    place = place_at(folder / "repo")
    if not (folder / "repo" / "config").exists():
        return []
    problems = []
    for snapshot in opened(place).snapshots():
        target = folder / "looked-at"
        give_back(target, place, snapshot=snapshot.id)
        want = _as_copied(moments[snapshot.tags[0]])
        if _as_copied(standing(target)) != want:
            problems.append(f"snapshot {snapshot.tags[0]} differs")
        shutil.rmtree(target)
    return problems


def _as_copied(moment: Standing) -> Standing:
    # The store is a copy of the template, and only files keep their times in one.
    return {path: (content, mode, 0) for path, (content, mode, _) in moment.items()}


def main() -> int:
    """Every action at every point of every case."""
    failed = False
    with crew(1) as hired:
        for name in CASES:
            for action in Action:
                tried, bad = hired.call(campaign, name, action, None)
                sys.stdout.write(f"{name:14} {action:8} {tried:4} points, {len(bad)} bad\n")
                sys.stdout.writelines(f"  {line}\n" for line in bad[:5])
                sys.stdout.flush()
                failed = failed or bool(bad)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
