"""Write ``man/`` and ``completions/``: ``python -m synthstore.cli.generate [FOLDER]``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from synthstore.cli.completions import scripts
from synthstore.cli.described import described
from synthstore.cli.manpages import pages
from synthstore.files.durable import atomic_write, make_dirs

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755


def generated() -> Mapping[str, str]:
    """Every generated file by its path below the project's folder."""
    commands = described()
    return {f"man/{name}": text for name, text in pages(commands).items()} | {
        f"completions/{name}": text for name, text in scripts(commands).items()
    }


def write(folder: Path) -> None:
    """Write every generated file below ``folder``."""
    for name, text in generated().items():
        make_dirs((folder / name).parent, _FOLDER_MODE)
        atomic_write(folder / name, text.encode(), _FILE_MODE)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
