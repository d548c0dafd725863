"""``python -m tests.tour``: record the README's picture anew, from what is really printed."""

from __future__ import annotations

import io
import re
import tempfile
from html import unescape
from pathlib import Path

from rich.console import Console
from rich.text import Text

from synthstore.files.durable import atomic_write, make_dirs
from tests.program import on_terminal, spawn

PICTURE = Path(__file__).parents[1] / ".readme" / "tour.svg"
COMMANDS = ("verify ./tour", "repair ./tour --yes", "verify ./tour", "undo ./tour --yes")
WIDTH = 100
VOLATILE = {
    r"\d+\.\d\d s": "0.02 s",
    r"\d{8}T\d{6}Z-[0-9a-f]{4}": "20250318T153042Z-1a2b",
}
"""What no two recordings have alike, and what stands for it."""
_PLAIN = {"NO_COLOR": "", "COLORTERM": ""}


def record(folder: Path) -> Text:
    """Take the tour in ``folder``, on a terminal; all that stands there in the end."""
    spawn("demo", "-q", folder / "tour")
    shown = Text()
    for command in COMMANDS:
        name, *rest = command.split()
        variables = _PLAIN | {f"SYNTHSTORE_{name.upper()}_NO_PROGRESS": "1"}
        terminal = on_terminal(name, *rest, variables=variables, cwd=folder)
        terminal.finish()
        shown.append(f"$ synthstore {command}\n", "bold cyan")
        shown.append(Text.from_ansi(fixed(terminal.seen.rstrip())))
        shown.append("\n\n")
    shown.rstrip()
    return shown


def fixed(text: str) -> str:
    """The text without what changes from one recording to the next."""
    for pattern, instead in VOLATILE.items():
        text = re.sub(pattern, instead, text)
    return text


def picture(shown: Text) -> str:
    """The recording as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(shown, soft_wrap=False)
    svg = console.export_svg(title="synthstore", unique_id="tour")
    # Its fonts would be fetched from elsewhere; the reader's own will do.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def words(svg: str) -> list[str]:
    """The words in a picture, in reading order; how they are set is the library's affair."""
    texts = re.findall(r"<text[^>]*clip-path[^>]*>(.*?)</text>", svg)
    return unescape(" ".join(texts)).replace("\xa0", " ").split()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        made = picture(record(Path(place)))
    make_dirs(PICTURE.parent, 0o755)
    atomic_write(PICTURE, made.encode(), 0o644)
