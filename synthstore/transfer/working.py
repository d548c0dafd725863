"""The work of one worker of an import: rows judged, their files staged, their numbers shelved.

Everything here is a plain function of picklable values, so that any executor can run it.
"""

from __future__ import annotations

import os
from itertools import chain

from synthstore.files.arena import Shelf, put
from synthstore.files.putting import Attire
from synthstore.files.together import together
from synthstore.model.embedding import FloatVector
from synthstore.store.berths import Berth, StagingArea
from synthstore.transfer.checking import Terms, judged
from synthstore.transfer.outcomes import Outcome, Ready
from synthstore.transfer.portions import Portion, size_of


def prepare(
    terms: Terms, portion: Portion, berth: Berth | None = None, shelf: Shelf | None = None
) -> list[Outcome]:
    """What becomes of each row; new files are written into the ``berth``, which has room for all.

    Embeddings go to the ``shelf``, which has as much. Raises OperationError for what cannot be
    written.
    """
    outcomes = _judged(terms, portion, berth)
    return outcomes if shelf is None else _shelved(shelf, outcomes)


def _judged(terms: Terms, portion: Portion, berth: Berth | None) -> list[Outcome]:
    some = (judged(terms, rows) for rows in together(portion.found(), size=size_of))
    if berth is None:
        return [*chain.from_iterable(some)]
    outcomes: list[Outcome] = []
    with berth.area.held() as fd:
        for few in some:
            outcomes += [
                _staged(terms, berth.area, fd, slot, one)
                for slot, one in enumerate(few, berth.first + len(outcomes))
            ]
    return outcomes


def _staged(terms: Terms, area: StagingArea, fd: int, slot: int, outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Ready) or not isinstance(outcome.content, bytes):
        return outcome
    file, access = outcome.file, terms.access
    if file.sha256 is None:
        return outcome
    if not terms.bare and os.path.lexists(f"{terms.root}/{file.path}"):
        return outcome
    attire = Attire(access.mode, access.uid, access.gid)
    staged = area.write(fd, slot, outcome.content, file.sha256, attire)
    return outcome._replace(content=staged)


def _shelved(shelf: Shelf, outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes, their embeddings in the arena where it can be reached."""
    by_dim: dict[int, list[tuple[int, Ready, FloatVector]]] = {}
    for n, one in enumerate(outcomes):
        vector = one.array() if isinstance(one, Ready) else None
        if isinstance(one, Ready) and vector is not None:
            by_dim.setdefault(len(vector), []).append((n, one, vector))
    for dim, found in by_dim.items():
        run = put(shelf, dim, [vector for _, _, vector in found])
        if run is not None:
            for row, (n, one, _) in enumerate(found, run.first):
                outcomes[n] = one._replace(vector=row)
    return outcomes
