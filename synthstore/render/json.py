"""A document as JSON text: strict, UTF-8, and safe to show on a terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import orjson

from synthstore.render.text import printable_json

_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def dumps(document: Mapping[str, object]) -> str:
    """The document with a newline at its end; numbers that JSON lacks become null."""
    try:
        text = orjson.dumps(document, option=_OPTIONS, default=str).decode()
    except TypeError:
        # orjson takes no lone surrogates and no integers beyond 64 bits; both occur in damage.
        text = json.dumps(_finite(document), indent=2, default=str)
    return printable_json(text) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
