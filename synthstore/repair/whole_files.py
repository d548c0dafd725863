"""Files that are taken as the truth: usual ones as they stand, and others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from synthstore.checks.parting import Usual
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef


class WholeFiles(Mapping[EntityRef, EntityFile]):
    """Whole files by the entity that they bear; no entity is in both parts."""

    def __init__(self, usual: Usual) -> None:
        self.usual = usual
        """Those that nothing is done about; each is made when it is asked for."""
        self.own: dict[EntityRef, EntityFile] = {}
        """All others."""

    def __getitem__(self, ref: EntityRef) -> EntityFile:
        """The file of an entity."""
        file = self.own.get(ref)
        if file is not None:
            return file
        place = self.usual.place(ref)
        if place is None:
            raise KeyError(ref)
        return self.usual.files[place]

    def __setitem__(self, ref: EntityRef, file: EntityFile) -> None:
        """Take a file that is not among the usual ones."""
        self.own[ref] = file

    def __contains__(self, ref: object) -> bool:
        """Whether the entity has one."""
        return ref in self.own or self.usual.has(ref)

    def __len__(self) -> int:
        """How many there are."""
        return self.usual.count + len(self.own)

    def __iter__(self) -> Iterator[EntityRef]:
        """Their entities."""
        yield from self.usual.refs()
        yield from self.own
