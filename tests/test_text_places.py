"""Texts are found by their places as a dict would find them."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from synthstore.model import text_places
from synthstore.model.text_places import NOWHERE, TextPlaces, standing_twice

TEXTS = st.lists(st.text("ab", max_size=2) | st.none())
WORDS = st.lists(st.text("abc", max_size=2))


@given(texts=TEXTS, wanted=WORDS)
def test_places_are_those_of_a_dict(texts: list[str | None], wanted: list[str]) -> None:
    like = {text: place for place, text in enumerate(texts) if text is not None}
    found = TextPlaces(texts)
    assert [found.get(word) for word in wanted] == [like.get(word) for word in wanted]
    assert [word in found for word in wanted] == [word in like for word in wanted]
    assert all(found[word] == like[word] for word in wanted if word in like)
    assert found.of(wanted).tolist() == [like.get(word, NOWHERE) for word in wanted]


@given(texts=TEXTS, wanted=WORDS)
def test_texts_of_one_hash_are_told_apart(texts: list[str | None], wanted: list[str]) -> None:
    like = {text: place for place, text in enumerate(texts) if text is not None}
    text_places.hash = len_of  # type: ignore[attr-defined]
    try:
        found = TextPlaces(texts)
        assert found.of(wanted).tolist() == [like.get(word, NOWHERE) for word in wanted]
        assert standing_twice(texts) == _twice(texts)
    finally:
        del text_places.hash  # type: ignore[attr-defined]


@given(texts=TEXTS)
def test_texts_that_stand_twice_are_those_that_are_counted_so(texts: list[str | None]) -> None:
    assert standing_twice(texts) == _twice(texts)


def test_many_are_looked_up_in_parts() -> None:
    texts = [f"text {n}" for n in range(10_000)]
    assert TextPlaces(texts).of(reversed(texts)).tolist() == list(range(10_000))[::-1]
    assert list(TextPlaces(texts)) == texts
    assert len(TextPlaces(texts)) == len(texts)


def len_of(text: str | None) -> int:
    return len(text or "")


def _twice(texts: list[str | None]) -> set[str]:
    return {text for text, times in Counter(texts).items() if text is not None and times > 1}
