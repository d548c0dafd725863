"""Backups, restores and repositories for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from synthstore.render.human import SHOWN, some
from synthstore.render.screen import Block, Line, Table, Tone
from synthstore.render.text import byte_size, counted, number, seconds
from synthstore.shell import cited, path_word, word

if TYPE_CHECKING:
    from synthstore.backup.find import FindReport
    from synthstore.backup.report import (
        BackupReport,
        CheckReport,
        LookedAt,
        LostEntity,
        PruneReport,
    )
    from synthstore.backup.restore import RestoreReport
    from synthstore.diff import DiffReport
    from synthstore.repository.manifest import Snapshot

_TIME = "%Y-%m-%d %H:%M:%S"

_LOOKS: Mapping[LookedAt, str] = {
    "not": " (unchanged since the last look)",
    "quick": " (quick look)",
    "full": "",
}
"""How a backup came to what it says of the source: verify may find more."""


def backup_blocks(report: BackupReport, *, verbose: bool, quiet: bool) -> Iterator[Block]:
    """How a backup went; nothing at all if quiet and well."""
    snapshot = report.snapshot
    if not quiet:
        verb = "would take" if report.dry_run else "took"
        yield Line(
            f"{verb} snapshot {snapshot.id or '(dry run)'} of {report.store} as {snapshot.name}:"
            f" {counted(snapshot.files, 'file')}, {byte_size(snapshot.bytes)}",
            "head",
        )
        yield Line(
            f"  {number(report.new)} new, {number(report.changed)} changed,"
            f" {number(report.removed)} removed, {number(report.unchanged)} unchanged;"
            f" {byte_size(report.bytes_added)} added in {seconds(report.elapsed_seconds)}"
        )
    rows = [f"{path}: {why}" for path, why in sorted(report.problems.items())]
    yield from some("could not be read: ", rows, "error", verbose=verbose)
    if not quiet:
        skipped = list(report.skipped)
        yield from some("link or device, not followed: ", skipped, "info", verbose=verbose)
    if report.pruned is not None and report.pruned.snapshots and not quiet:
        yield from prune_blocks(report.pruned, verbose=verbose)
    if report.checked is not None:
        yield from check_blocks(report.checked, verbose=verbose, quiet=quiet)


def notices(report: BackupReport, *, quiet: bool) -> Iterator[Block]:
    """For stderr: a new repository, errors of the source, and rules that wait.

    If not quiet all findings of the source.
    """
    if report.new_repository:
        verb = "would make" if report.dry_run else "made"
        yield Line(f"{verb} a new repository at {report.repository}", "warning")
    if report.snapshot.errors or not quiet:
        yield from source_blocks(report)
    if report.pruned is not None and not report.pruned.snapshots:
        yield Line(f"nothing was pruned: {report.pruned.held_back}", "warning")


def source_blocks(report: BackupReport) -> Iterator[Block]:
    """What is wrong with the source; for stderr, since a backup does not answer for it."""
    if report.snapshot.findings:
        codes = ", ".join(f"{code} {number(n)}" for code, n in report.snapshot.findings.items())
        tone: Tone = "warning" if report.snapshot.errors else "info"
        yield Line(f"findings in {report.store}{_LOOKS[report.look]}: {codes}", tone)
    if report.snapshot.errors:
        yield Line(f"synthstore verify {path_word(report.store)}", "command")


def restore_blocks(report: RestoreReport, *, verbose: bool, planned: bool) -> Iterator[Block]:
    """What a restore does, or did."""
    verb = "would restore" if planned else "restored"
    when = report.snapshot.time.strftime(_TIME)
    yield Line(
        f"{verb} {counted(report.files, 'file')} of snapshot {report.snapshot.id} ({when} UTC,"
        f" {report.snapshot.name}) into {report.store}",
        "head",
    )
    rows = [
        f"{a.kind} {a.subject.kind} {a.subject.id}"
        + (f": skipped, {a.because}" if a.status == "skipped" else "")
        for a in report.actions
        if a.status != "failed"
    ]
    yield from some("", rows, "plain", verbose=verbose)
    failed = [
        f"{a.subject.kind} {a.subject.id}: {a.because}"
        for a in report.actions
        if a.status == "failed" and a.path not in report.lost
    ]
    yield from some("not restored: ", failed, "error", verbose=verbose)
    lost = [f"{path}: {why}" for path, why in sorted(report.lost.items())]
    yield from some("lost: ", lost, "error", verbose=verbose)
    found = [f"{f.code} {f.subject.kind} {f.subject.id}: {f.message}" for f in report.findings]
    yield from some("", found, "warning", verbose=verbose)
    if planned:
        return
    sound = not (report.findings or report.lost)
    if report.run is not None and sound:
        yield Line("verified: rows and vectors fit the restored files", "good")
    if report.elsewhere:
        yield Line(
            f"{counted(report.elsewhere, 'error')} left in what was not restored:"
            f" {cited(f'synthstore repair {path_word(report.store)} --dry-run')} shows what mends"
            " them",
            "warning",
        )
    if report.run is not None:
        yield Line(f"recorded as run {report.run}")
        yield Line(f"synthstore undo {path_word(report.store)} {report.run}", "command")
    elif sound and report.files:
        yield Line("verified: as it was when the snapshot was taken", "good")


def restore_warnings(report: RestoreReport) -> Iterator[Block]:
    """For stderr: a snapshot of a store that had errors, of a wrong clock, or of another store."""
    if not report.snapshot.good:
        made = report.into == "new directory" and not report.dry_run
        sound = report.undamaged
        target = f"{report.store}-{sound.id}" if made and sound is not None else report.store
        yield from _unsound(report.snapshot, sound, report.repository, target)
    if report.snapshot.time > datetime.fromisoformat(report.started_at):
        listing = cited(f"synthstore snapshots list --repo {path_word(report.repository)}")
        yield Line(
            f"snapshot {report.snapshot.id} is of a time yet to come, so a clock is wrong, or was:"
            f" what was taken since has an earlier time, and is on the list of {listing}",
            "warning",
        )
    if report.unrelated:
        yield Line(
            f"{report.store} has not one memory of snapshot {report.snapshot.id}, which is called"
            f" {report.snapshot.name!r}: if it is another store's, say which with --name NAME",
            "warning",
        )


def check_warnings(report: CheckReport) -> Iterator[Block]:
    """For stderr: the newest snapshots of stores that were not whole."""
    for one in report.unsound:
        sound = one.undamaged
        target = f"restored-{sound.id}" if sound is not None else ""
        yield from _unsound(one.snapshot, sound, report.repository, target)


def _unsound(
    one: Snapshot, sound: Snapshot | None, repository: str, target: str
) -> Iterator[Block]:
    """That a snapshot is not of a whole store, and how to have the newest one that is."""
    from synthstore.backup.restoring import by_id  # noqa: PLC0415 - a list needs none of that

    what = "its source had errors" if one.damaged else "it lacks what could not be read"
    codes = ", ".join(f"{code} {number(n)}" for code, n in one.findings.items())
    yield Line(
        f"snapshot {one.id} is tagged {', '.join(one.tags)}: {what}"
        f"{f' ({codes})' if codes else ''}, and what is restored is no better:"
        f" {counted(one.memories, 'memory', 'memories')}",
        "warning",
    )
    if sound is not None:
        yield Line(
            f"the newest undamaged one is {sound.id} of {sound.time.strftime(_TIME)} UTC,"
            f" {counted(sound.memories, 'memory', 'memories')}:"
        )
        yield Line(by_id(target, repository, sound.id), "command")


def snapshots_blocks(repository: str, snapshots: Sequence[Snapshot]) -> Iterator[Block]:
    """The snapshots, oldest first."""
    if not snapshots:
        yield Line(f"{repository}: no snapshots")
        return
    yield Table(
        ("Id", "Time (UTC)", "Name", "Layout", "Memories", "Size", "Tags"),
        tuple(
            (
                one.id,
                one.time.strftime(_TIME),
                one.name,
                one.layout,
                number(one.memories),
                byte_size(one.bytes),
                ",".join(one.tags),
            )
            for one in snapshots
        ),
        tuple("plain" if one.good else "warning" for one in snapshots),
    )


def find_blocks(report: FindReport, *, verbose: bool) -> Iterator[Block]:
    """The versions found, and the command that brings the newest back."""
    searched = counted(report.searched, "snapshot")
    yield Line(f"{counted(len(report.versions), 'version')} in {searched}", "head")
    shown = report.versions if verbose else report.versions[-SHOWN:]
    for one in shown:
        first, last = one.snapshots[0], one.snapshots[-1]
        yield Line(
            f"  {one.kind} {one.id}, {counted(len(one.snapshots), 'snapshot')}:"
            f" {first.id} ({first.time.strftime(_TIME)}) to {last.id} ({last.time.strftime(_TIME)})"
        )
        yield Line(f"    {one.content}", "dim")
    if report.unread:
        yield Line(f"  {counted(report.unread, 'file')} could not be read", "warning")
    if report.versions:
        newest = max(report.versions, key=lambda one: one.snapshots[-1].time)
        yield Line(
            f"synthstore restore STORE --repo {path_word(report.repository)}"
            f" --snapshot {newest.snapshots[-1].id} --id {word(newest.id)} --dry-run",
            "command",
        )


def check_blocks(report: CheckReport, *, verbose: bool, quiet: bool) -> Iterator[Block]:
    """What a check found."""
    if not (quiet and report.clean):
        how = "read in full" if report.read_data else "looked at"
        yield Line(
            f"{report.repository}: {counted(report.snapshots, 'snapshot')},"
            f" {counted(report.packs, 'pack')} {how}, {byte_size(report.bytes)}",
            "head",
        )
    yield from some("", report.problems, "error", verbose=verbose)
    rows = [f"{one.kind} {one.id} ({one.problem})" for one in report.lost]
    yield from some("K001 lost: ", rows, "error", verbose=verbose)
    yield from some("too old: ", report.stale, "error", verbose=verbose)
    if report.clean and not quiet:
        drilled = f"; restored and verified: {', '.join(report.drilled)}" if report.drilled else ""
        where = " in the repository itself" if report.unsound else ""
        yield Line(f"no damage{where}{drilled}", "good")
        return
    if report.overdue:
        yield Line("a backup of each is what is missing; STORE is its directory:")
        yield from _backups(report.repository, report.overdue)
    if report.lost:
        yield from _after_loss(report.repository, report.lost)


def _backups(repository: str, names: Sequence[str | None]) -> Iterator[Block]:
    """The commands that add a snapshot of each name."""
    for name in names[:SHOWN]:
        named = "" if name is None else f" --name {word(name)}"
        yield Line(f"synthstore backup STORE --repo {path_word(repository)}{named}", "command")


def _after_loss(repository: str, lost: Sequence[LostEntity]) -> Iterator[Block]:
    """What can be done: store again what the store may have, else let go of what had the rest."""
    repo = path_word(repository)
    one = next((one for one in lost if one.newest), None)
    if one is not None:
        yield Line(
            f"the next backup of {one.name!r} stores again what its store still has;"
            " STORE is its directory:"
        )
        yield from _backups(repository, [one.name])
        return
    yield Line(
        "no backup brings these back, for the newest snapshot has them no more; all else in the"
        " older ones can be restored, and to let go of these is what ends this:"
    )
    prune = f"synthstore snapshots prune --keep-last 1 --name {word(lost[0].name)}"
    yield Line(f"{prune} --repo {repo} --dry-run", "command")


def prune_blocks(report: PruneReport, *, verbose: bool) -> Iterator[Block]:
    """What stays and by which rule, what goes, and the room that gives."""
    kept = [one for one in report.snapshots if one.because is not None]
    gone = [one for one in report.snapshots if one.because is None]
    verb = "would remove" if report.dry_run else "removed"
    yield Line(
        f"{verb} {counted(len(gone), 'snapshot')}, kept {number(len(kept))};"
        f" {byte_size(report.freed_bytes)} freed",
        "head",
    )
    rows = [
        f"{one.snapshot.id} {one.snapshot.time.strftime(_TIME)} {one.snapshot.name}: {one.because}"
        for one in kept
    ]
    yield from some("keeps ", rows, "plain", verbose=verbose)
    if report.held_back is not None:
        yield Line(f"  data was left where it is: {report.held_back}", "warning")


def diff_blocks(report: DiffReport, *, verbose: bool) -> Iterator[Block]:
    """What it takes to get from A to B."""
    signs = {"added": "+", "removed": "-", "changed": "~"}
    tones: dict[str, Tone] = {"added": "good", "removed": "error", "changed": "warning"}
    yield Line(f"{report.a} to {report.b}", "head")
    shown = report.differences if verbose else report.differences[: 5 * SHOWN]
    for one in shown:
        fields = f": {', '.join(one.fields)}" if one.fields else ""
        yield Line(f"{signs[one.how]} {one.kind} {one.id}{fields}", tones[one.how])
    if len(report.differences) > len(shown):
        yield Line(f"and {number(len(report.differences) - len(shown))} more (-v lists all)", "dim")
    unread = [f"{path}: {why}" for path, why in sorted(report.unread.items())]
    yield from some("could not be read: ", unread, "error", verbose=verbose)
    counts = {how: sum(one.how == how for one in report.differences) for how in signs}
    told = ", ".join(f"{number(count)} {how}" for how, count in counts.items())
    yield Line(f"{told}, {number(report.same)} the same")
