"""Freed memory goes back where the C library can give it back, and nothing happens elsewhere."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from synthstore.files.memory import give_back


def test_freed_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    library = SimpleNamespace(malloc_trim=asked.append)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    give_back()
    assert asked == [0]


def test_a_c_library_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    give_back()


def test_this_one_does_not_mind() -> None:
    give_back()
