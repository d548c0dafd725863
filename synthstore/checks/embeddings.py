"""Rules on the embeddings in entity files (E001 to E006)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from synthstore.checks.comparing import UNIT_NORM_TOLERANCE, judged, judged_column
from synthstore.checks.finding import Finding, Severity
from synthstore.checks.found import finding, once
from synthstore.checks.ownership import owners
from synthstore.checks.structure import STORE
from synthstore.model.columns import embedded
from synthstore.model.embedding import EmbeddingState
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef
from synthstore.scan.inventory import Inventory

UNIT_SHARE = 0.9
"""From this share of unit norms on, a store's embeddings are meant to have length 1."""

SHOWN = 10


@once
def _odd(inventory: Inventory) -> Mapping[EntityRef, EntityFile]:
    """Of these, all but the usual: a valid embedding of the store's dimension."""
    usual, dim = EmbeddingState.VALID, inventory.dimension
    found = judged(inventory).those(~embedded(inventory.files, dim))
    return {r: f for r, f in found if f.embedding is not usual or f.dim != dim}


def _in_state(
    inventory: Inventory, *states: EmbeddingState
) -> Iterator[tuple[EntityRef, EntityFile]]:
    files = _odd(inventory).items()
    return ((ref, file) for ref, file in files if file.embedding in states)


def embeddings_missing(inventory: Inventory) -> Iterator[Finding]:
    """E001: no embedding; a warning if a vector holds it."""
    for ref, file in _in_state(inventory, EmbeddingState.MISSING):
        held = owners(inventory).sound_position(ref) is not None
        message = "no embedding in the file, so a search by meaning never finds it"
        if held:
            message = "no embedding in the file; its vector in the index is the only copy"
        yield finding(
            "E001",
            ref,
            file.path,
            message,
            evidence={"vector": held},
            severity=Severity.WARNING if held else None,
            repair="take it from its vector" if held else "left: no vector holds it",
        )


def embeddings_of_other_dimension(inventory: Inventory) -> Iterator[Finding]:
    """E002: not the dimension of the store's majority; silent where there is none (V009)."""
    dim = inventory.dimension
    for ref, file in _in_state(inventory, EmbeddingState.VALID) if dim is not None else ():
        yield finding(
            "E002",
            ref,
            file.path,
            f"its embedding has {file.dim} dimensions, the store's have {dim}: "
            "the index cannot hold it",
            evidence={"dimension": file.dim, "store_dimension": dim},
        )


def embeddings_not_finite(inventory: Inventory) -> Iterator[Finding]:
    """E003: NaN or infinity in the embedding, or no numbers at all."""
    for ref, file in _in_state(inventory, EmbeddingState.NOT_FINITE, EmbeddingState.MISTYPED):
        what = "holds NaN, infinity or a number too large for an index"
        if file.embedding is EmbeddingState.MISTYPED:
            what = "is no list of numbers"
        yield finding("E003", ref, file.path, f"its embedding {what}: no index can hold it")


def embeddings_zero(inventory: Inventory) -> Iterator[Finding]:
    """E004: zero vectors, which have no direction to compare."""
    for ref, file in _in_state(inventory, EmbeddingState.ZERO):
        yield finding(
            "E004",
            ref,
            file.path,
            "its embedding is a zero vector, so a search by meaning never finds it",
            evidence={"dimension": file.dim},
        )


def norms_mixed(inventory: Inventory) -> Iterator[Finding]:
    """E005: some norms are not 1 in a store whose embeddings otherwise are; said once."""
    states = judged_column(inventory, "embedding")
    valid = np.array([state is EmbeddingState.VALID for state in states], dtype=np.bool_)
    norms = np.array(judged_column(inventory, "norm"), dtype=np.float64)[valid]
    odd = norms[_off(norms)]
    if len(odd) and len(norms) - len(odd) >= UNIT_SHARE * len(norms):
        files = judged(inventory).items()
        usual = [(ref.id, f.norm) for ref, f in files if f.embedding is EmbeddingState.VALID]
        yield finding(
            "E005",
            STORE,
            None,
            f"{len(odd)} of {len(norms)} embeddings do not have length 1, as the others do: "
            "by inner product they rank out of place",
            evidence={
                "ids": sorted(entity_id for entity_id, norm in usual if _off(norm)),
                "least_norm": float(odd.min()),
                "largest_norm": float(odd.max()),
            },
        )


def _off(norms: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(np.asarray(norms) - 1) > UNIT_NORM_TOLERANCE)


def models_mixed(inventory: Inventory) -> Iterator[Finding]:
    """E006: several embedding models named in the metadata; said once, counted per model."""
    models = Counter(judged_column(inventory, "record.model"))
    del models[None]
    if len(models) > 1:
        shown = sorted(models.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
        yield finding(
            "E006",
            STORE,
            None,
            f"entities name {len(models)} embedding models; vectors of different models do not "
            "compare",
            evidence={"models": dict(shown), "count": len(models)},
        )
