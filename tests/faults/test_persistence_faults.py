"""The library killed, torn and failed at its mutating calls: a sample, or all by a variable."""

from __future__ import annotations

import os
from functools import partial

import pytest

from tests.faults import library
from tests.faults.actions import Action
from tests.faults.campaign import Crew

EVERY = os.environ.get("SYNTHSTORE_FAULTS") == "all"
SAMPLES = {Action.KILL: 12, Action.TORN: 5, Action.EIO: 5, Action.ENOSPC_ON: 5, Action.SHORT: 3}


@pytest.mark.parametrize("name", library.ACTS)
@pytest.mark.parametrize("action", SAMPLES)
def test_what_returned_holds(crew: Crew, name: str, action: Action) -> None:
    limit = None if EVERY else SAMPLES[action]
    tried, bad = crew.call(partial(library.endure, name, action, limit))
    assert tried
    assert bad == []
