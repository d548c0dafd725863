"""The entities used last, each good only while its file is the one that it was read from."""

from __future__ import annotations

from collections import OrderedDict

from synthstore.model.entities import Entity, copy_entity
from synthstore.model.ids import EntityRef
from synthstore.persistence.folds import Identity


class Cache:
    """At most ``size`` entities; the one not used for longest goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[EntityRef, tuple[str, Identity, Entity]] = OrderedDict()
        self.hits = self.misses = 0

    def __len__(self) -> int:
        return len(self._held)

    def path(self, ref: EntityRef) -> str | None:
        """Where the entity's file was, absolute; None where it is not held."""
        held = self._held.get(ref)
        return None if held is None else held[0]

    def get(self, ref: EntityRef, now: Identity) -> Entity | None:
        """A copy of the entity, if its file is still the one that it was read from."""
        held = self._held.get(ref)
        if held is None or held[1] != now:
            self.misses += 1
            return None
        self.hits += 1
        self._held.move_to_end(ref)
        twin: Entity = copy_entity(held[2])
        return twin

    def put(self, ref: EntityRef, path: str, now: Identity, entity: Entity) -> None:
        """Hold a copy of ``entity``."""
        if not self._size:
            return
        if entity.ref.kind == "memory":
            _freeze(getattr(entity, "embedding", None))
        else:
            _freeze(getattr(entity, "composite_embedding", None))
        self._held[ref] = path, now, copy_entity(entity)
        self._held.move_to_end(ref)
        while len(self._held) > self._size:
            self._held.popitem(last=False)

    def drop(self, ref: EntityRef) -> None:
        """Forget one entity."""
        self._held.pop(ref, None)

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()


def _freeze(array: object) -> None:
    # Copies share the array: whoever wrote into his would change everybody's.
    if array is not None:
        array.flags.writeable = False  # type: ignore[attr-defined]
