"""How large a file may be and still be read."""

from __future__ import annotations

from typing import NamedTuple

from synthstore.model.ids import Kind


class Caps(NamedTuple):
    """Size caps in bytes, beyond which a file is not parsed (M011)."""

    memory: int = 16 << 20
    assembly: int = 64 << 20

    def of(self, kind: Kind) -> int:
        """The cap for one kind of entity."""
        return self.memory if kind == "memory" else self.assembly


DEFAULT_CAPS = Caps()
