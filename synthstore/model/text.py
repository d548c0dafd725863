"""The words of an entity, for people to know it by."""

from __future__ import annotations

_KEYS = ("content", "text", "name", "description")
"""Under which layouts keep words that people wrote."""
_EXCERPT = 160


def text_of(document: object) -> str | None:
    """All words of a parsed entity document; None where it is no object."""
    if not isinstance(document, dict):
        return None
    texts = [document.get(key) for key in _KEYS]
    return " — ".join(text for text in texts if isinstance(text, str) and text)


def excerpt(text: str) -> str:
    """The beginning of a text."""
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"
