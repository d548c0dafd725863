"""Rules on what stands where in a store (S001 to S009)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from synthstore.checks.finding import Finding, Severity, Subject
from synthstore.checks.found import finding
from synthstore.checks.standing import MOUNTED, lost_folders
from synthstore.layout.names import SUFFIX
from synthstore.model.columns import column_of, equal_to, some_of
from synthstore.model.facts import EntityFile, FileStatus, StrayKind
from synthstore.model.numbers import stands_twice
from synthstore.scan.inventory import Inventory

STORE = Subject("store", ".")
"""Subject of what concerns the store as a whole."""

FRESH_NS = 3_600 * 10**9
"""A temporary file that is younger may have a writer."""

_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", "COM", "LPT"})
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|(?:com|lpt)[1-9\u00b9\u00b2\u00b3])(?:[ .].*)?", re.IGNORECASE | re.DOTALL
)
"""What Windows opens as a device, whatever stands behind a dot."""
_MAY_BE_DEVICE = re.compile(r"/[calnp](?:on|rn|ux|ul|om|pt)", re.IGNORECASE)

SHOWN = 10
"""How many paths a finding names before it only counts them."""


def interrupted_runs(inventory: Inventory) -> Iterator[Finding]:
    """S001: runs committed and not done; info while their owner is alive."""
    for run in inventory.unfinished:
        alive = run.owner_alive
        yield finding(
            "S001",
            Subject("run", run.run),
            None,
            f"a run of {run.command} is committed, but not done"
            + ("; its owner is at work" if alive else ": the store is between two states"),
            evidence={"command": run.command, "owner_alive": alive},
            severity=Severity.INFO if alive else Severity.ERROR,
        )


def leftovers(inventory: Inventory) -> Iterator[Finding]:
    """S002: temporary files older than an hour; ignores younger ones."""
    for stray in inventory.strays:
        age_ns = inventory.now_ns - stray.stat.mtime_ns
        if stray.kind is StrayKind.LEFTOVER and age_ns > FRESH_NS:
            yield finding(
                "S002",
                Subject("file", stray.path),
                stray.path,
                f"a {stray.what} that its writer never finished; nothing reads it",
                evidence={"size": stray.stat.size},
                repair=_OF_BLOCKED if of_blocked(inventory, stray.path) else None,
            )


_OF_BLOCKED = "left: it may be all there is of what cannot stand in its place; see S004"


def of_blocked(inventory: Inventory, path: str) -> bool:
    """Whether a leftover is named for an entity in whose place something else stands (S004).

    There nothing can be healed, and the leftover may be the only copy.
    """
    places = (place.removesuffix(SUFFIX) for place in inventory.irregular)
    return any(path.startswith(f"{place}.") for place in places)


def foreign_files(inventory: Inventory) -> Iterator[Finding]:
    """S003: what is no part of the layout, where entities live."""
    for stray in inventory.strays:
        if stray.kind is StrayKind.FOREIGN:
            yield finding(
                "S003",
                Subject("file", stray.path),
                stray.path,
                f"a {stray.what} that is no part of the layout, where entities live",
                evidence={"size": stray.stat.size},
            )


def irregular_files(inventory: Inventory) -> Iterator[Finding]:
    """S004: links, FIFOs, devices, sockets and directories where an entity file belongs."""
    for stray in inventory.strays:
        if stray.kind is StrayKind.IRREGULAR:
            folder = stray.path in inventory.folders
            belongs = "the folder of entities" if folder else "an entity file"
            yield finding(
                "S004",
                Subject("file", stray.path),
                stray.path,
                f"a {stray.what} where {belongs} belongs; it is never followed or opened",
                evidence={"what": stray.what},
            )


def no_access(inventory: Inventory) -> Iterator[Finding]:
    """S005: what this user may not read, list or write, with the command that would help."""
    for problem in inventory.access:
        yield finding(
            "S005",
            Subject("file", problem.path),
            problem.path,
            problem.message,
            evidence=problem.evidence,
            repair=f"none: {problem.remedy}" if problem.remedy else None,
        )
    told = {problem.path for problem in inventory.access}
    files = inventory.files
    for file in some_of(files, equal_to(files, "status", FileStatus.UNREADABLE)):
        if file.path not in told:
            yield _unreadable(file)


def _unreadable(file: EntityFile) -> Finding:
    stat = file.stat
    return finding(
        "S005",
        Subject("file", file.path),
        file.path,
        f"cannot be read, so nothing is known of its content: {file.problem or 'access denied'}",
        evidence={"uid": stat.uid, "gid": stat.gid, "mode": f"{stat.mode:04o}"},
    )


def name_collisions(inventory: Inventory) -> Iterator[Finding]:
    """S006: entity files of one folder whose names are one name on some other system."""
    paths = column_of(inventory.files, "path")
    text = "\n".join(paths)
    if text.isascii() and text == text.lower():
        return
    # Names that are one have one hash: of millions, the names themselves take too much room.
    hashes = np.fromiter(map(hash, map(_folded, paths)), dtype=np.int64)
    hashes.sort()
    if not stands_twice(hashes):
        return
    folded = list(map(_folded, paths))
    times = Counter(folded)
    groups: dict[str, list[str]] = {key: [] for key, count in times.items() if count > 1}
    for key, path in zip(folded, paths, strict=True):
        if key in groups:
            groups[key].append(path)
    for named in groups.values():
        if named:
            yield finding(
                "S006",
                Subject("file", named[0]),
                named[0],
                f"its name and {len(named) - 1} more would be one on a system that ignores case "
                "or normalises Unicode: a copy there keeps only one of the files",
                evidence={"paths": named[:SHOWN], "count": len(named)},
            )


def names_refused_elsewhere(inventory: Inventory) -> Iterator[Finding]:
    """S006: entity files that Windows takes for a device, or whose ids it would cut short."""
    paths = column_of(inventory.files, "path")
    for path in paths if _may_be_refused(paths) else ():
        refusal = _refusal(path)
        if refusal is not None:
            evidence = {"paths": [path], "count": 1}
            yield finding("S006", Subject("file", path), path, refusal, evidence=evidence)


def _refusal(path: str) -> str | None:
    stem = path.rpartition("/")[2].removesuffix(SUFFIX)
    if stem[:3].upper() in _DEVICES and _DEVICE.fullmatch(stem) is not None:
        return "its name is a device's on Windows: a copy there lacks this file"
    if stem.endswith((".", " ")):
        return "its id ends in a dot or a space, which Windows drops from names"
    return None


def _may_be_refused(paths: Sequence[str]) -> bool:
    """Whether one of the ``paths`` may be refused there: all at once are asked much faster."""
    text = "\n/".join(["", *paths, ""])
    ends = (f"{end}{suffix}\n" for end in ". " for suffix in ("", SUFFIX))
    return _MAY_BE_DEVICE.search(text) is not None or any(end in text for end in ends)


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def hard_links(inventory: Inventory) -> Iterator[Finding]:
    """S007: one finding for all entity files that have several names."""
    links = column_of(inventory.files, "stat.nlink")
    several = max(links, default=1) > 1
    files = zip(column_of(inventory.files, "path"), links, strict=True) if several else ()
    paths = [path for path, names in files if names > 1]
    if paths:
        yield finding(
            "S007",
            STORE,
            None,
            f"{len(paths)} entity files have other names too; a writer in place would change both",
            evidence={"paths": paths[:SHOWN], "count": len(paths)},
        )


def nested_stores(inventory: Inventory) -> Iterator[Finding]:
    """S008: directories that are stores of their own; ignores backups (the scan does)."""
    for stray in inventory.strays:
        if stray.kind is StrayKind.NESTED_STORE:
            yield finding(
                "S008",
                Subject("file", stray.path),
                stray.path,
                "a directory that is a store of its own; it is not looked into",
            )


def lost_entity_folders(inventory: Inventory) -> Iterator[Finding]:
    """S009: a folder missing or empty though rows name files in it; says it once for all rows."""
    for folder, claims in lost_folders(inventory).items():
        state = "empty" if inventory.folders[folder] else "missing"
        yield finding(
            "S009",
            Subject("file", folder or "."),
            folder or ".",
            f"the folder is {state}, but {len(claims)} rows name files in it: {MOUNTED}",
            evidence={"state": state, "ids": [claim.row.id for claim in claims]},
        )
