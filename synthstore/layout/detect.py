"""Which layout a store has: each piece of evidence has a vote, and a tie is the operator's.

A catalog that parses, or torn as it may be, and the keys of the entity files weigh two each, the
names of vector files one; only where none of them speaks do the entities' names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from synthstore.errors import NewerFormatError, NotAStoreError, UsageError
from synthstore.layout import ancestors
from synthstore.layout.ancestors import TYPED
from synthstore.layout.base import OWN_FOLDER, Layout
from synthstore.layout.core import Core, Core2, Core3, Core4
from synthstore.layout.evidence import IN_MEMORIES, Evidence
from synthstore.layout.lucidia import Lucidia0, Lucidia1
from synthstore.layout.names import UUID_NAME
from synthstore.layout.native import MAJOR, Native, major
from synthstore.shell import cited, path_word

Family = Literal["native", "core", "lucidia"]

SUPPORTED: Mapping[str, type[Layout]] = {
    layout.name: layout for layout in (Native, Core4, Core3, Core2, Lucidia1, Lucidia0)
}
"""Layouts by name."""

_CORE_NAME = re.compile(r"(mem_|asm[-_])[0-9a-f]{12}\.json")
_CORE_CONTENT = frozenset({"content", "embedding", "quickrecal_score", "composite_embedding"})
_WEIGHT_OF_KEYS = 2
_POSITIONAL_MAPPING = "id_to_index_mapping.json"
_HINT = f"check the path, or say what it is with --layout {', '.join(SUPPORTED)}"


def detect(evidence: Evidence, forced: str | None = None) -> Layout:
    """The layout that ``evidence`` speaks for; ``forced`` (``--layout``) settles what it leaves.

    Raises NewerFormatError for a newer major version, and NotAStoreError for the typed layout, for
    no evidence, for a tie, and where ``forced`` goes against all there is.
    """
    _refuse_newer(evidence)
    if forced is not None and forced not in SUPPORTED:
        hint = f"--layout takes one of {', '.join(SUPPORTED)}"
        raise UsageError(f"no layout is called {forced!r}", hint=hint)
    votes = _votes(evidence, all_of_them=forced is not None)
    if _is_typed(evidence, votes):
        raise NotAStoreError(
            f"{evidence.where}: layout {TYPED} is not supported",
            hint="it is left untouched: its rows name files by absolute paths, a folder a type",
        )
    return SUPPORTED[
        _told(evidence, votes) if forced is None else _forced(evidence, votes, forced)
    ]()


def _is_typed(evidence: Evidence, votes: Counter[Family]) -> bool:
    """Whether the typed layout speaks, and no younger one louder than by the key ``id``."""
    others = _by_catalog(evidence) or _by_vectors(evidence) or ("native" in votes)
    return ancestors.is_typed(evidence) and (evidence.catalog is not None or not others)


def _refuse_newer(evidence: Evidence) -> None:
    metadata = (evidence.catalog or {}).get("metadata")
    if not isinstance(metadata, dict) or "path" in metadata:
        return
    version = str(metadata.get("version", ""))
    number = major(version)
    if number is not None and number > MAJOR:
        raise NewerFormatError(
            f"{evidence.where} is of format {version[:40]}; this version knows {MAJOR}.x",
            hint="it is left untouched; use a newer synthstore",
        )


def _forced(evidence: Evidence, votes: Counter[Family], forced: str) -> str:
    family = _family(forced)
    other = next((f for f in votes if f != family), None)
    if other is not None and not votes[family]:
        raise NotAStoreError(
            f"{evidence.where} is no {forced} store, all evidence is for {other}: "
            f"{evidence.seen()}",
            hint="--layout settles only what the evidence leaves open; leave it out",
        )
    return forced


def _family(name: str) -> Family:
    return "native" if name == "native" else "core" if name.startswith("core") else "lucidia"


def _records_of(store: str) -> str:
    listing = cited(f"synthstore undo {path_word(store)} --list")
    return (
        f"it holds only records of changes: {listing} shows runs that can be taken back, an undo "
        "among them; if there are none, run the import that never came to be once more, or see "
        "whether a disk is not mounted"
    )


def _told(evidence: Evidence, votes: Counter[Family]) -> str:
    ranked = (votes or _by_names(evidence)).most_common()
    if not ranked:
        only_records = evidence.folders == {OWN_FOLDER} and not evidence.names("")
        raise NotAStoreError(
            f"{evidence.where} is not a storage directory: {evidence.seen()}",
            hint=_records_of(evidence.where) if only_records else _HINT,
        )
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        tied = sorted(_WRITERS[name] for name, count in ranked if count == ranked[0][1])
        raise NotAStoreError(
            f"{evidence.where} may be {' or '.join(tied)}: {evidence.seen()}", hint=_HINT
        )
    first = ranked[0][0]
    if first == "lucidia":
        return ancestors.era(evidence)
    return "native" if first == "native" else _era(evidence)


_WRITERS: Mapping[Family, str] = {
    "native": "native",
    "core": "a Memory Core's",
    "lucidia": "an ancestor's of the Memory Core",
}


def _votes(evidence: Evidence, *, all_of_them: bool) -> Counter[Family]:
    """The weight of each family; unless ``all_of_them`` are asked for, as soon as one has won."""
    votes: Counter[Family] = Counter()
    _vote(votes, 2, _by_catalog(evidence))
    _vote(votes, 1, _by_vectors(evidence))
    settled = len(votes) == 1 and votes.total() > _WEIGHT_OF_KEYS
    if all_of_them or not settled:
        # Files are listed and read for it.
        _vote(votes, _WEIGHT_OF_KEYS, _by_keys(evidence))
    return votes


def _vote(votes: Counter[Family], weight: int, family: Family | None) -> None:
    if family is not None:
        votes[family] += weight


def _by_catalog(evidence: Evidence) -> Family | None:
    if ancestors.by_catalog(evidence):
        return "lucidia"
    if evidence.catalog is None:
        keys = evidence.catalog_keys
        flat = not (keys.get("memories") or keys.get("significance"))
        return _most(native=keys.get("filepath", 0), core=keys.get("path", 0) if flat else 0)
    metadata = evidence.catalog.get("metadata")
    if evidence.section is not None or (isinstance(metadata, dict) and "memory_count" in metadata):
        return "native"
    rows = evidence.some_rows
    core = sum(1 for row in rows if "path" in row)
    return "core" if core and 2 * core >= len(rows) else None


def _by_keys(evidence: Evidence) -> Family | None:
    native = core = old = 0
    for sample in evidence.samples:
        if ancestors.wrote(sample):
            old += 1
        elif "id" in sample.keys:
            core += not _CORE_CONTENT.isdisjoint(sample.keys)
        else:
            native += not {"memory_id", "assembly_id"}.isdisjoint(sample.keys)
    return _most(native=native, core=core, lucidia=old)


def _by_vectors(evidence: Evidence) -> Family | None:
    native = sum(1 for path in evidence.vectors if path.startswith("vector_index/"))
    core = len(evidence.vectors) - native
    if not native and "vector_index" in evidence.folders:
        native = 1
    return None if native and core else _most(native=native, core=core)


def _by_names(evidence: Evidence) -> Counter[Family]:
    everywhere = [name for names in evidence.files.values() for name in names]
    votes: Counter[Family] = Counter()
    votes["core"] = sum(1 for name in everywhere if _CORE_NAME.fullmatch(name))
    votes["native"] = sum(1 for name in evidence.names("memories") if UUID_NAME.fullmatch(name))
    votes["lucidia"] = ancestors.named(evidence)
    return +votes


def _most(**found: int) -> Family | None:
    """The family with most of something; None for a tie."""
    votes: Counter[Family] = Counter()
    votes.update(found)  # type: ignore[arg-type]
    (first, most), (_, next_most), *_ = [*votes.most_common(), ("native", 0)]
    return None if most == next_most else first


def _era(evidence: Evidence) -> str:
    if _is_newest(evidence):
        return "core-4"
    return "core-2" if _positional(evidence) else "core-3"


def _is_newest(evidence: Evidence) -> bool:
    """Whether most memories are in ``memories/``: by the rows, else by the files themselves."""
    torn = evidence.catalog_keys
    for inside, outside in (
        _rows_by_place(evidence),
        (len(evidence.names("memories")), len(evidence.names(""))),
        (torn.get(IN_MEMORIES, 0), torn.get("quickrecal", 0)),
    ):
        if inside != outside:
            return inside > outside
    return "memories" in evidence.folders or _is_begun(evidence)


def _is_begun(evidence: Evidence) -> bool:
    """Whether there is nothing but an empty catalog and a mapping, as of a store just begun."""
    empty = evidence.catalog == {} and not any(evidence.files.values())
    mappings = evidence.vectors <= set(Core4.mapping_paths) - {_POSITIONAL_MAPPING}
    return empty and mappings and evidence.folders <= {OWN_FOLDER}


def _rows_by_place(evidence: Evidence) -> tuple[int, int]:
    """How many memory rows name a file in ``memories/``, and how many one in the root."""
    paths = [row.get("path") for row in evidence.rows]
    named = [path for path in paths if isinstance(path, str)]
    inside = sum(1 for path in named if path.startswith(IN_MEMORIES))
    return inside, sum(1 for path in named if "/" not in path)


def _positional(evidence: Evidence) -> bool:
    """Whether ids are positions: a bare index, or only the mapping that lists positions.

    That mapping survives in younger stores too, and is the only one there when the other got lost.
    """
    if evidence.bare_index:
        return True
    mappings = evidence.vectors & set(Core.mapping_paths)
    return mappings == {_POSITIONAL_MAPPING} and not _younger(evidence)


def _younger(evidence: Evidence) -> bool:
    """Whether anything is there that no Memory Core of the second era wrote."""
    keys = any("quickrecal_updated" in sample.keys for sample in evidence.samples)
    return keys or any(name.startswith("asm-") for name in evidence.names("assemblies"))
