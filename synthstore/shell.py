"""Words of command lines that are shown to be copied into a shell."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Sequence
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


AGAIN = "synthstore ..."
"""The very command that is running, to whoever does not know its words; the command line does."""


def in_full(text: str, args: Sequence[str]) -> str:
    """``text`` with the words of the command that runs in the place of ``AGAIN``."""
    return text.replace(AGAIN, " ".join(["synthstore", *map(word, args)]))


def as_owner(uid: int) -> str:
    """The command that runs this one once more, as the user that a file belongs to."""
    name = owner_name(uid)
    return cited(f"sudo -u {word(f'#{uid}' if name == str(uid) else name)} {AGAIN}")


def owner_name(uid: int) -> str:
    """The name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


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
