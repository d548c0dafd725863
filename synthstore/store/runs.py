"""Runs, for whoever makes, lists, undoes or prunes them; ``session`` is what carries them out."""

from __future__ import annotations

from synthstore.store.foreseen import Foreseen, foresee
from synthstore.store.history import RunInfo, Unfinished, list_runs, unfinished_runs
from synthstore.store.plan import (
    CATALOG,
    ENTITY,
    INDEX,
    MAPPING,
    REMOVAL,
    Change,
    FilesChanged,
)
from synthstore.store.retention import Pruned, to_prune
from synthstore.store.undoing import Reversal, find_run, newest_undoable, undo_changes

__all__ = [
    "CATALOG",
    "ENTITY",
    "INDEX",
    "MAPPING",
    "REMOVAL",
    "Change",
    "FilesChanged",
    "Foreseen",
    "Pruned",
    "Reversal",
    "RunInfo",
    "Unfinished",
    "find_run",
    "foresee",
    "list_runs",
    "newest_undoable",
    "to_prune",
    "undo_changes",
    "unfinished_runs",
]
