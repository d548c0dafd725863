"""Man pages in roff, from the described commands and the finding catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from synthstore import __version__
from synthstore.checks.catalogue import CATALOGUE
from synthstore.cli.described import Described, Option
from synthstore.cli.manual import EXIT_CODES
from synthstore.cli.shared import COMMON

FINDINGS = "synthstore-findings"


def pages(commands: Sequence[Described]) -> Mapping[str, str]:
    """Every man page by its path below ``man/``."""
    made = {f"man1/synthstore-{c.name}.1": _text(_command(c)) for c in commands}
    made["man1/synthstore.1"] = _text(_program(commands))
    made[f"man7/{FINDINGS}.7"] = _text(_findings())
    return made


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text that roff takes literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith(".") else text


def _bold(text: str) -> str:
    return f"\\fB{_plain(text)}\\fR"


def _head(name: str, section: int, summary: str) -> Iterator[str]:
    yield f'.TH "{name.upper()}" "{section}" "" "synthstore {__version__}" "synthstore manual"'
    yield from (".SH NAME", f"{_plain(name)} \\- {_plain(summary.rstrip('.'))}")


def _items(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Tagged paragraphs; the tags are roff already, the texts are not."""
    for tag, text in pairs:
        yield from (".TP", tag, _plain(text))


def _program(commands: Sequence[Described]) -> Iterator[str]:
    yield from _head("synthstore", 1, "verify, repair and rebuild memory stores")
    yield from (
        ".SH SYNOPSIS",
        "\\fBsynthstore\\fR \\fICOMMAND\\fR [\\fISTORE\\fR] [\\fIoptions\\fR]",
    )
    yield ".SH COMMANDS"
    yield from _items((f"\\fBsynthstore\\-{_plain(c.name)}\\fR(1)", c.summary) for c in commands)
    yield ".SH EXIT STATUS"
    yield from _items((_bold(str(code)), text) for code, text in EXIT_CODES.items())
    yield ".SH FILES"
    yield from _items([("\\fI~/.config/synthstore/config.toml\\fR", "the user's config file")])
    yield ".SH ENVIRONMENT"
    yield from _items(
        [
            (_bold("SYNTHSTORE_STORAGE_PATH"), "the store, where none is given"),
            (_bold("SYNTHSTORE_CONFIG"), "the config file, where --config does not name one"),
            (_bold("NO_COLOR"), "no ANSI colours"),
        ]
    )
    yield from _see_also(f"synthstore-{command.name}" for command in commands)


def _command(command: Described) -> Iterator[str]:
    yield from _head(f"synthstore-{command.name}", 1, command.summary)
    yield from (".SH SYNOPSIS", _synopsis(command), ".SH DESCRIPTION", _plain(command.summary))
    for paragraph in command.description:
        yield from (".PP", _plain(paragraph))
    if command.arguments:
        yield ".SH ARGUMENTS"
        yield from _items((f"\\fI{_plain(a.name)}\\fR", a.help) for a in command.arguments)
    for group in sorted({option.group for option in command.options}, key=_rank):
        yield f".SH {_plain(group.upper())}"
        options = (option for option in command.options if option.group == group)
        yield from _items((_flags(option), _told(option)) for option in options)
    yield ".SH EXIT STATUS"
    yield from _items((_bold(str(code)), EXIT_CODES[code]) for code in command.manual.exits)
    yield ".SH EXAMPLES"
    yield from _items((_bold(call), what) for call, what in command.manual.examples)
    yield from _see_also(["synthstore"])


def _rank(group: str) -> tuple[bool, bool, str]:
    """The command's own options first, the common ones last."""
    return group == COMMON, group != "Options", group


def _synopsis(command: Described) -> str:
    words = [f"\\fBsynthstore {_plain(command.name)}\\fR", "[\\fIoptions\\fR]"]
    for argument in command.arguments:
        word = f"\\fI{_plain(argument.name)}\\fR"
        word = word if argument.required else f"[{word}]"
        words.append(f"{word}..." if argument.repeatable else word)
    return " ".join(words)


def _flags(option: Option) -> str:
    flags = ", ".join(_bold(flag) for flag in option.flags)
    return f"{flags} \\fI{_plain(option.value)}\\fR" if option.value else flags


def _told(option: Option) -> str:
    default = f" Default: {option.default}." if option.default else ""
    variables = f" Variable: {', '.join(option.variables)}." if option.variables else ""
    return f"{option.help}{default}{variables}"


def _findings() -> Iterator[str]:
    yield from _head(FINDINGS, 7, "what synthstore verify finds, and what repair does about it")
    yield from (".SH DESCRIPTION", "Codes are stable and never reused.")
    for letter, entries in groupby(CATALOGUE.values(), key=lambda entry: entry.code[0]):
        yield f".SS {letter}"
        yield from _items(
            (
                f"{_bold(entry.code)} {_plain(entry.rule)} ({entry.severity.label})",
                f"{entry.summary}. Repair: {entry.repair}.",
            )
            for entry in entries
        )
    yield from _see_also(["synthstore-verify", "synthstore-repair"])


def _see_also(names: Iterable[str]) -> Iterator[str]:
    pages = [f"{_bold(name)}(1)" for name in names] + [f"{_bold(FINDINGS)}(7)"]
    yield from (".SH SEE ALSO", ", ".join(pages))
