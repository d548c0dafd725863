"""A sample of the faults of ``backup_faults``, which tries every point when run by command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import backup_faults
from tests.faults.actions import Action
from tests.faults.campaign import Crew, crew


@pytest.fixture(scope="module")
def hired() -> Iterator[Crew]:
    with crew(1) as one:
        yield one


@pytest.mark.parametrize("action", [Action.KILL, Action.TORN, Action.EIO, Action.ENOSPC_ON])
@pytest.mark.parametrize("case", backup_faults.CASES)
def test_nothing_is_lost_at(case: str, action: Action, hired: Crew) -> None:
    tried, bad = hired.call(backup_faults.campaign, case, action, 3)
    assert tried
    assert bad == []
