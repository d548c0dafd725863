"""Every damage by name: what was done, what must be said, what repair must leave."""

from __future__ import annotations

from synthstore.testing.damages import (
    bodies,
    catalog,
    contents,
    misplaced,
    several,
    shapes,
    structure,
    vectors,
)
from synthstore.testing.damages.model import Damage, How, entity

__all__ = ["BY_NAME", "DAMAGES", "Damage", "How", "entity"]

DAMAGES: tuple[Damage, ...] = (
    *structure.DAMAGES,
    *misplaced.DAMAGES,
    *catalog.DAMAGES,
    *bodies.DAMAGES,
    *shapes.DAMAGES,
    *contents.DAMAGES,
    *vectors.DAMAGES,
    *several.DAMAGES,
)

BY_NAME = {damage.name: damage for damage in DAMAGES}
