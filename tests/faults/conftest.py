"""One crew of workers for all fault tests: to hire one costs a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import seccomp
from tests.faults.campaign import Crew, crew


@pytest.fixture(scope="session", name="crew")
def hired_crew() -> Iterator[Crew]:
    """The crew; where the kernel cannot be asked, the test is skipped and says why."""
    with crew() as hired:
        reason = hired.call(seccomp.unsupported)
        if reason is not None:
            pytest.skip(reason)
        yield hired
