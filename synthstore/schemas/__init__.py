"""JSON Schemas of every document that ``--json`` prints, and what their numbers promise.

A document names its schema, such as ``synthstore/report/1``. Within a number keys are only ever
added, and finding codes, rules, action and error kinds too: who reads one ignores what it does not
know. What is required stays there, with its type and its meaning. Where that cannot be kept, the
document gets the next number, a schema file of its own, and a line in the changelog; the old file
stays for those who kept old documents. Times are UTC and end in ``Z``, sizes are bytes.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def names() -> tuple[str, ...]:
    """Every schema by the name that documents bear, such as ``synthstore/report/1``."""
    return tuple(
        sorted(str(_read(entry.name)["properties"]["schema"]["const"]) for entry in _entries())
    )


def load(name: str) -> dict[str, Any]:
    """The schema of documents whose ``schema`` is ``name``; raises FileNotFoundError if none is."""
    _, stem, number = name.split("/")
    return _read(f"{stem}-{number}.json")


def _entries() -> list[Any]:
    return [entry for entry in files(__name__).iterdir() if entry.name.endswith(".json")]


def _read(file_name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((files(__name__) / file_name).read_text("utf-8"))
    return document
