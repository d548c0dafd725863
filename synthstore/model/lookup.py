"""Files looked up by path or entity, though they are kept as columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from operator import lt

from synthstore.model.columns import column_of, each_of, equal_to
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.text_places import TextPlaces, standing_twice


class FilesByPath(Mapping[str, EntityFile]):
    """Files by path, of which none is made before it is asked for."""

    def __init__(self, files: Sequence[EntityFile]) -> None:
        self._files = files

    @cached_property
    def _paths(self) -> list[str]:
        return column_of(self._files, "path")

    @cached_property
    def _places(self) -> Sequence[int]:
        """Where the files stand, in the order of their paths: most times they are in it."""
        paths = self._paths
        if all(map(lt, paths, islice(paths, 1, None))):
            return range(len(paths))
        # Of two with one path the last counts, as in a dict.
        last = {path: place for place, path in enumerate(paths)}
        self._paths[:] = sorted(last)
        return list(map(last.__getitem__, self._paths))

    def place(self, path: str) -> int | None:
        """Where among the files that of a path stands."""
        places = self._places
        at = bisect_left(self._paths, path)
        return places[at] if at < len(places) and self._paths[at] == path else None

    def __contains__(self, path: object) -> bool:
        """Whether there is such a file."""
        return isinstance(path, str) and self.place(path) is not None

    def __getitem__(self, path: str) -> EntityFile:
        """The file of a path."""
        place = self.place(path)
        if place is None:
            raise KeyError(path)
        return self._files[place]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        """Their paths."""
        return iter(self._paths if self._places else ())


class FilesByRef(Mapping[EntityRef, Sequence[EntityFile]]):
    """Whole files by the entity that they bear, of which none is made before it is asked for."""

    def __init__(self, files: Sequence[EntityFile]) -> None:
        self._files = files
        self._kinds: list[Kind] = column_of(files, "kind")
        whole = equal_to(files, "status", FileStatus.WHOLE).tolist()
        ids = each_of(files, "record.id")
        self._ids = [name if sound else None for name, sound in zip(ids, whole, strict=True)]
        self._places = TextPlaces(self._ids)
        self._several: dict[EntityRef, list[int]] = {}
        """Those of ids that stand more than once."""
        twice = standing_twice(self._ids)
        for place, name in enumerate(self._ids if twice else ()):
            if name is not None and name in twice:
                ref = EntityRef(self._kinds[place], name)
                self._several.setdefault(ref, []).append(place)
        self._twice = twice

    def _places_of(self, ref: EntityRef) -> Sequence[int]:
        if ref.id in self._twice:
            return self._several.get(ref, ())
        place = self._places.get(ref.id)
        return () if place is None or self._kinds[place] != ref.kind else (place,)

    def __getitem__(self, ref: EntityRef) -> Sequence[EntityFile]:
        """The files of an entity, at least one, in their order."""
        places = self._places_of(ref)
        if not places:
            raise KeyError(ref)
        return [self._files[place] for place in places]

    def __contains__(self, ref: object) -> bool:
        """Whether any file bears it."""
        return isinstance(ref, EntityRef) and bool(self._places_of(ref))

    def __len__(self) -> int:
        """How many entities there are."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[EntityRef]:
        """The entities, in the order of their first files."""
        return iter(
            dict.fromkeys(
                EntityRef(kind, name)
                for kind, name in zip(self._kinds, self._ids, strict=True)
                if name is not None
            )
        )
