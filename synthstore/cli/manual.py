"""What each command's help and man page say beyond its options: examples and exit codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Panel = Literal["Commands", "Companions"]

EXIT_CODES = {
    0: "done; verify and repair: nothing left at or above --fail-on",
    1: "findings at or above --fail-on",
    2: "wrong usage",
    3: "partial: some input not read, or the look cut short; all else done",
    4: "failed; the store is as it was, or the next repair completes it",
    10: "not a storage directory, an unclear layout, or a newer format",
    11: "locked by another process",
    12: "refused: it would lose data; the message names the flag",
    130: "interrupted, or declined at the prompt",
}
"""Every exit code of every command; a test holds the error classes against it."""


@dataclass(frozen=True, slots=True)
class Manual:
    """The end of one command's help."""

    examples: tuple[tuple[str, str], ...]
    """(command line, what it does)."""
    exits: tuple[int, ...]
    panel: Panel = "Commands"
    writes: bool = False
    """Whether it may change a store."""
    meanings: Mapping[int, str] = field(default_factory=dict)
    """What exit codes mean for this command alone."""

    def epilog(self, name: str) -> str:
        """The text below the options; the form feeds and backspaces are the help writer's."""
        examples = [line for call, what in self.examples for line in (f"  {call}", f"      {what}")]
        exits = [f"  {code:<4} {text}" for code, text in self.exit_codes()]
        variables = (
            "Each option but --yes, --force, --allow-shrink and --accept can also be set by its"
            f" variable, such as {self._variable(name)}, or in the [{name}] table of the"
            " config file."
        )
        return "\n".join(
            ("\b", "Examples:", *examples, "", "\b", "Exit codes:", *exits, "", variables)
        )

    def exit_codes(self) -> Iterator[tuple[int, str]]:
        """Each exit code of the command, and what it means here."""
        for code in self.exits:
            yield code, self.meanings.get(code) or self._meaning(code)

    def _meaning(self, code: int) -> str:
        if code == 0:
            return "done"
        if code == 4 and not self.writes:  # noqa: PLR2004
            return "failed: something could not be read or written; the store is as it was"
        if code == 130 and not self.writes:  # noqa: PLR2004
            return "interrupted"
        return EXIT_CODES[code]

    @staticmethod
    def _variable(name: str) -> str:
        return f"SYNTHSTORE_{name.upper().replace('-', '_')}_JSON"
