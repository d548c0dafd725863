"""Files to import: judged against a store, and now and then taken into a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from synthstore.checks.finding import Severity
from synthstore.testing.stores import build
from synthstore.transfer.importing import ImportReport
from tests.fuzz.grounds import Target
from tests.operate import look
from tests.transfers import take_in, write_out

_TAKEN = 16
"""One trial in so many goes on to an import."""


class ImportFile(Target):
    """A file of records in one format, as an export wrote it."""

    def __init__(self, form: str) -> None:
        self._form = form
        self.text = form in ("jsonl", "json", "csv")
        self._folder = Path()
        self._raw: list[bytes] = []
        self._tried = 0

    @property
    def name(self) -> str:
        """How it is chosen."""
        return f"import {self._form}"

    @property
    def _file(self) -> Path:
        return self._folder / f"rows.{self._form}"

    def settle(self, folder: Path) -> None:
        """Export a store, and build another one to import into."""
        self._folder = folder
        source = build("native", folder / "source", memories=3, assemblies=1, dim=4, seed=2)
        build("native", folder / "store", memories=3, assemblies=1, dim=4)
        write_out(source.root, self._file)
        self._raw = [self._file.read_bytes()]

    def seeds(self) -> Sequence[bytes]:
        """The export."""
        return self._raw

    def trial(self, number: int) -> str:
        """One trial; every so many go on."""
        self._tried = number
        return super().trial(number)

    def attempt(self, _: int, raw: bytes) -> str:
        """Rehearse the import; now and then do it, which must leave the store in good order."""
        self._file.write_bytes(raw)
        if self._tried % _TAKEN:
            report = take_in(self._folder / "store", self._file, dry_run=True)
        else:
            report = self._taken()
        whole = not (report.rejected or report.cut)
        return "taken" if whole else "taken in part" if report.inserted else "found: nothing fit"

    def _taken(self) -> ImportReport:
        copy = self._folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._folder / "store", copy)
        report = take_in(copy, self._file)
        errors = [f"{f.code} {f.path}" for f in look(copy).findings if f.severity is Severity.ERROR]
        if errors:
            raise AssertionError(f"the import left {errors}")
        return report
