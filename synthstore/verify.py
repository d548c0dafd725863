"""Look at a store and say what is wrong with it; strictly read-only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from synthstore.checks.catalogue import CATALOGUE, IN_FILES, IN_REPOSITORIES
from synthstore.checks.finding import Finding, Severity
from synthstore.checks.registry import check, speaks_of
from synthstore.checks.report import Counts, Report
from synthstore.checks.standing import standing
from synthstore.errors import UsageError
from synthstore.files.walk import look as stat_path
from synthstore.files.walk import stat_of
from synthstore.layout.base import Layout
from synthstore.model.columns import column_of, equal_to, some_of
from synthstore.model.facts import FileStatus
from synthstore.progress import Progress
from synthstore.scan.inventory import Inventory
from synthstore.scan.known import NOTHING, Known
from synthstore.scan.scanner import ScanOptions, scan
from synthstore.scan.shard import DEFAULT_CAPS, Caps
from synthstore.shell import cited, path_word, word
from synthstore.store.evidence import recognise
from synthstore.store.opening import Clock, find_root

if TYPE_CHECKING:
    from synthstore.rot import Newest

LOOKS = 3
"""How often a store that moves is looked at before its findings are believed."""

PAUSE_SECONDS = 0.3
"""Between two looks: time for a writer to finish what it had begun."""

_STRINGS = "A023"
"""Members that the newest Memory Core would erase: no repair embeds them, but a migration does."""

LEFT = "left:"
"""So begins what is said of a finding that no repair mends, though it mends others of its code."""

REFUSED = "refused:"
"""So of one for which a repair would not begin."""

KnownKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookOptions:
    """What to look for in a store, and what to call clean."""

    quick: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    fail_on: Severity | None = Severity.WARNING
    """Findings at or above it make the report unclean; None: none does."""
    known: frozenset[KnownKey] = frozenset()
    """(code, subject kind, subject id) of findings to keep silent about."""
    subset: tuple[int, int] | None = None
    jobs: int | None = None
    cluster: str | None = None
    """The address of a Dask scheduler."""
    severities: Mapping[str, Severity] = field(default_factory=dict)
    layout: str | None = None
    caps: Caps = DEFAULT_CAPS
    index_hash: bool = True
    held: bool = False
    """Both as ``ScanOptions`` has them."""
    against: Newest | None = None
    """The newest snapshots, that files are held against."""

    @property
    def asked(self) -> tuple[str, ...]:
        """The options that say how the store is read and what it is held against, to be shown."""
        snapshots = () if self.against is None else self.against.words(self.against.places)
        return snapshots if self.layout is None else (*snapshots, "--layout", self.layout)

    @property
    def scan(self) -> ScanOptions:
        """How far the scan looks."""
        return ScanOptions(
            quick=self.quick,
            subset=self.subset,
            jobs=self.jobs,
            cluster=self.cluster,
            caps=self.caps,
            index_hash=self.index_hash,
            held=self.held,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """One settled look at a store."""

    inventory: Inventory
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """A report, and the look that it tells of."""

    root: Path
    """The store, links resolved."""
    inventory: Inventory
    report: Report


async def verify(store: Path, options: LookOptions, progress: Progress | None = None) -> Report:
    """Verify the store at ``store``.

    Raises NotAStoreError, NewerFormatError or PermissionDeniedError where it cannot look.
    """
    # Whoever only looks replaces no index, and to hash it takes longer than to read it.
    options = replace(options, index_hash=False)
    return (await examine("verify", store, options, progress)).report


async def examine(
    command: str, store: Path, options: LookOptions, progress: Progress | None = None
) -> Examined:
    """As ``verify``, for a ``command`` that tells more of what was seen than its findings."""
    require_visible(options)
    clock = Clock()
    root = find_root(store)
    layout = await asyncio.to_thread(recognise, root, options.layout)
    seen = await look(root, layout, options, progress)
    require_known(seen, options.ids)
    shown = tuple(f for f in seen.findings if known_key(f) not in options.known)
    report = Report(
        command=command,
        store=str(store),
        layout=layout.name,
        quick=options.quick,
        complete=is_complete(seen.inventory, options),
        started_at=clock.started_at,
        elapsed_seconds=clock.elapsed(),
        clean=is_clean(shown, options.fail_on),
        silenced=len(seen.findings) - len(shown),
        next=next_command(store, shown, options.asked),
        counts=counts_of(seen.inventory),
        findings=shown,
    )
    return Examined(root, seen.inventory, report)


def require_visible(options: LookOptions) -> None:
    """Raise UsageError for a choice of which the look finds nothing, whatever the store is like."""
    hidden = IN_REPOSITORIES | (IN_FILES if options.quick else frozenset())
    for prefix in options.select:
        meant = {code for code in CATALOGUE if code.startswith(prefix)}
        if meant <= IN_REPOSITORIES:
            raise UsageError(
                f"{prefix} is about a repository, not about a store",
                hint=f"{cited('synthstore snapshots check --repo REPO')} looks for it",
            )
        if meant <= hidden:
            raise UsageError(
                f"a quick look reads no files, so it cannot find {prefix}",
                hint="leave out --quick, or choose other codes",
            )


def require_known(seen: Look, ids: frozenset[str]) -> None:
    """Raise UsageError for an id that nothing bears: a slip of the pen must not read as healthy."""
    unknown = [i for i in sorted(ids) if not any(speaks_of(f, i) for f in seen.findings)]
    if not unknown:
        return
    known = {ref.id for ref in standing(seen.inventory).known}
    records = (file.record for file in seen.inventory.files if file.record is not None)
    known.update(member for record in records for member in record.members)
    known.update(*(mapping.entries or () for mapping in seen.inventory.mappings))
    if not known.issuperset(unknown):
        named = ", ".join(repr(i) for i in unknown if i not in known)
        raise UsageError(
            f"no file, row or member of this store has the id {named}",
            hint="ids are those of the catalog, not file names",
        )


async def look(
    root: Path,
    layout: Layout,
    options: LookOptions,
    progress: Progress | None = None,
    known: Known = NOTHING,
) -> Look:
    """Scan and check; what looks wrong while the store moves is looked at again.

    What is ``known`` from a look just before, and has not moved, is not read again.
    """
    before = await asyncio.to_thread(_fingerprint, root, layout)
    seen = await _look_once(root, layout, options, progress, known)
    for _ in range(LOOKS - 1):
        if all(finding.severity is Severity.INFO for finding in seen.findings):
            break
        now = await asyncio.to_thread(_fingerprint, root, layout)
        if now == before and not await asyncio.to_thread(_has_moved, root, seen.inventory):
            break
        await asyncio.sleep(PAUSE_SECONDS)
        before = await asyncio.to_thread(_fingerprint, root, layout)
        again = await _look_once(root, layout, options, progress)
        seen = Look(again.inventory, _in_both(seen.findings, again.findings))
    return seen


async def _look_once(
    root: Path,
    layout: Layout,
    options: LookOptions,
    progress: Progress | None,
    known: Known = NOTHING,
) -> Look:
    inventory = await scan(root, layout, options.scan, progress, known)
    if options.against is not None:
        gainsaid = await asyncio.to_thread(options.against.gainsaid, root, inventory)
        inventory = replace(inventory, gainsaid=gainsaid)
    findings = await asyncio.to_thread(
        check,
        inventory,
        select=options.select,
        ignore=options.ignore,
        ids=options.ids,
        severities=options.severities,
    )
    return Look(inventory, tuple(findings))


def _in_both(first: Sequence[Finding], second: Sequence[Finding]) -> tuple[Finding, ...]:
    seen = {finding.sort_key for finding in first}
    return tuple(finding for finding in second if finding.sort_key in seen)


def _fingerprint(root: Path, layout: Layout) -> tuple[object, ...]:
    """Whatever a writer cannot help but move: folders, catalog, index, mappings."""
    names = (*layout.entity_folders, layout.catalog_path, layout.faiss_path, *layout.mapping_paths)
    entries = [stat_path(root, name) for name in names if name]
    stats = [None if entry is None else entry.stat for entry in entries]
    top = stat_of(root.stat())
    return tuple(
        None if stat is None else (stat.inode, stat.size, stat.mtime_ns) for stat in (top, *stats)
    )


def _has_moved(root: Path, inventory: Inventory) -> bool:
    """Whether a file that looked hurt has changed since: to write in place moves no folder."""
    hurt = equal_to(inventory.files, "status", *(s for s in FileStatus if s.hurt))
    for file in some_of(inventory.files, hurt):
        entry = stat_path(root, file.path)
        if entry is None or entry.stat != file.stat:
            return True
    return False


def known_key(finding: Finding) -> KnownKey:
    """The key under which a finding can be silenced."""
    return (finding.code, finding.subject.kind, finding.subject.id)


def is_clean(findings: Sequence[Finding], fail_on: Severity | None) -> bool:
    """Whether nothing stands at or above the threshold."""
    return fail_on is None or all(finding.severity < fail_on for finding in findings)


def is_complete(inventory: Inventory, options: LookOptions) -> bool:
    """Whether every part was looked at that was meant to be."""
    closed = FileStatus.UNREADABLE in column_of(inventory.files, "status") or inventory.access
    missed = options.against is not None and options.against.unread
    return not (closed or missed or options.subset)


def counts_of(inventory: Inventory) -> Counts:
    """Entity files found, vectors in the index, and the bytes of all parts."""
    parts = [inventory.catalog.stat, inventory.index.stat, *(m.stat for m in inventory.mappings)]
    size = sum(column_of(inventory.files, "stat.size")) + sum(
        s.size for s in parts if s is not None
    )
    return Counts(
        memories=inventory.count("memory"),
        assemblies=inventory.count("assembly"),
        vectors=inventory.index.ntotal,
        bytes=size,
    )


def next_command(
    store: Path, findings: Sequence[Finding], asked: Sequence[str] = (), *, left: bool = False
) -> str | None:
    """The exact next command, the one that loses least; None where none would do anything.

    ``asked``: the options that say how the store is read and what it is to be healed from.
    ``left``: a repair that was free to do all it can has left these, and would leave them again.
    """
    command = " ".join(["synthstore repair", path_word(store), *asked])
    if not left and any(_mended_by_repair(finding) for finding in findings):
        return f"{command} --dry-run"
    if any(_recovered_if_asked(finding) for finding in findings):
        return f"{command} --select A020 --dry-run"
    rotten = next(filter(_taken_if_accepted, findings), None)
    if rotten is not None:
        return f"{command} --accept {rotten.code} --id={word(rotten.subject.id)} --dry-run"
    if any(finding.code == _STRINGS for finding in findings):
        return f"synthstore migrate {path_word(store)} --in-place --layout core-4 --dry-run"
    return None


def _recovered_if_asked(finding: Finding) -> bool:
    """Whether an assembly holds the copy of a member that is gone and that nobody deleted."""
    told = finding.evidence
    copied = bool(told.get("embedded_copy")) and not finding.repair.startswith(LEFT)
    return finding.code == "A020" and copied and not told["deleted"]


def _taken_if_accepted(finding: Finding) -> bool:
    """Whether only the operator can say that these bytes are right."""
    rotten = finding.severity > Severity.INFO and finding.code in ("M004", "A004")
    # A snapshot goes on to gainsay a file that was taken as it is.
    return rotten and "snapshot" not in finding.evidence


def _mended_by_repair(finding: Finding) -> bool:
    mended = CATALOGUE[finding.code].repairs and not finding.repair.startswith((LEFT, REFUSED))
    return mended and finding.severity > Severity.INFO
