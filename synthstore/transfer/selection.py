"""Which records are wanted: by id, by kind, by what an expression says of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from synthstore.errors import UsageError
from synthstore.model.ids import Kind
from synthstore.transfer.records import Record

KindChoice = Literal["memory", "assembly", "all"]

_COPY_KEYS = ("embedding", "hyperbolic_embedding")


@dataclass(frozen=True, slots=True)
class Selection:
    """The records that are wanted, and how much of them."""

    where: str | None = None
    """JMESPath over the record; wanted is what it finds something for."""
    ids: frozenset[str] = frozenset()
    """Empty: all."""
    kind: KindChoice = "all"
    embeddings: bool = True

    def require(self) -> None:
        """Raise UsageError for an expression that is none."""
        if self.where is not None:
            _compiled(self.where)

    def wants_kind(self, kind: Kind) -> bool:
        """Whether entities of ``kind`` are wanted at all."""
        return self.kind in ("all", kind)

    def wants(self, record: Record) -> bool:
        """Whether a record is wanted; raises UsageError where the expression does not fit it."""
        if self.ids and record["id"] not in self.ids:
            return False
        if self.where is None:
            return True
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - most exports ask nothing

        try:
            return _says_something(_compiled(self.where).search(record))
        except JMESPathError:
            # Its own words would quote the record.
            raise UsageError(
                f"--where cannot be asked of the {record['kind']} {record['id']}: a function in it"
                " does not take what it finds there",
                hint="ask for the type first, as in: type(name) == 'string' && contains(name, 'x')",
            ) from None

    def trimmed(self, record: Record) -> Record:
        """The record as it is wanted: perhaps without its embeddings."""
        if self.embeddings:
            return record
        kept = {key: value for key, value in record.items() if key not in _DROPPED}
        members = kept.get("members")
        if isinstance(members, list):
            kept["members"] = [_without_vectors(member) for member in members]
        return kept


_DROPPED = frozenset({"embedding", "composite_embedding", "hyperbolic_embedding"})


def _without_vectors(member: object) -> object:
    if not isinstance(member, dict):
        return member
    return {key: value for key, value in member.items() if key not in _COPY_KEYS}


@lru_cache(8)
def _compiled(where: str) -> Any:
    import jmespath  # noqa: PLC0415 - most exports ask nothing
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415

    try:
        return jmespath.compile(where)
    except JMESPathError as error:
        words = " ".join(str(error).split())
        raise UsageError(
            f"--where is no JMESPath expression: {words}", hint="see https://jmespath.org"
        ) from None


def _says_something(found: object) -> bool:
    """Truth as JMESPath has it: empty things and null are false, and a zero is not."""
    if found is None or found is False:
        return False
    return not (isinstance(found, str | list | dict) and not found)
