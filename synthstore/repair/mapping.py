"""The mapping for a given state of the index, and which files must be written. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from synthstore.model.embedding import IdArray
from synthstore.model.entries import Entries
from synthstore.model.facts import MappingFacts, PartStatus
from synthstore.model.text_places import standing_twice
from synthstore.repair.state import Basis


def stale_mappings(
    basis: Basis, entries: Mapping[str, int], *, index_written: bool
) -> tuple[str, ...]:
    """Paths of the mapping files that do not hold ``entries``.

    Memory Cores write one name and read another, so all that exist are kept in step, and where one
    is written the primary one is there afterwards.
    """
    found = basis.inventory.mappings
    paths = [
        mapping.path
        for mapping in found
        if mapping.path not in basis.closed and _stale(basis, mapping, entries, index_written)
    ]
    primary = basis.inventory.layout.mapping_paths[0]
    if (paths or index_written) and primary not in {mapping.path for mapping in found}:
        paths.insert(0, primary)
    return tuple(paths)


def _stale(
    basis: Basis, mapping: MappingFacts, entries: Mapping[str, int], index_written: bool
) -> bool:
    sound = not (mapping.duplicate_keys or mapping.bad_entries or mapping.encoding)
    if sound and mapping.entries is not None and mapping.entries == entries:
        return False
    if mapping.status is PartStatus.MISSING and not entries:
        return False
    readable = mapping.status is PartStatus.OK and mapping.encoding is None
    code = "V007" if readable else "V006"
    return index_written or basis.wishes.wants(code, mapping.path, mapping.path)


def entries_of(
    names: Sequence[str | None],
    old: IdArray,
    ids: IdArray,
    believed: Mapping[str, int],
) -> Mapping[str, int]:
    """The mapping of vectors that had the numbers ``old`` and now have ``ids``.

    ``names`` are those of their owners, ``believed`` is the mapping that there was.
    """
    known = [name for name in names if name is not None]
    if len(known) == len(names) and not standing_twice(known):
        return Entries.of(known, ids)
    named = {name: n for name, n in zip(names, ids.tolist(), strict=True) if name is not None}
    # Vectors that no entity owns but that stay keep the name that the mapping gives them.
    alone = [at for at, name in enumerate(names) if name is None]
    orphans = dict(zip(old[alone].tolist(), ids[alone].tolist(), strict=True))
    if not orphans:
        return named
    left = ((name, orphans[n]) for name, n in believed.items() if n in orphans)
    return {**{name: n for name, n in left if name not in named}, **named}
