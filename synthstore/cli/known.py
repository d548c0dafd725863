"""The file of ``--known`` and ``--write-known``: findings to keep silent about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from synthstore.checks.report import Report
from synthstore.cli.outputs import put
from synthstore.errors import UsageError
from synthstore.render.documents import known_document
from synthstore.render.json import dumps
from synthstore.store.admission import PRIVATE_FILE
from synthstore.verify import KnownKey, known_key

_MOST = 1 << 28
"""A million findings; a device would never end."""


def read_known(name: str | None) -> frozenset[KnownKey]:
    """(code, subject kind, subject id) triples of a file that ``save_known`` wrote."""
    if name is None:
        return frozenset()
    try:
        with Path(name).open("rb") as stream:
            raw = stream.read(_MOST + 1)
        if len(raw) > _MOST:
            raise UsageError(f"--known: {name} is too large to have been written by verify")
        document = json.loads(raw)
        if document["schema"] != "synthstore/known/1":
            raise UsageError(f"--known: {name} is {document['schema']!r}, not synthstore/known/1")
        return frozenset(_key(item) for item in document["known"])
    except OSError as error:
        raise UsageError(f"--known: {name}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"--known: {name} was not written by verify --write-known") from error


def _key(item: dict[str, dict[str, str]]) -> KnownKey:
    key = (item["code"], item["subject"]["kind"], item["subject"]["id"])
    if not all(isinstance(part, str) for part in key):
        raise TypeError(key)
    return str(key[0]), key[1], key[2]


def save_known(file: Path, known: frozenset[KnownKey], reports: Sequence[Report]) -> None:
    """Write what was found, and what was known already."""
    found = {known_key(finding) for report in reports for finding in report.findings}
    put(file, dumps(known_document(known | found)), PRIVATE_FILE)
