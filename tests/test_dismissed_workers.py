"""The server of worker processes ends when the program is done with it, and only the program's."""

from __future__ import annotations

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
from multiprocessing import forkserver, resource_tracker
from synthstore.scan import workers

ASKING = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

def blocked(*_):
    return [one.name for one in ASKING if one in signal.pthread_sigmask(signal.SIG_BLOCK, ())]

def blocked_in(process):
    with open(f"/proc/{process}/status") as file:
        mask = int(next(line.split()[1] for line in file if line.startswith("SigBlk")), 16)
    return [one.name for one in ASKING if mask & 1 << one - 1]

if __name__ == "__main__":
    workers._expect(2, ())
    print(*blocked_in(vars(vars(forkserver)["_forkserver"])["_forkserver_pid"]))
    print(*blocked_in(vars(vars(resource_tracker)["_resource_tracker"])["_pid"]))
    with workers.processes(1) as executor:
        print(*executor.submit(blocked).result())
    print(*blocked())
"""


def test_what_asks_to_stop_is_for_the_program_alone(tmp_path: Path) -> None:
    # A fresh process: what this one has started by now may hide how it starts.
    (tmp_path / "masks.py").write_text(MASKS)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "masks.py")], capture_output=True, text=True, check=True
    )
    server, tracker, worker, program = done.stdout.split("\n")[:4]
    assert server == "SIGINT SIGTERM SIGHUP"
    # Python's own is deaf to the others.
    assert "SIGHUP" in tracker.split()
    # A pool that has lost a worker ends the others by SIGTERM.
    assert (worker, program) == ("SIGINT SIGHUP", "")


LOST = """
import os, signal, time
from concurrent.futures import wait
from synthstore.scan import workers

def end():
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    executor = workers.processes(2)
    others = list(vars(executor)["_processes"].values())
    calls = [executor.submit(call, *given) for call, *given in [(time.sleep, 900), (end,)]]
    # Python's own pool stumbles over what was called off, and then ends nobody.
    called_off = [executor.submit(time.sleep, 900) for _ in range(6)][-1]
    called_off.cancel()
    wait(calls, timeout=60)
    for other in others:
        other.join(60)
    print([type(call.exception()).__name__ for call in calls], [one.exitcode for one in others])
"""


def test_where_one_is_lost_all_are_ended(tmp_path: Path) -> None:
    (tmp_path / "lost.py").write_text(LOST)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "lost.py")],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout == "['BrokenProcessPool', 'BrokenProcessPool'] [-9, -9]\n"
