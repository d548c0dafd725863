"""Files on their way to the workers of an export."""

from __future__ import annotations

import pytest

from synthstore.transfer import conveying
from synthstore.transfer.reading import FileName

A, B = FileName("memories/a.json", "memory"), FileName("b.json", "memory")
C = FileName("assemblies/a.json", "assembly")


@pytest.mark.parametrize("files", [[], [A], [A, B, C], [C, A, C, C, B, A]])
def test_a_shard_arrives_as_it_was_sent(files: list[FileName]) -> None:
    assert conveying.shard_of(conveying.runs_of(files)) == files
