"""What is wrong with a store of which a snapshot was taken."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthstore.backup.report import LookedAt
from synthstore.checks.finding import Severity
from synthstore.layout.base import Layout
from synthstore.model.catalog import Catalog, column_at
from synthstore.model.digests import are_digests
from synthstore.progress import Progress
from synthstore.repository.file_rows import FileRows
from synthstore.repository.path_column import PathColumn

if TYPE_CHECKING:
    from synthstore.verify import KnownKey, Look


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    by_code: Mapping[str, int]
    errors: int
    """How many errors nobody had called known."""
    vectors: int
    look: LookedAt = "quick"


@dataclass(frozen=True, slots=True)
class Claims:
    """What the catalog says that files are, but for those of which a change is pending."""

    paths: PathColumn = field(default_factory=PathColumn)
    """Ascending."""
    objects: bytes = b""
    """The sha256 of each, one after the other."""

    @classmethod
    def of(cls, claims: Iterable[tuple[str, str]]) -> Claims | None:
        """The same as columns; None where a path or a sha256 can be none."""
        paths, hashes = list(zip(*sorted(claims), strict=True)) or [(), ()]
        if not are_digests(hashes):
            return None
        try:
            return cls(PathColumn(paths), bytes.fromhex("".join(hashes)))
        except ValueError:
            return None

    def hold(self, rows: FileRows) -> bool:
        """Whether none of ``rows`` is of a file that is not as they say."""
        places = rows.paths.places(self.paths)
        found = places >= 0
        objects = np.frombuffer(self.objects, rows.table["object"].dtype)
        return bool((objects[found] == rows.table["object"][places[found]]).all())


@dataclass(frozen=True, slots=True)
class Glance:
    """What a quick look shows."""

    verdict: Verdict
    claims: Claims | None
    """None where they are of no use."""

    def is_of(self, rows: FileRows) -> bool:
        """Whether all files are as the catalog has them: else only a full look tells how."""
        return self.claims is not None and not rows.hurt and self.claims.hold(rows)


@dataclass(frozen=True, slots=True)
class Judge:
    """Looks at one store."""

    root: Path
    layout: Layout
    severities: Mapping[str, Severity]
    known: frozenset[KnownKey]
    """Findings that are no damage."""
    jobs: int | None

    def glance_apart(self) -> Glance:
        """As ``glance``, for a process that does nothing else."""
        seen: list[Glance] = []

        async def glance() -> None:
            # Not returned: asyncio spells out what its main task returns.
            seen.append(await self.glance())

        asyncio.run(glance())
        return seen[0]

    async def glance(self, progress: Progress | None = None) -> Glance:
        """Look at all but the content of the entity files."""
        seen = await self._look(progress, quick=True)
        verdict, catalog = self._verdict(seen), seen.inventory.catalog.catalog
        # Little is left to be done, but that takes its own room.
        del seen
        return Glance(verdict, Claims() if catalog is None else Claims.of(self._claims(catalog)))

    async def verdict(self, progress: Progress) -> Verdict:
        """Look at everything."""
        verdict = self._verdict(await self._look(progress, quick=False))
        return replace(verdict, look="full")

    async def _look(self, progress: Progress | None, *, quick: bool) -> Look:
        # An unchanged store is not looked at, and need not wait for all that a look imports.
        from synthstore.verify import LookOptions, look  # noqa: PLC0415

        options = LookOptions(quick=quick, jobs=self.jobs, severities=self.severities)
        return await look(self.root, self.layout, options, progress)

    def _verdict(self, seen: Look) -> Verdict:
        from synthstore.verify import known_key  # noqa: PLC0415

        codes = Counter(finding.code for finding in seen.findings)
        errors = sum(
            finding.severity is Severity.ERROR and known_key(finding) not in self.known
            for finding in seen.findings
        )
        return Verdict(dict(sorted(codes.items())), errors, seen.inventory.index.ntotal)

    def _claims(self, catalog: Catalog) -> Iterator[tuple[str, str]]:
        """The path and the sha256 of each row that has them."""
        from synthstore.store.changes import read_log  # noqa: PLC0415

        pending = read_log(self.root).last
        rows, places = catalog.rows, range(len(catalog.rows))
        columns = (column_at(rows, name, places) for name in ("kind", "id", "path", "content_hash"))
        for kind, entity_id, path, sha256 in zip(*columns, strict=True):
            if path and sha256 and (kind, entity_id) not in pending:
                yield path, sha256
