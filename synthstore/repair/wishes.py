"""What the operator allows a repair to touch; one predicate that every decision asks."""

from __future__ import annotations

from dataclasses import dataclass, field

SAFE_CODES = frozenset(
    {"S001", "C001", "C004", "C007", "C008", "M002", "A002"}
    | {"V001", "V002", "V003", "V004", "V005", "V006", "V007", "V008", "V009", "V010", "V011"}
)
"""What ``--safe`` may do without asking, since nothing can be lost by it."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The choice of codes and entities that one repair may act on."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    accept: tuple[str, ...] = ()
    """Codes whose damaged state is to be taken as the truth."""
    accept_all: bool = False
    safe: bool = False
    allow_shrink: bool = False
    moved: frozenset[str] = field(default_factory=frozenset)
    """Paths that changed while we looked: their entities are left alone."""

    @property
    def everything(self) -> bool:
        """Whether nothing that can be mended is left out."""
        limits = (self.select, self.ignore, self.ids, self.safe, self.moved)
        return not any(limits)

    def wants(self, code: str, subject: str, path: str | None = None) -> bool:
        """Whether the damage ``code`` of ``subject`` may be mended."""
        if self.safe and code not in SAFE_CODES:
            return False
        if path is not None and path in self.moved:
            return False
        if self.select and not code.startswith(self.select):
            return False
        if self.ignore and code.startswith(self.ignore):
            return False
        return not self.ids or subject in self.ids or self._is_part(code)

    def wants_explicitly(self, code: str, subject: str) -> bool:
        """Whether ``code`` was named in full: for what is left alone otherwise."""
        return code in self.select and self.wants(code, subject)

    def accepts(self, code: str, subject: str) -> bool:
        """Whether the operator takes the damaged state of ``subject`` as the truth."""
        return code.startswith(self.accept) if self.accept and self._named(subject) else False

    def _named(self, subject: str) -> bool:
        return self.accept_all or subject in self.ids

    @staticmethod
    def _is_part(code: str) -> bool:
        # Parts that no entity can name: they are made right around the entities chosen.
        return code in {"C001", "C002", "C004", "V001", "V002", "V006", "V007", "V008", "V010"}
