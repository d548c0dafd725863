"""Words of command lines that are shown to be copied into a shell."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def word(text: str) -> str:
    """``text`` as one word, on one line whatever is in it.

    What cannot be printed is spelt in ``$'...'``, as bash, zsh, ksh and POSIX since 2024 have it.
    """
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_spelt, text)) + "'"


def cited(line: str) -> str:
    """A command line within a sentence, to be copied from there.

    In backquotes: its words may be quoted themselves, and with those hardly one is.
    """
    return f"`{line}`"


def path_word(path: Path | str) -> str:
    """A path as one word, which no command takes for an option."""
    text = str(path)
    return word(f"./{text}" if text.startswith("-") else text)


def _spelt(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
