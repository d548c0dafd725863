"""Entities and their files, of which those of usual ones are made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping, Sequence
from heapq import merge
from itertools import chain
from operator import itemgetter

from synthstore.checks.parting import Usual
from synthstore.model.columns import Bools, some_of
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef


class BesideUsual(Collection[EntityRef]):
    """Entities, the usual ones among them made anew for everybody who goes through them."""

    def __init__(self, usual: Usual, others: Collection[EntityRef]) -> None:
        self.usual, self._others = usual, others

    def __contains__(self, ref: object) -> bool:
        """Whether it is one of them."""
        return ref in self._others or self.usual.has(ref)

    def __len__(self) -> int:
        """How many there are."""
        return self.usual.count + len(self._others)

    def __iter__(self) -> Iterator[EntityRef]:
        """Each in turn."""
        return chain(self.usual.refs(), self._others)


class FilesBesideUsual(BesideUsual, Mapping[EntityRef, EntityFile]):
    """The file of each entity; those of usual ones are made when they are asked for."""

    def __init__(self, usual: Usual, others: dict[EntityRef, EntityFile]) -> None:
        super().__init__(usual, others)
        self.others = others

    def __getitem__(self, ref: EntityRef) -> EntityFile:
        """The file of an entity."""
        file = self.others.get(ref)
        if file is not None:
            return file
        place = self.usual.place(ref)
        if place is None:
            raise KeyError(ref)
        return self.usual.files[place]


class StandingFiles(FilesBesideUsual):
    """The file that stands for each entity."""

    def __init__(
        self,
        usual: Usual,
        others: dict[EntityRef, EntityFile],
        spots: Sequence[tuple[bool, int]],
    ) -> None:
        super().__init__(usual, others)
        self._spots = spots
        """Whether each of the others is sealed, and where it stands: by that they are in order."""

    def items(self) -> ItemsView[EntityRef, EntityFile]:
        """All entities with their files."""
        return _Items(self)

    def those(self, wanted: Bools) -> Iterator[tuple[EntityRef, EntityFile]]:
        """The usual ones among the ``wanted`` of all files, and all that are not usual."""
        usual = self.usual.only(wanted)
        files = some_of(usual.files, usual.are)
        return chain(zip(usual.refs(), files, strict=True), self.others.items())

    def only(self, wanted: Bools, other: Callable[[EntityRef, EntityFile], bool]) -> StandingFiles:
        """The usual ones among the ``wanted`` of all files, and the others that are wanted so."""
        each = zip(self._spots, self.others.items(), strict=True)
        left = [(spot, item) for spot, item in each if other(*item)]
        spots = [spot for spot, _ in left]
        return StandingFiles(self.usual.only(wanted), dict(item for _, item in left), spots)

    def in_order(self) -> Iterator[tuple[EntityRef, EntityFile]]:
        """As ``items``, which has this."""
        others = list(zip(self._spots, self.others.items(), strict=True))
        for sealed in (False, True):
            mine = (entry for entry in others if entry[0][0] is sealed)
            yield from map(itemgetter(1), merge(self._usual(sealed), mine, key=itemgetter(0)))

    def _usual(
        self, sealed: bool
    ) -> Iterator[tuple[tuple[bool, int], tuple[EntityRef, EntityFile]]]:
        for at, file in enumerate(self.usual.files):
            ref = self.usual.ref(at)
            if ref is not None and file.status.sealed is sealed:
                yield (sealed, at), (ref, file)


class _Items(ItemsView[EntityRef, EntityFile]):
    _mapping: StandingFiles

    def __iter__(self) -> Iterator[tuple[EntityRef, EntityFile]]:
        return self._mapping.in_order()


class KnownRefs(BesideUsual):
    """Entities that have a file or a row."""

    def __init__(self, usual: Usual, others: frozenset[EntityRef]) -> None:
        super().__init__(usual, others)
        self.others = others
