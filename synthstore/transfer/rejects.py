"""The file of the rows that an import refused."""

from __future__ import annotations

from synthstore.files.jsonio import ParseFailure, Style, dump, parse
from synthstore.transfer.outcomes import Refused


def reject_line(one: Refused) -> bytes:
    """A refused row as one line of JSON: where it was, why it was refused, its id, and itself."""
    head: dict[str, object] = {"line": one.number, "reason": one.reason}
    if one.id is not None:
        head["id"] = one.id
    return dump({**head, **_quoted(one.source)}, Style("orjson", None)) + b"\n"


def _quoted(source: bytes | None) -> dict[str, object]:
    if source is None:
        return {}
    try:
        parsed = parse(source)
    except ParseFailure:
        return {"text": source.decode("utf-8", "backslashreplace")}
    whole = not parsed.nan and not parsed.rigid
    return {"row": parsed.value} if whole else {"text": source.decode("utf-8", "backslashreplace")}
