"""What is wrong with a store of which a snapshot was taken."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthstore.checks.finding import Severity
from synthstore.layout.base import Layout
from synthstore.model.catalog import column
from synthstore.progress import Progress
from synthstore.repository.manifest import FileRow

if TYPE_CHECKING:
    from synthstore.verify import KnownKey, Look


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    by_code: Mapping[str, int]
    errors: int
    """How many errors nobody had called known."""
    vectors: int


@dataclass(frozen=True, slots=True)
class Glance:
    """What a quick look shows."""

    verdict: Verdict
    hashes: Mapping[str, str]
    """The sha256 that the catalog has of a file, by path, where no change of it is pending."""

    def is_of(self, files: Iterable[FileRow]) -> bool:
        """Whether all ``files`` are as the catalog has them: else only a full look tells how."""
        wanted = self.hashes.get
        return all(not f.state and f.sha256 == (wanted(f.path) or f.sha256) for f in files)


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
        return Glance(self._verdict(seen), self._hashes(seen))

    async def verdict(self, progress: Progress) -> Verdict:
        """Look at everything."""
        return self._verdict(await self._look(progress, quick=False))

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

    def _hashes(self, seen: Look) -> Mapping[str, str]:
        from synthstore.store.changes import read_log  # noqa: PLC0415

        catalog = seen.inventory.catalog.catalog
        pending = read_log(self.root).last
        if catalog is None:
            return {}
        columns = (column(catalog.rows, name) for name in ("kind", "id", "path", "content_hash"))
        return {
            path: sha256
            for kind, entity_id, path, sha256 in zip(*columns, strict=True)
            if path and sha256 and (kind, entity_id) not in pending
        }
