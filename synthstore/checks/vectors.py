"""Rules on the FAISS index (V001 to V005, V009 to V011)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from synthstore.checks.comparing import compare, deserving
from synthstore.checks.finding import Finding, Severity, Subject
from synthstore.checks.found import finding, once, out_of_reach
from synthstore.checks.ownership import NOBODY, owners
from synthstore.checks.standing import lost_folders, standing
from synthstore.model.embedding import EmbeddingState
from synthstore.model.facts import PartStatus
from synthstore.model.ids import numeric_id, ref_of_vector, vector_id
from synthstore.scan.inventory import Inventory


def _index(inventory: Inventory) -> Subject:
    return Subject("index", inventory.index.path)


def index_missing(inventory: Inventory) -> Iterator[Finding]:
    """V001: no index, though something is there to be in it.

    A quick look knows no embeddings, so there any entity file counts.
    """
    index = inventory.index
    if index.status is not PartStatus.MISSING or not index.path:
        return
    embeddings = sum(len(table.paths) for table in inventory.tables.values())
    if embeddings or (inventory.quick and inventory.files):
        yield finding(
            "V001",
            _index(inventory),
            index.path,
            "the vector index is missing, so no search by meaning finds anything",
            evidence={} if inventory.quick else {"embeddings": embeddings},
        )


def index_unreadable(inventory: Inventory) -> Iterator[Finding]:
    """V002: bytes that are no index, or not what FAISS wrote; ignores what S005 says."""
    index = inventory.index
    if index.status is PartStatus.UNREADABLE and index.path not in inventory.closed:
        problem = index.problem or "not a FAISS index"
        yield finding(
            "V002",
            _index(inventory),
            index.path,
            f"the vector index is unreadable, so no search by meaning finds anything: {problem}",
            evidence={"problem": problem},
            repair=out_of_reach(index),
        )


@once
def _comparable(inventory: Inventory) -> bool:
    """Whether vectors and embeddings can be held against each other (else V001, V002, V009)."""
    index = inventory.index
    if index.status is not PartStatus.OK or tied(inventory):
        return False
    return inventory.dimension in (None, index.dim)


def entities_without_vector(inventory: Inventory) -> Iterator[Finding]:
    """V003: valid embeddings of the store's dimension without a vector.

    Ignores an id whose vector still bears the id of the row that names its file (M005).
    """
    if not _comparable(inventory):
        return
    owned, heir_of = owners(inventory), standing(inventory).heir_of
    without = owned.first[: len(inventory.files)] == NOBODY
    for ref, _ in deserving(inventory).those(without):
        if not (owned.position(ref) is owned.position(heir_of.get(ref)) is None):
            continue
        name = vector_id(ref)
        yield finding(
            "V003",
            ref,
            inventory.index.path,
            "a valid embedding, but no vector in the index: a search by meaning never finds it",
            evidence={"vector_id": name, "numeric_id": numeric_id(name)},
        )


def orphan_vectors(inventory: Inventory) -> Iterator[Finding]:
    """V004: ids in the index that belong to no entity with a file or a row."""
    if not _comparable(inventory):
        return
    named = orphans_names(inventory)
    hidden = inventory.blind or bool(lost_folders(inventory))
    for number in owners(inventory).unknown:
        name = named.get(number)
        yield finding(
            "V004",
            Subject("vector", str(number)),
            inventory.index.path,
            _orphan_of(name, hidden=hidden),
            evidence={} if name is None else {"vector_id": name},
            repair=_MAYBE_HIDDEN if inventory.blind else None,
        )


def _orphan_of(name: str | None, *, hidden: bool) -> str:
    """What is said of an orphan; ``hidden``: its entity may be where nothing can be seen."""
    if hidden:
        whose = f"the vector of {name}, of" if name is not None else "a vector, of the owner of"
        return f"{whose} which neither file nor row can be seen"
    effect = "a search finds what is not there"
    if name is None:
        return f"a vector that no entity owns: {effect}"
    return f"the vector of {name}, which has neither file nor row: {effect}"


_MAYBE_HIDDEN = "left: its entity may be one that cannot be seen now; repair once all can be read"


@once
def orphans_names(inventory: Inventory) -> Mapping[int, str]:
    """The first name that any mapping gives each vector that no entity owns, by its number.

    Without those of entities with a file or a row: such a vector is not theirs, or not alone.
    """
    unknown, known = owners(inventory).unknown, standing(inventory).known
    orphans, named = frozenset(unknown), dict[int, str]()
    for mapping in inventory.mappings if orphans else ():
        for name, number in (mapping.entries or {}).items():
            if number in orphans:
                named.setdefault(number, name)
    told = ((number, named[number]) for number in unknown if number in named)
    return {number: name for number, name in told if ref_of_vector(name) not in known}


def stale_vectors(inventory: Inventory) -> Iterator[Finding]:
    """V005: vectors that differ from their file's embedding, bit by bit.

    Where the index keeps no exact vectors, only a cosine under 0.9 counts. Ignores numbers that
    stand twice (V008), vectors that are not finite (V011) and frozen entities (M004).
    """
    if not _comparable(inventory):
        return
    for ref, position in compare(inventory).stale:
        yield finding(
            "V005",
            ref,
            inventory.index.path,
            "its vector differs from the embedding in its file, so a search ranks it wrongly",
            evidence={"vector_id": vector_id(ref), "position": position},
        )


def dimensions_tied(inventory: Inventory) -> Iterator[Finding]:
    """V009: embeddings of several dimensions without a majority, with or without an index."""
    index, sizes = inventory.index, tied(inventory)
    if sizes and index.path:
        yield finding(
            "V009",
            _index(inventory),
            index.path,
            f"{tie_of(sizes)}, so no index can be right",
            evidence={"dimensions": sizes, "index_dimension": index.dim or None},
            repair="refused: a tie has no right dimension; embeddings made anew by one model "
            "settle it (export, embed, import --on-conflict replace)",
        )


def index_of_other_dimension(inventory: Inventory) -> Iterator[Finding]:
    """V009: an index of another dimension than the store's embeddings."""
    index, dim = inventory.index, inventory.dimension
    if index.status is PartStatus.OK and dim not in (None, index.dim):
        yield finding(
            "V009",
            _index(inventory),
            index.path,
            f"the index has {index.dim} dimensions, the embeddings have {dim}: it cannot hold them",
            evidence={"dimensions": _sizes(inventory), "index_dimension": index.dim},
        )


def _sizes(inventory: Inventory) -> dict[str, int]:
    """How many valid embeddings there are of each dimension."""
    return {str(dim): len(table.paths) for dim, table in sorted(inventory.tables.items())}


def tied(inventory: Inventory) -> dict[str, int]:
    """The same where no dimension has the majority, else nothing."""
    return {} if inventory.dimension is not None else _sizes(inventory)


def tie_of(sizes: Mapping[str, int]) -> str:
    """What is said of embeddings of which there are so many of each dimension."""
    told = ", ".join(f"{count} of {dim}" for dim, count in sizes.items())
    return f"the embeddings are of several dimensions ({told}) and none has the majority (a tie)"


def index_positional(inventory: Inventory) -> Iterator[Finding]:
    """V010: a bare index; info where that is the layout's own way."""
    index = inventory.index
    if index.status is PartStatus.OK and not index.has_ids:
        usual = inventory.layout.positional
        yield finding(
            "V010",
            _index(inventory),
            index.path,
            "the index carries no ids, so only the mapping's order tells whose a vector is"
            + (", as this layout has it" if usual else ""),
            evidence={"type": index.description},
            severity=Severity.INFO if usual else None,
            repair="left: this layout is positional" if usual else "rebuild with an id map",
        )


def vectors_not_finite(inventory: Inventory) -> Iterator[Finding]:
    """V011: vectors with NaN or infinity, each by its owner, else by its number."""
    owned = owners(inventory)
    for position in sorted(owned.not_finite):
        owner, number = owned.owner(position), int(owned.ids[position])
        file = standing(inventory).standing_file.get(owner) if owner is not None else None
        healable = file is not None and file.embedding is EmbeddingState.VALID
        yield finding(
            "V011",
            owner or Subject("vector", str(number)),
            inventory.index.path,
            "its vector holds NaN or infinity, so no search ranks it",
            evidence={"numeric_id": number, "position": position},
            repair="replace the vector from the file" if healable else "remove the vector",
        )
