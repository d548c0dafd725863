"""Forty kinds of bad input, each with its outcome: a finding or a typed error, never a surprise."""

from __future__ import annotations

from tests.bad_inputs import contents, custody, imports, names, repositories, vectors
from tests.bad_inputs.model import Given, Planted

__all__ = ["GIVEN", "PLANTED", "Given", "Planted"]

PLANTED: tuple[Planted, ...] = (*names.PLANTED, *contents.PLANTED, *vectors.PLANTED)
GIVEN: tuple[Given, ...] = (
    *names.GIVEN,
    *vectors.GIVEN,
    *custody.GIVEN,
    *repositories.GIVEN,
    *imports.GIVEN,
)
