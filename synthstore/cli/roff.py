"""The few requests of roff that the man pages are written with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from synthstore import __version__

_WIDTH = 76

DATE = "2026-11-25"
"""Of this version's manual; a clock would make every page stale the day after."""


def page(lines: Iterable[str]) -> str:
    """The text of a page."""
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Text that roff takes literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith(".") else text


def filled(text: str) -> str:
    """Literal text over as many short lines as it takes."""
    lines = wrap(plain(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in lines)


def bold(text: str) -> str:
    """Literal text in bold, as for what is to be typed."""
    return f"\\fB{plain(text)}\\fR"


def italic(text: str) -> str:
    """Literal text in italics, as for what stands for something else."""
    return f"\\fI{plain(text)}\\fR"


def head(name: str, section: int, summary: str) -> Iterator[str]:
    """The title and the NAME section; ``summary`` is a sentence."""
    source = f'"synthstore {__version__}" "synthstore manual"'
    yield f'.TH "{name.upper()}" "{section}" "{DATE}" {source}'
    summary = summary[:1].lower() + summary[1:].rstrip(".")
    yield from (".SH NAME", filled(f"{name} - {summary}"))


def items(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Tagged paragraphs; the tags are roff already, the texts are not."""
    for tag, text in pairs:
        yield from (".TP", tag, filled(text))


def paragraph(text: str) -> Iterator[str]:
    """A paragraph of literal text."""
    yield from (".PP", filled(text))


def verbatim(lines: Iterable[str]) -> Iterator[str]:
    """Lines that keep their breaks and spaces."""
    yield from (".PP", ".nf", ".RS 4", *(plain(line) for line in lines), ".RE", ".fi")


def see_also(names: Iterable[str]) -> Iterator[str]:
    """The last section; names as in ``synthstore(1)``."""
    yield ".SH SEE ALSO"
    yield ", ".join(f"{bold(name[:-3])}{name[-3:]}" for name in names)
