"""The server of worker processes ends when the program is done with it, and only the program's."""

from __future__ import annotations

from multiprocessing import forkserver

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
