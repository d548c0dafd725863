"""Files looked up by path, though they are kept as columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from operator import lt

from synthstore.model.columns import column_of
from synthstore.model.facts import EntityFile


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
