"""A quick look counts for what was taken only if the catalog has the same files."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from synthstore.backup.judging import Claims, Glance, Verdict
from synthstore.repository.file_rows import FileRow, FileRows

A, B, C = (digit * 64 for digit in "abc")
FILES = FileRows.of([FileRow(path, 1, 1, 0o600, 1, sha) for path, sha in (("a", A), ("b", B))])


@pytest.mark.parametrize(
    ("claims", "same"),
    [
        ((), True),
        ([("b", B), ("a", A)], True),
        ([("b", B)], True),
        ([("a", A), ("gone", C)], True),
        ([("a", A), ("b", C)], False),
        ([("a", A), ("a", C)], False),
        ([("a", A.upper())], False),
        ([("a", "no digest")], False),
        ([("a", A), ("\0", B)], False),
    ],
)
def test_a_look_is_of_files_that_are_as_the_catalog_has_them(
    claims: Iterable[tuple[str, str]], same: bool
) -> None:
    assert Glance(Verdict({}, 0, 0), Claims.of(claims)).is_of(FILES) is same


def test_a_look_is_not_of_files_that_are_hurt() -> None:
    hurt = FileRows.of([row._replace(state="unparseable") for row in FILES])
    assert not Glance(Verdict({}, 0, 0), Claims()).is_of(hurt)
