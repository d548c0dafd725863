"""Run a command under the filter, count its mutating calls, and set off one fault."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import seccomp
from tests.faults.actions import PROCEED, Fault
from tests.faults.calls import Call, locate

Target = Callable[[], object] | Sequence[str]
"""A callable, run in a forked child, or the argv of a program."""

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the command ended, and what it did on the way."""

    code: int | None
    """Exit code; None if it was killed or ran out of time."""
    calls: tuple[Call, ...]
    """Mutating calls below the root, over all threads and children, in order."""
    struck: Call | None = None
    """The call at the fault's point."""
    timed_out: bool = False
    value: object = None
    """What the callable returned."""
    error: str = ""
    """Traceback of what the callable raised."""
    typed: bool = True
    """False if it raised something that has no exit code."""


def observe(
    target: Target, root: Path, fault: Fault | None = None, *, seconds: float = _TIMEOUT_SECONDS
) -> Outcome:
    """Run ``target``, and count the mutating calls whose path lies below ``root``.

    What is not done after so many ``seconds`` is killed. A callable's child is forked from this
    process, which therefore must have no threads.
    """
    seccomp.adopt_orphans()
    return _Supervision(os.path.realpath(root), fault, seconds).run(target)


def apart(function: Callable[[], object]) -> Outcome:
    """Run ``function`` in a forked child, unwatched."""
    return _Supervision(None, None).run(function)


@dataclass
class _Supervision:
    root: str | None
    """None: no filter, no calls."""
    fault: Fault | None
    seconds: float = _TIMEOUT_SECONDS
    calls: list[Call] = field(default_factory=list)
    struck: Call | None = None
    killed: bool = False
    timed_out: bool = False
    told: bytearray = field(default_factory=bytearray)

    def run(self, target: Target) -> Outcome:
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            raise RuntimeError("the supervisor forks, so its process must not have threads")
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _become(target, theirs, watched=self.root is not None)
        theirs.close()
        with ours:
            code = self._attend(pid, ours)
        return self._outcome(code)

    def _attend(self, pid: int, channel: socket.socket) -> int:
        _, sent, _, _ = socket.recv_fds(channel, 1, 1)
        alive = os.pidfd_open(pid)
        try:
            self._serve(alive, sent[0] if sent else None, channel)
        finally:
            # A call still waiting would go on if the listener were closed before the kill.
            code = _bury(pid)
            for number in (alive, *sent):
                os.close(number)
        while self._listen(channel):
            continue
        return code

    def _serve(self, alive: int, listener: int | None, channel: socket.socket) -> None:
        poll = select.poll()
        poll.register(alive, select.POLLIN)
        poll.register(channel, select.POLLIN)
        if listener is not None:
            poll.register(listener, select.POLLIN)
        end = time.monotonic() + self.seconds
        while not self.killed:
            ready = dict(poll.poll(max(0.0, end - time.monotonic()) * 1000))
            # A listener without processes keeps hanging up; only POLLIN is a call.
            if listener is not None and ready.get(listener, 0) & select.POLLIN:
                self._reply(listener)
            elif channel.fileno() in ready:
                if not self._listen(channel):
                    poll.unregister(channel)
            else:
                self.timed_out = not ready
                return

    def _listen(self, channel: socket.socket) -> bool:
        """Collect what the child tells; False once it has closed its end."""
        chunk = channel.recv(1 << 16)
        self.told += chunk
        return bool(chunk)

    def _reply(self, listener: int) -> None:
        notice = seccomp.receive(listener)
        if notice is None:
            return
        reply = self._decide(notice)
        if reply.kill:
            self.killed = True
        else:
            seccomp.answer(listener, notice, reply)

    def _decide(self, notice: seccomp.Notice) -> seccomp.Reply:
        call = locate(notice, self.root) if self.root else None
        if call is None:
            return PROCEED
        self.calls.append(call)
        if self.fault is None:
            return PROCEED
        if len(self.calls) == self.fault.point:
            self.struck = call
        return self.fault.reply(len(self.calls), call, notice)

    def _outcome(self, code: int) -> Outcome:
        calls = tuple(self.calls)
        if self.killed or self.timed_out:
            return Outcome(None, calls, self.struck, timed_out=self.timed_out)
        told = bytes(self.told)
        value, error, typed = pickle.loads(told) if told else (None, "", True)  # noqa: S301 - our own child
        return Outcome(code, calls, self.struck, value=value, error=error, typed=typed)


def _become(target: Target, channel: socket.socket, *, watched: bool) -> None:
    """Turn the forked child into the command; never returns."""
    try:
        os.setsid()
        _silence()
        # Measuring coverage in thousands of children would take most of the time.
        sys.settrace(None)
        threading.settrace(None)
        for name in [name for name in os.environ if name.startswith("COVERAGE")]:
            del os.environ[name]
        _hand_over([seccomp.install()] if watched else [], channel)
        if callable(target):
            os._exit(_call(target, channel))
        os.execvp(target[0], list(target))  # noqa: S606 - it is to become the program
    finally:
        os._exit(127)


def _hand_over(listeners: list[int], channel: socket.socket) -> None:
    # sendmsg is not filtered, so this cannot wait for the listener that it hands over.
    socket.send_fds(channel, [b"l"], listeners)
    for number in listeners:
        os.close(number)


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def _call(function: Callable[[], object], channel: socket.socket) -> int:
    try:
        code, told = 0, (function(), "", True)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is the result)
        known = getattr(error, "exit_code", None)
        code = known if isinstance(known, int) else 1
        told = (None, traceback.format_exc(), isinstance(known, int))
    channel.sendall(pickle.dumps(told))
    return code


def _bury(pid: int) -> int:
    """Kill what is left of the command and wait until all of it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-pid, 0)
    return os.waitstatus_to_exitcode(status)
