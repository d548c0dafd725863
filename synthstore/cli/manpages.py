"""Man pages in roff, from the described commands and the finding catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from synthstore.checks.catalogue import CATALOGUE
from synthstore.cli.described import Described, Option
from synthstore.cli.manual import EXIT_CODES
from synthstore.cli.roff import bold, filled, head, italic, items, page, plain, see_also, verbatim
from synthstore.cli.shared import COMMON
from synthstore.cli.storagepage import STORAGE, storage

FINDINGS = "synthstore-findings"


_WHAT = (
    "Finds all damage in the storage directory of a Synthians Memory Core, mends what can be mended"
    " from copies that survive, never invents anything, and can take every change back, byte for"
    " byte. Results go to stdout, all else to stderr. With --json a command prints exactly one JSON"
    " document, errors included."
)
_CONFIGURATION = (
    "The config file is TOML: the one that --config names, else $SYNTHSTORE_CONFIG, else the"
    " user's own; never one from the store or the current folder. A key that is not known is an"
    " error. The command line goes before variables, and these before the file."
)
_CONFIG_FILE = (
    "[store]",
    'storage_path = "/data/store"   # where no store is given',
    "index_backup_count = 3         # copies of the catalog that are kept",
    "backup_interval = 3600         # seconds between two of them",
    "auto_repair = true             # the library, at open",
    "flush_threshold = 20           # the library: changes between two fsyncs of its log",
    "cache_size = 1000              # the library: entities",
    "chunk_size = 1000              # the library: entities at once",
    "[severity]",
    'E004 = "info"                  # a severity by finding code',
    "[verify]",
    'fail-on = "error"              # options by command',
)
_FILES = (
    ("~/.config/synthstore/config.toml", "the user's config file"),
    ("STORE/.synthstore/", "locks, runs that can be undone, quarantine"),
)
_ENVIRONMENT = {
    "SYNTHSTORE_STORAGE_PATH": "the store, where none is given",
    "SYNTHSTORE_REPOSITORY": "the repository, where --repo is not given",
    "SYNTHSTORE_CONFIG": "the config file, where --config does not name one",
    "SYNTHSTORE_COMMAND_OPTION": (
        "an option of a command, such as SYNTHSTORE_VERIFY_FAIL_ON; all have one but --yes,"
        " --force, --allow-shrink and --accept"
    ),
    "NO_COLOR": "no ANSI colours",
}


_FINDINGS = (
    "Codes are stable and never reused. A severity in parentheses is the usual one; the [severity]"
    " table of the config file sets others, and --fail-on says from which one on the exit code is"
    " 1. What repair does loses the least that can be lost: every byte that it displaces is kept,"
    " and given back by synthstore undo."
)
_LETTERS = {
    "S": "the store itself",
    "C": "the catalog",
    "M": "memories",
    "A": "assemblies",
    "E": "embeddings",
    "V": "vectors and mappings",
    "K": "repositories",
}
"""What the codes that begin with a letter are about."""


def pages(commands: Sequence[Described]) -> Mapping[str, str]:
    """Every man page by its path below ``man/``."""
    made = {f"man1/synthstore-{c.name}.1": page(_command(c)) for c in commands}
    made["man1/synthstore.1"] = page(_program(commands))
    made[f"man5/{STORAGE}.5"] = page(storage())
    made[f"man7/{FINDINGS}.7"] = page(_findings())
    return made


def _program(commands: Sequence[Described]) -> Iterator[str]:
    yield from head("synthstore", 1, "verify, repair and rebuild memory stores")
    yield ".SH SYNOPSIS"
    yield f"{bold('synthstore')} {italic('COMMAND')} [{italic('STORE')}] [{italic('options')}]"
    yield from (".SH DESCRIPTION", filled(_WHAT))
    for panel in ("Commands", "Companions"):
        yield f".SH {panel.upper()}"
        yield from items(
            (bold(f"synthstore-{c.name}") + "(1)", c.summary)
            for c in commands
            if c.manual.panel == panel
        )
    yield ".SH OPTIONS"
    yield from items([(bold("--version"), "Print the version and exit.")])
    yield from items([(f"{bold('-h')}, {bold('--help')}", "Show the commands and exit.")])
    yield ".SH EXIT STATUS"
    yield from items((bold(str(code)), text) for code, text in EXIT_CODES.items())
    yield from (".SH CONFIGURATION", filled(_CONFIGURATION))
    yield from verbatim(_CONFIG_FILE)
    yield ".SH FILES"
    yield from items((italic(name), what) for name, what in _FILES)
    yield ".SH ENVIRONMENT"
    yield from items((bold(name), what) for name, what in _ENVIRONMENT.items())
    names = [f"synthstore-{command.name}(1)" for command in commands]
    yield from see_also([*names, f"{STORAGE}(5)", f"{FINDINGS}(7)"])


def _command(command: Described) -> Iterator[str]:
    yield from head(f"synthstore-{command.name}", 1, command.summary)
    yield from (".SH SYNOPSIS", _synopsis(command), ".SH DESCRIPTION", filled(command.summary))
    for paragraph in command.description:
        yield from (".PP", filled(paragraph))
    if command.arguments:
        yield ".SH ARGUMENTS"
        yield from items((italic(a.name), a.help) for a in command.arguments)
    for group in sorted({option.group for option in command.options}, key=_rank):
        yield f".SH {plain(group.upper())}"
        options = (option for option in command.options if option.group == group)
        yield from items((_flags(option), _told(option)) for option in options)
    yield ".SH EXIT STATUS"
    yield from items((bold(str(code)), text) for code, text in command.manual.exit_codes())
    yield ".SH EXAMPLES"
    yield from items((bold(call), what) for call, what in command.manual.examples)
    yield from see_also(["synthstore(1)", f"{STORAGE}(5)", f"{FINDINGS}(7)"])


def _rank(group: str) -> tuple[bool, bool, str]:
    """The command's own options first, the common ones last."""
    return group == COMMON, group != "Options", group


def _synopsis(command: Described) -> str:
    words = [f"\\fBsynthstore {plain(command.name)}\\fR", "[\\fIoptions\\fR]"]
    for argument in command.arguments:
        word = f"\\fI{plain(argument.name)}\\fR"
        word = word if argument.required else f"[{word}]"
        words.append(f"{word}..." if argument.repeatable else word)
    return " ".join(words)


def _flags(option: Option) -> str:
    flags = ", ".join(bold(flag) for flag in option.flags)
    return f"{flags} \\fI{plain(option.value)}\\fR" if option.value else flags


def _told(option: Option) -> str:
    default = f" Default: {option.default}." if option.default else ""
    variables = f" Variable: {', '.join(option.variables)}." if option.variables else ""
    return f"{option.help}{default}{variables}"


def _findings() -> Iterator[str]:
    yield from head(FINDINGS, 7, "what synthstore verify finds, and what repair does about it")
    yield from (".SH DESCRIPTION", filled(_FINDINGS))
    for letter, entries in groupby(CATALOGUE.values(), key=lambda entry: entry.code[0]):
        yield f".SS {letter}: {_LETTERS[letter]}"
        yield from items(
            (
                f"{bold(entry.code)} {plain(entry.rule)} ({entry.severity.label})",
                f"{entry.summary}. Repair: {entry.repair}.",
            )
            for entry in entries
        )
    yield from see_also(["synthstore-verify(1)", "synthstore-repair(1)", f"{STORAGE}(5)"])
