"""What is told of each step upon the vectors and the mappings. No I/O."""

from __future__ import annotations

from synthstore.checks.finding import Subject
from synthstore.checks.report import ORPHAN, ORPHAN_OF, Action
from synthstore.checks.vectors import orphans_names
from synthstore.model.ids import EntityRef
from synthstore.scan.inventory import Inventory

INDEX = "index"
REBUILD = "rebuild"

_REASONS = {
    REBUILD: "made anew",
    "V001": "missing",
    "V002": "unreadable; the bad file is kept",
    "V009": "of another dimension than the embeddings",
}
"""Why a whole index is made anew, by the code for which it is."""


class IndexSteps:
    """The actions upon one index, in the order in which they are told."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self.path = inventory.index.path
        self.actions: list[Action] = []

    def of_vector(self, kind: str, owner: EntityRef | None, number: int, because: str) -> None:
        """Tell of a vector, by its owner where there is one."""
        subject = Subject(owner.kind, owner.id) if owner else Subject("vector", str(number))
        self._act(kind, subject, because)

    def orphan_removed(self, number: int) -> None:
        """Tell of a vector that goes as nobody's, and whose a mapping says that it was."""
        name = orphans_names(self._inventory).get(number)
        why = ORPHAN if name is None else f"{ORPHAN_OF}{name}"
        self.of_vector("remove-vector", None, number, why)

    def added(self, ref: EntityRef) -> None:
        """Tell of a vector that an entity gets."""
        self._act("add-vector", Subject(ref.kind, ref.id), "it had none")

    def index_built(self, code: str, embeddings: int) -> None:
        """Tell of an index that is made anew for ``code``."""
        why = f"{_REASONS[code]}; built from {embeddings} embeddings"
        self.index_written(why)

    def index_written(self, because: str) -> None:
        """Tell of an index that is written with what changed in it."""
        self._act("write-index", Subject(INDEX, self.path), because)

    def mapping_written(self, path: str, entries: int) -> None:
        """Tell of a mapping file."""
        why = f"{entries} entries, in step with the index"
        self._act("write-mapping", Subject("mapping", path), why, path)

    def _act(self, kind: str, subject: Subject, because: str, path: str | None = None) -> None:
        self.actions.append(Action(kind, subject, path or self.path, because=because))
