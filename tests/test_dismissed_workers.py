"""The server of worker processes ends when the program is done with it, and only the program's."""

from __future__ import annotations

import signal
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path

from synthstore.scan import workers


def server() -> int | None:
    """The process id of the server, if one runs."""
    found: int | None = vars(vars(forkserver)["_forkserver"])["_forkserver_pid"]
    return found


def answer() -> int:
    with workers.processes(1) as executor:
        return executor.submit(workers.usable_cores).result()


def test_what_was_started_ahead_is_dismissed_and_starts_again() -> None:
    workers._expect(2, ())
    assert server() is not None
    workers.dismiss()
    assert server() is None
    assert answer() == workers.usable_cores()
    # This one was not started ahead, so it may be a host's.
    standing = server()
    workers.dismiss()
    assert server() == standing is not None


MASKS = """
import signal
from multiprocessing import forkserver
from synthstore.scan import workers

def blocked(*_):
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())

if __name__ == "__main__":
    workers._expect(2, ())
    server = vars(vars(forkserver)["_forkserver"])["_forkserver_pid"]
    with open(f"/proc/{server}/status") as file:
        mask = next(line.split()[1] for line in file if line.startswith("SigBlk"))
    with workers.processes(1) as executor:
        print(mask, executor.submit(blocked).result(), blocked())
"""


def test_ctrl_c_is_for_the_program_alone(tmp_path: Path) -> None:
    # A fresh process: what this one has started by now may hide how it starts.
    (tmp_path / "masks.py").write_text(MASKS)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "masks.py")], capture_output=True, text=True, check=True
    )
    mask, *others = done.stdout.split()
    assert int(mask, 16) & 1 << signal.SIGINT - 1
    assert others == ["True", "False"]
