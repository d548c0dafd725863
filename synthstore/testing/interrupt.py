"""``python -m synthstore.testing.interrupt STORE``: repair, and die by SIGKILL at the commit.

The run is then committed and not done, and nothing of it has reached the store.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthstore.repair.operation import RepairOptions, repair
from synthstore.testing.stores import Built

PACKAGE = Path(__file__).parents[1]


def interrupt(built: Built) -> None:
    """Let another process repair the store and be killed between commit and apply."""
    done = subprocess.run(
        [sys.executable, "-m", "synthstore.testing.interrupt", str(built.root)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
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
    armed: list[str] = []
    for name in ("replace", "rename", "unlink", "mkdir"):
        setattr(os, name, _deadly(getattr(os, name), armed))
    asyncio.run(repair(Path(sys.argv[1]), RepairOptions(jobs=1), confirm=lambda _: True))


if __name__ == "__main__":
    main()
