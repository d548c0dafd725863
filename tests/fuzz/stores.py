"""A store's own files: verified in full, and now and then repaired and verified again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built, build
from tests.fuzz.grounds import Target
from tests.operate import look, mend

_LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")
_MENDED = 16
"""One trial in so many goes on to a repair."""


@dataclass(frozen=True, slots=True)
class _Place:
    store: Path
    file: Path
    raw: bytes


class StoreFile(Target):
    """One file of a small store, in each of three layouts."""

    text = True

    def __init__(self, part: str) -> None:
        self._part = part
        self.text = part != "index"
        # Whatever is no Flat index is read by a child process.
        self.alone = part == "index"
        self._places: list[_Place] = []
        self._folder = Path()
        self._tried = 0

    @property
    def name(self) -> str:
        """How it is chosen."""
        return self._part

    def settle(self, folder: Path) -> None:
        """Build the stores."""
        self._folder = folder
        for layout in _LAYOUTS:
            built = build(layout, folder / layout, memories=3, assemblies=1, dim=4)
            file = _file(built, self._part)
            self._places.append(_Place(built.root, file, file.read_bytes()))

    def seeds(self) -> Sequence[bytes]:
        """The file in each layout."""
        return [place.raw for place in self._places]

    def trial(self, number: int) -> str:
        """One trial; every so many go on."""
        self._tried = number
        return super().trial(number)

    def attempt(self, which: int, raw: bytes) -> str:
        """Verify; now and then repair a copy."""
        place = self._places[which]
        place.file.write_bytes(raw)
        try:
            if self._tried % _MENDED == 0:
                return self._mended(place)
            return "found" if look(place.store).findings else "nothing found"
        finally:
            place.file.write_bytes(place.raw)

    def _mended(self, place: _Place) -> str:
        copy = self._folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(place.store, copy)
        report = mend(copy)
        left = look(copy)
        if {f.code for f in left.findings} != {f.code for f in report.findings}:
            raise AssertionError(f"repair said {report.findings}, verify {left.findings}")
        return "repaired" if not left.findings else "repaired in part"


def _file(built: Built, part: str) -> Path:
    parts = {
        "catalog": built.catalog,
        "mapping": built.mapping,
        "index": built.index,
        "memory": built.file(built.memories[0]),
        "assembly": built.file(built.assemblies[0]),
    }
    return parts[part]
