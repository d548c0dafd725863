"""Storage administration for Synthians Memory Core stores: a program, and a library.

The library: ``from synthstore import MemoryPersistence, MemoryVectorIndex, MemoryEntry``. Its names
are imported when they are first asked for, so that the program's help waits for none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthstore.config import StoreConfig
    from synthstore.errors import (
        ConflictError,
        CorruptEntityError,
        DiskFullError,
        LockedError,
        NewerFormatError,
        NotAStoreError,
        OperationError,
        PermissionDeniedError,
        RefusedError,
        SynthstoreError,
        UsageError,
    )
    from synthstore.model.entities import MemoryAssembly, MemoryEntry
    from synthstore.persistence import Listed, MemoryPersistence
    from synthstore.store.vector_index import MemoryVectorIndex

__version__ = "0.1.0"

__all__ = [
    "ConflictError",
    "CorruptEntityError",
    "DiskFullError",
    "Listed",
    "LockedError",
    "MemoryAssembly",
    "MemoryEntry",
    "MemoryPersistence",
    "MemoryVectorIndex",
    "NewerFormatError",
    "NotAStoreError",
    "OperationError",
    "PermissionDeniedError",
    "RefusedError",
    "StoreConfig",
    "SynthstoreError",
    "UsageError",
    "__version__",
]

_HOMES = {
    "Listed": "synthstore.persistence",
    "MemoryAssembly": "synthstore.model.entities",
    "MemoryEntry": "synthstore.model.entities",
    "MemoryPersistence": "synthstore.persistence",
    "MemoryVectorIndex": "synthstore.store.vector_index",
    "StoreConfig": "synthstore.config",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES.get(name, "synthstore.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
