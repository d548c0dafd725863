"""``python -m tests.interrupt STORE``: repair, and die by SIGKILL right after the commit.

The run is then committed and not done, and nothing of it has reached the store.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.stores import Built

PROJECT = Path(__file__).parents[1]


def interrupt(built: Built) -> None:
    """Let another process repair the store and be killed between commit and apply."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.interrupt", str(built.root)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def _deadly(call: Callable[..., Any], armed: list[str]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if armed:
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*args, **kwargs)
        armed.extend(str(a) for a in args if Path(str(a)).name == "committed")
        return result

    return wrapped


def main() -> None:
    """Arm the trap and repair."""
    # Not above: the table of damages, which operate needs, needs this module.
    from tests.operate import mend  # noqa: PLC0415

    armed: list[str] = []
    for name in ("replace", "rename", "unlink", "mkdir"):
        setattr(os, name, _deadly(getattr(os, name), armed))
    mend(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
