"""A restore judges entities from the numbers that it rebuilds: as it would from their text."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from synthstore.backup import decoding
from synthstore.backup.decoding import lay_rows, parsed_apart
from synthstore.errors import OperationError
from synthstore.files.jsonio import ParseFailure, parse
from synthstore.model.embedding import judge
from synthstore.repository.recipes import Rebuilt, encode, read_recipe
from synthstore.testing.plugin import MakeStore
from tests.test_jsonio import Members, spell, values
from tests.vaults import back_up, opened, place_at

KEY = "embedding"
NUMBERS = ", ".join(str(n / 8) for n in range(-40, 60))
"""As many as a repository packs as numbers."""
LINES = NUMBERS.replace(", ", ",\n    ")
ARRAYS = st.lists(
    st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=64, max_size=80
)

HOSTILE = [
    f'{{"{KEY}": [{NUMBERS}]}}',
    f'{{"a": [{NUMBERS}], "{KEY}": [{NUMBERS}]}}',
    f'{{"{KEY}": [{NUMBERS}], "{KEY}": [{NUMBERS}]}}',
    f'{{"m": {{"{KEY}": [{NUMBERS}]}}, "{KEY}": [{NUMBERS}, 1]}}',
    f'{{"m": {{"{KEY}": [{NUMBERS}]}}}}',
    f'{{"a": "\\"{KEY}\\": [", "{KEY}": [{NUMBERS}]}}',
    f'{{"my \\"{KEY}": [{NUMBERS}]}}',
    f'{{"{KEY}": [[{NUMBERS}]]}}',
    f'{{"{KEY}": {{"a": [{NUMBERS}]}}}}',
    f'{{"{KEY}": "no list", "b": [{NUMBERS}]}}',
    f'{{"{KEY}": [{NUMBERS}], "mark": {decoding._MARK}}}',
    f'{{"{KEY}": [{NUMBERS}], "mark": "{decoding._MARK}"}}',
    f'{{"{KEY}": [{NUMBERS}], "n": 18446744073709551616}}',
    f'{{"{KEY}": [{NUMBERS}], "n": {{"a": 1, "a": 2}}}}',
    f'{{"{KEY}": [{NUMBERS}]',
    f'{{"{KEY}": [{NUMBERS}] x}}',
    f'{{\n  "{KEY}": [\n    {LINES}\n  ],\n  "n": 18446744073709551616\n}}',
    f'{{\n  "{KEY}": [\n    {LINES}\n  ],\n  "n": 1e400\n}}',
    f'{{\n  "{KEY}": [\n    {LINES}\n  ],\n  "n": 1,\n  "n": 2\n}}',
    f'{{\n  "{KEY}": [\n    {LINES}\n  ],\n  "n": {decoding._MARK}\n}}',
    f'{{\n  "{KEY}": [\n    {LINES}\n  ],\n  "n": {"[" * 300}{"]" * 300}\n}}',
]


def rebuilt(raw: bytes) -> Rebuilt:
    """As a repository gives it back."""
    encoded = encode(raw)
    if not encoded.is_recipe:
        return Rebuilt(raw, None, ())
    recipe = read_recipe(encoded.body)
    pieces = {piece.id: piece.data for piece in encoded.pieces}
    parts = list(recipe.spelt(pieces.__getitem__))
    return Rebuilt(recipe.joined([part.text for part in parts]), recipe, parts)


def agrees(raw: bytes) -> bool:
    """Whether it answered; fails where it answers otherwise than the parser does."""
    found = parsed_apart(rebuilt(raw), KEY)
    if found is None:
        return False
    try:
        text = parse(raw)
    except ParseFailure:
        pytest.fail("it answered for what is no JSON")
    one, other = document(found.value), document(text.value)
    numbers, listed = judge(one.pop(KEY)), judge(other.pop(KEY))
    assert (one, found.rigid) == (other, text.rigid)
    assert list(document(found.value)) == list(document(text.value))
    assert numbers[:3] == listed[:3]
    assert numbers.vector is not None
    assert listed.vector is not None
    assert numbers.vector.tobytes() == listed.vector.tobytes()
    return True


def document(value: object) -> dict[str, Any]:
    assert isinstance(value, dict)
    return dict(value)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_documents_are_judged_alike(text: str) -> None:
    assert rebuilt(text.encode()).recipe is not None
    agrees(text.encode())


def test_the_usual_documents_need_no_second_parse() -> None:
    for indent in (None, 2, "\t"):
        listed = [0.5, 0.25, 1.5, 2.5, 0.1, 0.2, 0.3, 7.0] * 8
        assert agrees(json.dumps({"a": "x", KEY: listed, "m": {"k": 1}}, indent=indent).encode())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(["a", "b:", "[", f'"{KEY}']), values(), max_size=3),
    ARRAYS,
    ARRAYS,
    st.booleans(),
)
@example({}, [0.5] * 70, [0.25] * 80, False)
def test_any_document_is_judged_alike(
    members: dict[str, object], numbers: list[float], others: list[float], ascii_only: bool
) -> None:
    pairs = [*members.items(), ("z", others), (KEY, numbers)]
    agrees(spell(Members(pairs), ascii_only=ascii_only).encode())


@settings(deadline=None)
@given(st.integers(0, 1_000), st.integers(0, 7))
def test_a_flipped_bit_is_judged_alike(place: int, bit: int) -> None:
    raw = bytearray(f'{{"id": "a:b[", "{KEY}": [{NUMBERS}], "m": {{"k": [1, "x"]}}}}'.encode())
    raw[place % len(raw)] ^= 1 << bit
    agrees(bytes(raw))


def test_a_file_that_reads_back_otherwise_ends_the_restore(
    make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_at(tmp_path / "repo")
    back_up(make_store(12, 80), place)
    repository = opened(place)
    tree = repository.tree(repository.snapshots()[-1])
    rows = [row for row in tree.files if row.path.startswith("memories/")]
    aside = tmp_path / "aside"
    (aside / "memories").mkdir(parents=True)

    read = os.pread
    monkeypatch.setattr(os, "pread", lambda *at: b"x" + read(*at)[1:])
    with pytest.raises(OperationError, match="reads back wrong"):
        lay_rows(repository, aside, None, rows)
    assert not list((aside / "memories").iterdir())
