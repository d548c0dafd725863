"""A sample of the faults of ``migrate_faults``, which tries every point when run by command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import migrate_faults
from tests.faults.actions import Action
from tests.faults.campaign import Crew, crew


@pytest.fixture(scope="module")
def hired() -> Iterator[Crew]:
    with crew(1) as one:
        yield one


@pytest.mark.parametrize("action", [Action.KILL, Action.TORN, Action.EIO, Action.ENOSPC_ON])
@pytest.mark.parametrize("layout", migrate_faults.LAYOUTS)
def test_a_migration_cut_off_is_resumed(layout: str | None, action: Action, hired: Crew) -> None:
    tried, bad = hired.call(migrate_faults.campaign, layout, action, 8)
    assert tried
    assert bad == []
