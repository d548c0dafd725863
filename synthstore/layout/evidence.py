"""What tells one layout from another, gathered before any layout is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from synthstore.layout.core import Core
from synthstore.layout.names import are_plain_names, is_entity_name, is_leftover, is_plain_name
from synthstore.layout.native import Native

Item = TypeVar("Item")

SAMPLE_SIZE = 50
"""At most so many entity files are looked into."""

ROWS_LOOKED_AT = 1000
"""Rows whose keys are asked for their layout."""

ENTITY_FOLDERS = ("", "memories", "assemblies")
"""Where any layout may keep entities, ``""`` for the root."""

VECTOR_PATHS = (Native.faiss_path, *Native.mapping_paths, Core.faiss_path, *Core.mapping_paths)

TELLING_KEYS = ("memories", "filepath", "path", "quickrecal", "significance")
"""Keys by which even a torn catalog betrays its layout."""

IN_MEMORIES = "memories/"
"""Counted among them: paths that begin so."""

_PARTS = frozenset({Native.catalog_path, *Core.mapping_paths})

MISSING = "is missing"
"""What ``catalog_problem`` says of a catalog that is not there."""


def entity_names(names: Sequence[str]) -> Sequence[str]:
    """Those of the ``names`` of files that could be an entity's in some layout."""
    if are_plain_names(names) and _PARTS.isdisjoint(names):
        return names
    return [name for name in names if _may_be_entity(name)]


def _may_be_entity(name: str) -> bool:
    belongs = is_plain_name(name) or (is_entity_name(name) and not is_leftover(name))
    return belongs and name not in _PARTS


def spread(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most ``most`` of ``items``, evenly spread."""
    return items[:: max(1, -(-len(items) // most))]


@dataclass(frozen=True, slots=True)
class Sample:
    """The keys of one entity file; of a torn one, as many as could be made out."""

    path: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a directory shows of its layout; every part may be missing."""

    where: str
    """The directory, for messages."""
    catalog: Mapping[str, object] | None = None
    """The parsed catalog, if it is an object."""
    catalog_problem: str | None = None
    """Why there is no catalog; None only where there is one."""
    catalog_keys: Mapping[str, int] = field(default_factory=dict)
    """How often TELLING_KEYS and IN_MEMORIES occur in a catalog that does not parse."""
    folders: frozenset[str] = frozenset()
    """Names of the directories in the root."""
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names of the files that may be entities, by the folder of ENTITY_FOLDERS, sorted."""
    samples: Iterable[Sample] = ()
    """Who gathers these and ``files`` may do so only as they are asked for: most stores tell what
    they are by their catalog and the names of their vectors."""
    vectors: frozenset[str] = frozenset()
    """Those of VECTOR_PATHS that exist."""
    bare_index: bool = False
    """Whether the core layouts' index is a Flat one without ids."""

    @property
    def section(self) -> Mapping[str, object] | None:
        """The object ``memories`` of a nested catalog; None for a flat one."""
        found = (self.catalog or {}).get("memories")
        # A flat catalog may have a memory of that name.
        return found if isinstance(found, dict) and "path" not in found else None

    @property
    def rows(self) -> list[Mapping[str, object]]:
        """The catalog's rows of memories, or of everything where it is flat."""
        values = (self.catalog or {}) if self.section is None else self.section
        return [row for row in values.values() if isinstance(row, dict)]

    @property
    def some_rows(self) -> Sequence[Mapping[str, object]]:
        """At most ROWS_LOOKED_AT of ``rows``, evenly spread."""
        return spread(self.rows, ROWS_LOOKED_AT)

    def names(self, folder: str) -> Sequence[str]:
        """Names of the files in ``folder`` that may be entities."""
        return self.files.get(folder, ())

    def seen(self) -> str:
        """All of it in one line, for people."""
        return "; ".join(self._seen()) or "nothing that belongs to a store"

    def _seen(self) -> Iterator[str]:
        if self.catalog is not None:
            yield f"a {Native.catalog_path} of {len(self.catalog)} keys"
        elif self.catalog_problem is not None:
            yield f"{Native.catalog_path} {self.catalog_problem}"
        if self.folders:
            yield "folders " + ", ".join(sorted(self.folders)[:10])
        for folder, names in self.files.items():
            if names:
                yield f"{len(names)} JSON files in {folder + '/' if folder else 'the root'}"
        if self.vectors:
            yield ", ".join(sorted(self.vectors))
