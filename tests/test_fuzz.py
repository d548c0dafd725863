"""A few mutations of every kind of file; ``python -m tests.fuzz`` tries 30,000 of each."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.faults import seccomp
from tests.faults.campaign import Crew, crew
from tests.fuzz import grounds
from tests.fuzz.campaign import Score, Share, run
from tests.fuzz.mutations import mutate
from tests.fuzz.targets import TARGETS

FEW, ALONE = 40, 2


@pytest.fixture(scope="module", name="hired")
def hired_crew() -> Iterator[Crew]:
    with crew(1) as one:
        reason = one.call(seccomp.unsupported)
        if reason is not None:
            pytest.skip(reason)
        yield one


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_a_file_holds(hired: Crew, name: str) -> None:
    score = hired.call(run, Share(name, 0, ALONE if TARGETS[name].alone else FEW))
    assert score.tried in (FEW, ALONE)
    assert score.failures == {}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "ValueError: as it must not"),
        ("crashes", "crash: SIGSEGV"),
        ("leaves", "ended with 3"),
        ("eats", "OverMemoryError"),
        ("strays", "outside its folder"),
    ],
)
def test_what_must_not_be_is_seen(hired: Crew, name: str, said: str) -> None:
    score = hired.call(run, Share(name, 0, 3))
    assert score.tried == 3
    assert any(text.startswith(said) for text in score.failures.values()), score.failures


def test_a_hang_is_seen(hired: Crew) -> None:
    score: Score = hired.call(_hung)
    assert score.failures == {1: "hangs"}


def _hung() -> Score:
    grounds.SECONDS = 1
    return run(Share("hangs", 0, 3))


def test_a_trial_is_the_same_every_time() -> None:
    raw = b'{"id": "a", "content": "b"}'
    first, again, other = (mutate(raw, random.Random(n), text=True) for n in (7, 7, 8))
    assert first == again != other
