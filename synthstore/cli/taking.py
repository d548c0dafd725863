"""Values of parameters that are right as they stand, and are taken without being checked.

typer has pydantic check each value, even one that nobody gave, and to import pydantic takes longer
than to read a thousand entities. Nearly all values are texts, or defaults of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, get_args, get_origin


def take_plain_values(params: Iterable[Any]) -> None:
    """Let each of ``params`` take what needs no check; all else is checked as ever."""
    for param in params:
        param.process_value = partial(_processed, param, param.process_value)


def _processed(param: Any, checked: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    """As ``checked``, which is the parameter's own ``process_value``."""
    if not _is_right(param, value):
        return checked(ctx, value)
    if param.multiple or param.nargs == -1:
        value = () if value is None else list(value)
    return value if param.callback is None else param.callback(ctx, param, value)


def _is_right(param: Any, value: Any) -> bool:
    """Whether a check would only give ``value`` back."""
    if value is None or value is param.default:
        return value is not None or not param.required
    # What another version of typer may call otherwise: then all is checked as ever.
    annotation = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    if annotation == list[str]:
        return isinstance(value, list | tuple) and all(map(_is_text, value))
    if get_origin(annotation) is Literal:
        return isinstance(value, str) and value in get_args(annotation)
    return annotation is str and _is_text(value)


def _is_text(value: object) -> bool:
    # What an argument holds beyond ASCII may be no text at all.
    return isinstance(value, str) and value.isascii()
