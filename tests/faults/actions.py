"""The faults: what happens at which call, and at which calls each fault makes sense."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.calls import Call, write_half
from tests.faults.seccomp import Notice, Reply


class Action(StrEnum):
    """A kind of fault."""

    KILL = "kill"
    """The process dies before the call."""
    TORN = "torn"
    """Half of the write is done, then the process dies."""
    SHORT = "short"
    """Half of the write is done and reported as such: legal, and no error."""
    EIO = "EIO"
    ENOSPC = "ENOSPC"
    ENOSPC_ON = "ENOSPC+"
    """The disk is full from this call on: all that needs room fails."""
    CUT = "cut"
    """The power goes: what no fsync secured is lost. At the last point: after the command."""
    CUT_COMMITTED = "cut+commit"
    """The power goes after the file system happened to save its names, but not the data."""
    HELD = "held"
    """No call fails, but another process holds the lock all the while."""

    @property
    def kills(self) -> bool:
        """Whether the process dies of it."""
        return self in (Action.KILL, Action.TORN)

    @property
    def cuts(self) -> bool:
        """Whether it needs a disk whose power can be cut."""
        return self in (Action.CUT, Action.CUT_COMMITTED)


CALL_FAULTS = tuple(action for action in Action if not action.cuts and action is not Action.HELD)
"""The faults of single calls, which need nothing but the filter."""
CUTS = tuple(action for action in Action if action.cuts)

PROCEED = Reply()
_KILL = Reply(kill=True)


@dataclass(frozen=True, slots=True)
class Fault:
    """One action at one point."""

    action: Action
    point: int
    """Number of the call, from 1."""
    cut: Callable[[], object] | None = None
    """Cuts the power."""

    def reply(self, number: int, call: Call, notice: Notice) -> Reply:
        """Decide what becomes of call ``number``."""
        if self.action is Action.ENOSPC_ON:
            struck = number >= self.point and call.room
        else:
            struck = number == self.point
        return self._strike(call, notice) if struck else PROCEED

    def _strike(self, call: Call, notice: Notice) -> Reply:
        match self.action:
            case Action.KILL:
                return _KILL
            case Action.EIO:
                return Reply(proceed=False, error=errno.EIO)
            case Action.ENOSPC | Action.ENOSPC_ON:
                return Reply(proceed=False, error=errno.ENOSPC)
            case Action.TORN | Action.SHORT:
                return self._halve(call, notice)
            case Action.CUT | Action.CUT_COMMITTED:
                if self.cut is not None:
                    self.cut()
                return _KILL
            case Action.HELD:
                return PROCEED

    def _halve(self, call: Call, notice: Notice) -> Reply:
        # Threads may put another call at this point than when the points were counted.
        if call.size is None or call.size < 2:
            return _KILL if self.action is Action.TORN else PROCEED
        done = write_half(notice, call.size)
        if self.action is Action.TORN:
            return _KILL
        return Reply(proceed=False, value=done) if done else PROCEED


def points(action: Action, calls: Sequence[Call]) -> list[int]:
    """List the points of an undisturbed run at which ``action`` differs from doing nothing."""
    numbered = enumerate(calls, start=1)
    match action:
        case Action.TORN | Action.SHORT:
            return [k for k, call in numbered if call.size is not None and call.size > 1]
        case Action.ENOSPC_ON:
            return [k for k, call in numbered if call.room]
        case Action.CUT | Action.CUT_COMMITTED:
            return list(range(1, len(calls) + 2))
        case Action.HELD:
            return [1]
        case _:
            return [k for k, _ in numbered]
