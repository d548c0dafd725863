"""Faults at the mutating calls of a migration to a new place; run whole by ``python -m``.

What is promised: the source is never changed, the target is not there or whole, and the same
command goes on from where the other was cut off, to the same end.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from synthstore.errors import UsageError
from synthstore.migrate.operation import MigrateOptions, migrate
from tests import oracle, stores
from tests.faults.actions import Action, Fault, points
from tests.faults.campaign import crew, spread
from tests.faults.supervisor import apart, observe
from tests.trees import Tree, sha_tree

LAYOUTS = (None, "core-4")
"""A copy, and a conversion."""


def bring(folder: Path, layout: str | None) -> None:
    """Migrate the store in ``folder`` to a new place beside it."""
    options = MigrateOptions(target=folder / "new", layout=layout, jobs=1)
    asyncio.run(migrate(folder / "store", options, confirm=lambda _: True))


def again(folder: Path, layout: str | None) -> None:
    """Give the same command again; when the first one had come to its end, that is refused."""
    try:
        bring(folder, layout)
    except UsageError:
        if (folder / "new" / ".tmp-migration").exists():
            raise


def campaign(layout: str | None, action: Action, limit: int | None) -> tuple[int, list[str]]:
    """Try ``action`` at all points, or at ``limit``; how many, and what broke."""
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        template, whole = Path(scratch) / "template", Path(scratch) / "whole"
        stores.build("native", template / "store", memories=5, assemblies=1, dim=8)
        shutil.copytree(template, whole)
        calls = observe(lambda: bring(whole, layout), whole).calls
        want = sha_tree(whole / "new", skip="")
        chosen = spread(points(action, calls), limit)
        for point in chosen:
            folder = Path(scratch) / "one"
            shutil.copytree(template, folder)
            outcome = observe(lambda: bring(folder, layout), folder, Fault(action, point))  # noqa: B023
            problems = [] if outcome.typed else [outcome.error.splitlines()[-1]]
            problems += _problems(folder, template, want)
            repeated = apart(lambda: again(folder, layout))  # noqa: B023
            problems += [repeated.error.splitlines()[-1]] if repeated.code else []
            problems += _after(folder, template, want)
            bad += [f"{action} {point} ({outcome.struck}): {problem}" for problem in problems]
            shutil.rmtree(folder)
    return len(chosen), [*bad, *_unsound(layout, want)]


def _problems(folder: Path, template: Path, want: Tree) -> list[str]:
    """What breaks a promise that holds at every moment."""
    problems = []
    if sha_tree(folder / "store", skip="") != sha_tree(template / "store", skip=""):
        problems.append("the source was changed")
    new = folder / "new"
    now = sha_tree(new, skip="")
    now.pop(".tmp-migration", None)
    if new.exists() and now != want:
        problems.append("the target is there, and not whole")
    return problems


def _after(folder: Path, template: Path, want: Tree) -> list[str]:
    problems = _problems(folder, template, want)
    if not (folder / "new").exists() or sha_tree(folder / "new", skip="") != want:
        problems.append("the same command came to another end")
    left = {path.name for path in folder.iterdir()} - {"store", "new"}
    return [*problems, *(f"left: {name}" for name in left)]


def _unsound(layout: str | None, want: Tree) -> list[str]:
    """The end itself, judged without the product."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        stores.build("native", folder / "store", memories=5, assemblies=1, dim=8)
        outcome = apart(lambda: bring(folder, layout))
        if outcome.code or sha_tree(folder / "new", skip="") != want:
            return ["an undisturbed migration comes to another end"]
        return oracle.problems(folder / "new", "native" if layout is None else "core-4")


def main() -> int:
    """Every action at every point."""
    failed = False
    with crew(1) as hired:
        for layout in LAYOUTS:
            for action in Action:
                tried, bad = hired.call(campaign, layout, action, None)
                sys.stdout.write(f"{layout!s:8} {action:8} {tried:4} points, {len(bad)} bad\n")
                sys.stdout.writelines(f"  {line}\n" for line in bad[:5])
                sys.stdout.flush()
                failed = failed or bool(bad)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
