"""Whatever comes out of a store, a terminal obeys none of it."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthstore.render.json import dumps
from synthstore.render.text import byte_size, counted, listed, printable, seconds

TEXT = st.text(st.characters())
"""Lone surrogates included."""


@settings(deadline=None)  # the machine may be busy
@given(TEXT)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = printable(text)
    assert {unicodedata.category(ch) for ch in shown}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert not {"\u202e", "\u2066", "\u200b", "\ufeff", "\x1b", "\x9b"} & set(shown)
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 記憶", "plain é 記憶"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("\x9b2J", "\\x9b2J"),
        ("two\nlines", "two\\nlines"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        ("[bold]no markup[/x]", "[bold]no markup[/x]"),
    ],
)
def test_it_is_shown_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@settings(deadline=None)
@given(st.recursive(TEXT | st.integers() | st.none(), lambda s: st.dictionaries(TEXT, s)))
def test_json_means_the_same_and_is_safe_to_show(value: object) -> None:
    text = dumps({"value": value})
    assert json.loads(text) == {"value": value}
    assert printable(text.replace("\n", "")) == text.replace("\n", "")


@pytest.mark.parametrize("extra", [0, 2**70, "\ud800"])
def test_numbers_that_json_lacks_are_null(extra: object) -> None:
    document = {"nan": float("nan"), "deep": [{"inf": float("inf")}], "extra": extra}
    assert json.loads(dumps(document)) == {"nan": None, "deep": [{"inf": None}], "extra": extra}


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (5 * 10**12, "5.0 TB")],
)
def test_sizes(size: int, shown: str) -> None:
    assert byte_size(size) == shown


def test_words() -> None:
    assert counted(1, "memory", "memories") == "1 memory"
    assert counted(1234, "file") == "1,234 files"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"]) == "a"
    assert (seconds(0.844), seconds(192)) == ("0.84 s", "3 min 12 s")
