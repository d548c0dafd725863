"""The pytest plugin: stores and damages as fixtures, for tests of whatever works on stores.

pytest finds it by itself where synthstore is installed. What it needs is imported when a fixture
is called, so that a test run which uses none waits for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from synthstore.testing.damages import Damage


class MakeStore(Protocol):
    """What the fixture ``make_store`` gives."""

    def __call__(self, n: int = 12, dim: int = 16, seed: int = 1, layout: str = "native") -> Path:
        """Write a healthy store of ``n`` memories with ``dim`` numbers each; returns its folder.

        Two assemblies hold the first eight of them. The same arguments make the same store.
        ``layout`` is native, core-4 or core-3. Raises ValueError for what cannot be made.
        """


StoreFrom = Callable[[Path | str], Path]
"""What the fixture ``store_from`` gives."""

Inflict = Callable[[Path | str, str], "Damage"]
"""What the fixture ``damage`` gives."""


@pytest.fixture
def make_store(tmp_path_factory: pytest.TempPathFactory) -> MakeStore:
    """Make healthy stores: ``make_store(n=12, dim=16, seed=1, layout="native") -> Path``."""

    def make(n: int = 12, dim: int = 16, seed: int = 1, layout: str = "native") -> Path:
        from synthstore.testing.making import made  # noqa: PLC0415

        return made(tmp_path_factory.mktemp("store") / "store", n, dim, seed, layout)

    return make


@pytest.fixture
def store_from(tmp_path_factory: pytest.TempPathFactory) -> StoreFrom:
    """Make a native store of what ``synthstore export`` wrote: ``store_from(FILE) -> Path``.

    Raises ValueError where a row is refused or the file is cut.
    """

    def make(exported: Path | str) -> Path:
        from synthstore.testing.making import filled  # noqa: PLC0415

        return filled(tmp_path_factory.mktemp("store") / "store", Path(exported))

    return make


@pytest.fixture
def damage() -> Inflict:
    """Damage a healthy store: ``damage(store, "catalog-missing") -> Damage``.

    What comes back has ``codes``, what ``verify`` must say of a store of ``make_store``: code → how
    often; and ``after``, what a repair must leave. Those that take a permission away
    (``user == "nobody"``) do nothing to root. Raises ValueError for an unknown name, with those
    that are known.
    """
    from synthstore.testing.opening import inflict  # noqa: PLC0415

    return inflict
