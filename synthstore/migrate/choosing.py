"""Which entities another layout can take as they are, and why it cannot take the others. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from synthstore.checks.catalogue import twin
from synthstore.checks.frozen import frozen_refs
from synthstore.checks.standing import Claim, Fate, Standing, standing
from synthstore.layout.base import Layout
from synthstore.migrate.report import FINISHED, Left
from synthstore.model.facts import EntityFile, FileStatus, StrayKind
from synthstore.model.ids import EntityRef, id_problem, vector_id
from synthstore.scan.inventory import Inventory

_SEALED = {
    FileStatus.OPAQUE: "M010",
    FileStatus.OVERSIZE: "M011",
    FileStatus.UNREADABLE: "S005",
    FileStatus.TORN: "M003",
    FileStatus.INCOMPLETE: "M007",
    FileStatus.EMPTY: "M009",
}

Rewrites = Callable[[EntityRef, EntityFile], bool]
"""Whether an entity's document has to be spelt anew for the other layout."""


class Moving(NamedTuple):
    """One entity on its way."""

    ref: EntityRef
    file: EntityFile
    path: str
    """Where the new layout puts it."""


class Movements(Mapping[EntityRef, Moving]):
    """Entities on their way, in their order; what is told of each is made when it is asked for."""

    def __init__(
        self, refs: Iterable[EntityRef], files: Mapping[EntityRef, EntityFile], target: Layout
    ) -> None:
        self._refs = dict.fromkeys(refs)
        self._files, self._target = files, target

    def __getitem__(self, ref: EntityRef) -> Moving:
        """One of them."""
        if ref not in self._refs:
            raise KeyError(ref)
        return Moving(ref, self._files[ref], self._target.path_for(ref))

    def __contains__(self, ref: object) -> bool:
        """Whether it is one of them."""
        return ref in self._refs

    def __iter__(self) -> Iterator[EntityRef]:
        """Each in turn."""
        return iter(self._refs)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._refs)


@dataclass(frozen=True, slots=True)
class Choice:
    """What goes, and what is left."""

    moving: Movements
    left: tuple[Left, ...]


def choose(inventory: Inventory, target: Layout, rewrites: Rewrites) -> Choice:
    """Sort the entities of ``inventory`` out for ``target``."""
    chooser = _Chooser(inventory, target, rewrites)
    moving = Movements(chooser.chosen, chooser.stand.standing_file, target)
    return Choice(moving, tuple(chooser.left))


class _Chooser:
    def __init__(self, inventory: Inventory, target: Layout, rewrites: Rewrites) -> None:
        self.target, self.rewrites = target, rewrites
        self.stand: Standing = standing(inventory)
        self.frozen = frozen_refs(inventory)
        self.chosen: dict[EntityRef, None] = {}
        self.taken: set[str] = set()
        """Paths, vector names and flat ids that are given away."""
        for ref in sorted(self.stand.standing_file):
            self._consider(ref, self.stand.standing_file[ref])
        self.left = [*self._refused, *_damaged(self.stand), *_strays(inventory)]

    @property
    def _refused(self) -> Iterator[Left]:
        for ref, file in self.stand.standing_file.items():
            if ref not in self.chosen:
                code, because = self._why_not(ref, file) or ("M012", "its name is taken there")
                yield _left(code, ref, file.path, because)

    def _consider(self, ref: EntityRef, file: EntityFile) -> None:
        if self._why_not(ref, file) is not None:
            return
        path = self.target.path_for(ref)
        names = {path, f"vector {vector_id(ref)}"}
        if self.target.name != "native":
            # A flat catalog has one row an id, whatever kind it is of.
            names.add(f"row {ref.id}")
        if names.isdisjoint(self.taken):
            self.taken |= names
            self.chosen[ref] = None

    def _why_not(self, ref: EntityRef, file: EntityFile) -> tuple[str, str] | None:
        """The finding's code, and a sentence part."""
        if ref in self.stand.doomed:
            return FINISHED, "its deletion had begun"
        if ref in self.frozen:
            return "M004", "its bytes are not those that its row is of"
        if file.status is not FileStatus.WHOLE:
            return _SEALED.get(file.status, "S005"), file.problem or "it cannot be read as JSON"
        problem = id_problem(ref.id, kind=ref.kind, native=self.target.name == "native")
        if problem is not None:
            return "M012", f"its id {problem}"
        if file.rigid and self.rewrites(ref, file):
            return "M010", f"it cannot be spelt anew: {', '.join(file.rigid)}"
        return None


def _damaged(stand: Standing) -> Iterator[Left]:
    """Files that no entity can be taken from, and rows that no file answers."""
    for ref, file in stand.hurt.items():
        yield _left(_SEALED[file.status], ref, file.path, file.problem or "damaged")
    for path, ref in stand.losers.items():
        yield _left("M006", ref, path, "another file stands for its id")
    for claim in stand.claims:
        if _is_lost(claim, stand):
            yield _left("M001", claim.ref, claim.path, "listed, but its file is missing")


def _left(code: str, ref: EntityRef, path: str | None, because: str) -> Left:
    told = twin(code, ref.kind) if code.startswith("M") else code
    return Left(told, ref.kind, ref.id, path, because)


def _is_lost(claim: Claim, stand: Standing) -> bool:
    absent = claim.fate in (Fate.MISSING, Fate.UNSEEN, Fate.OUTSIDE)
    return absent and claim.file is None and claim.ref not in stand.doomed


def _strays(inventory: Inventory) -> Iterator[Left]:
    for stray in inventory.strays:
        if stray.kind is StrayKind.IRREGULAR:
            yield Left("S004", "file", stray.path, stray.path, f"it is a {stray.what}")
    for problem in inventory.access:
        yield Left("S005", "file", problem.path, problem.path, problem.message)
