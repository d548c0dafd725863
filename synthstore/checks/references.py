"""Rules on what assemblies say of their members and of each other (A020 to A023)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from itertools import chain

from synthstore.checks.agreement import agreeing
from synthstore.checks.composites import Composite, unlike
from synthstore.checks.finding import Finding
from synthstore.checks.found import finding, once
from synthstore.checks.frozen import frozen_refs
from synthstore.checks.pairing import pairs_of
from synthstore.checks.standing import standing
from synthstore.model.columns import column_of, equal_to, some_of
from synthstore.model.facts import EntityFile, FileStatus, Record
from synthstore.model.ids import EntityRef, id_problem
from synthstore.scan.inventory import EmbeddingTable, Inventory


@once
def _assemblies(inventory: Inventory) -> tuple[tuple[EntityRef, EntityFile, Record], ...]:
    """Whole assemblies that stand; not those frozen or about to go."""
    # Most stores have few, and many none: for them no table of all entities needs to be made.
    are = equal_to(inventory.files, "kind", "assembly")
    if not are.any():
        return ()
    if agreeing(inventory):
        files = some_of(inventory.files, are)
        read = ((file.ref, file, file.record) for file in files)
        return tuple((ref, file, rec) for ref, file, rec in read if ref and rec)
    stand = standing(inventory)
    out = frozen_refs(inventory) | stand.doomed
    return tuple(
        (ref, file, file.record)
        for ref, file in stand.standing_file.those(are)
        if ref.kind == "assembly"
        and file.status is FileStatus.WHOLE
        and file.record is not None
        and ref not in out
    )


def members_dangling(inventory: Inventory) -> Iterator[Finding]:
    """A020: members without a file and without a row (which would be M001), each member once."""
    for ref, file, record, member in _dangling(inventory):
        copied = member in record.embedded
        copies = "it holds a copy of it" if copied else "nothing here holds a copy of it"
        homeless = _homeless(inventory, EntityRef("memory", member))
        yield finding(
            "A020",
            ref,
            file.path,
            f"its member {member} is no memory of this store; {copies}",
            evidence={
                "member": member,
                "embedded_copy": copied,
                "row": False,
                "deleted": EntityRef("memory", member) in inventory.deleted,
            },
            repair=None if copied and homeless is None else f"left: {homeless or copies}",
        )


def _homeless(inventory: Inventory, ref: EntityRef) -> str | None:
    """Why no file could be given to an entity that has none; None if one could."""
    layout = inventory.layout
    problem = id_problem(ref.id, kind=ref.kind, native=layout.name == "native")
    if problem is not None:
        return f"no file is given to its id, which {problem}"
    path = layout.home(ref)
    if path is None:
        return f"no file is given to its id: {layout.path_for(ref)} would be none of a {ref.kind}"
    other = inventory.by_path.get(path)
    taken = path in inventory.irregular or (other is not None and other.ref not in (None, ref))
    return "something else stands in the place of its file" if taken else None


def _dangling(inventory: Inventory) -> Iterator[tuple[EntityRef, EntityFile, Record, str]]:
    assemblies = _assemblies(inventory)
    wanted = {member for *_, record in assemblies for member in record.members}
    absent = wanted - _present(inventory, wanted)
    for ref, file, record in assemblies if absent else ():
        members = dict.fromkeys(record.members)
        yield from ((ref, file, record, member) for member in members if member in absent)


def _present(inventory: Inventory, wanted: Collection[str]) -> set[str]:
    """Those of the ``wanted`` ids whose memories have a file or a row, and were not deleted."""
    if not wanted:
        return set()
    pairs = pairs_of(inventory)
    known = standing(inventory).known if pairs is None else zip(pairs.kinds, pairs.ids, strict=True)
    found = {entity_id for kind, entity_id in known if kind == "memory" and entity_id in wanted}
    return found - {ref.id for ref in inventory.deleted if ref.kind == "memory"}


def composites_differing(inventory: Inventory) -> Iterator[Finding]:
    """A021: composites unlike both the mean of their members and that of the members' directions.

    Ignores assemblies with a member that is missing, frozen, without a valid embedding, or of
    another dimension.
    """
    for table in inventory.tables.values():
        found = list(_composites(inventory, table))
        for at, cosine in unlike(table.matrix, [composite for _, _, composite in found]):
            ref, file, composite = found[at]
            yield finding(
                "A021",
                ref,
                file.path,
                "its composite embedding is not the mean of its members' embeddings",
                evidence={"cosine": round(cosine, 6), "members": len(composite.members)},
            )


def _composites(
    inventory: Inventory, table: EmbeddingTable
) -> Iterator[tuple[EntityRef, EntityFile, Composite]]:
    """Composites in ``table`` of which all members have an embedding there."""
    assemblies = _assemblies(inventory)
    paths = _paths_of(inventory, {m for *_, record in assemblies for m in record.members})
    wanted = {*paths.values(), *(file.path for _, file, _ in assemblies)}
    row_of = {path: row for row, path in enumerate(table.paths) if path in wanted} if wanted else {}
    for ref, file, record in assemblies:
        rows = (row_of.get(paths.get(member, "")) for member in record.members)
        members = [row for row in rows if row is not None]
        if file.path in row_of and members and len(members) == len(record.members):
            yield ref, file, Composite(row_of[file.path], members)


def _paths_of(inventory: Inventory, ids: Collection[str]) -> dict[str, str]:
    """The paths of those memories that stand and are not frozen."""
    if not ids:
        return {}
    pairs = pairs_of(inventory)
    if pairs is not None and agreeing(inventory):
        found = zip(pairs.kinds, pairs.ids, column_of(pairs.files, "path"), strict=True)
        return {i: path for kind, i, path in found if kind == "memory" and i in ids}
    files, frozen = standing(inventory).standing_file, frozen_refs(inventory)
    paths = column_of(inventory.files, "path")
    usual = zip(files.usual.kinds, files.usual.ids, paths, strict=True)
    others = ((ref.kind, ref.id, file.path) for ref, file in files.others.items())
    return {
        i: path
        for kind, i, path in chain(usual, others)
        if i is not None and i in ids and kind == "memory" and EntityRef(kind, i) not in frozen
    }


def merges_looping(inventory: Inventory) -> Iterator[Finding]:
    """A022: assemblies merged from themselves, at once or by a detour; each loop once."""
    merged = {ref.id: record.merged_from for ref, _, record in _assemblies(inventory)}
    paths = {ref.id: file.path for ref, file, _ in _assemblies(inventory)}
    for loop in _loops(merged):
        detour = f", by way of {len(loop) - 1} others" if len(loop) > 1 else ""
        yield finding(
            "A022",
            EntityRef("assembly", loop[0]),
            paths[loop[0]],
            f"its history says that it was merged from itself{detour}",
            evidence={"ids": list(loop)},
        )


def _loops(merged: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The sets of ids that can all reach each other, and themselves."""
    knotted = _knotted({name: sources for name, sources in merged.items() if sources})
    ahead = {name: _reached(merged, name) for name in knotted}
    return sorted(
        {
            tuple(sorted(other for other in ahead[name] if name in ahead.get(other, ())))
            for name in knotted
            if name in ahead[name]
        }
    )


def _knotted(merged: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Ids that no order from sources to merged reaches: those on loops, and behind them."""
    order = TopologicalSorter(merged)
    with suppress(CycleError):
        order.prepare()
        return set()
    reached: set[str] = set()
    # The sorter still gives all that comes before the loops.
    while ready := order.get_ready():
        reached.update(ready)
        order.done(*ready)
    return set(merged) - reached


def _reached(sources: Mapping[str, tuple[str, ...]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = list(sources.get(start, ()))
    while waiting:
        found = waiting.pop()
        if found not in reached:
            reached.add(found)
            waiting.extend(sources.get(found, ()))
    return reached


def members_as_strings(inventory: Inventory) -> Iterator[Finding]:
    """A023: bare ids as members, in core layouts only."""
    if not inventory.layout.name.startswith("core"):
        return
    for ref, file, record in _assemblies(inventory):
        if record.string_members:
            yield finding(
                "A023",
                ref,
                file.path,
                "its members are bare ids: the newest Memory Core erases them at its next save",
                evidence={"members": len(record.members)},
            )
