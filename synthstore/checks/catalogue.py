"""The finding catalogue: what each code means, how bad it is, and what repair does about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from synthstore.checks.finding import Severity
from synthstore.model.ids import Kind

LEAVING = ("left", "never", "none", "refused", "stored")
"""How the repair texts begin that have repair leave a finding as it is."""

_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR


@dataclass(frozen=True, slots=True)
class Entry:
    """One code of the catalogue."""

    code: str
    rule: str
    severity: Severity
    """The default; a rule may say less or more where the catalogue says so."""
    summary: str
    repair: str

    @property
    def repairs(self) -> bool:
        """Whether repair does anything about it."""
        return not self.repair.startswith(LEAVING)


_STRUCTURE = (
    Entry("S001", "interrupted-run", _ERROR, "a committed run is not done", "roll it forward"),
    Entry("S002", "leftover-file", _WARNING, "a temporary file nobody finished", "quarantine it"),
    Entry("S003", "foreign-file", _INFO, "no part of the layout, where entities live", "left"),
    Entry(
        "S004",
        "irregular-file",
        _ERROR,
        "no regular file where an entity file belongs",
        "left: never opened or followed; its row is treated as having no file",
    ),
    Entry(
        "S005",
        "no-access",
        _ERROR,
        "this user may not read or write it",
        "none: change the permissions as the message says",
    ),
    Entry(
        "S006",
        "name-collision",
        _WARNING,
        "names that some other systems confuse or refuse",
        "left: harmless here; export it and import it under another id before a copy goes there",
    ),
    Entry("S007", "hard-link", _INFO, "entity files with several names", "never written in place"),
    Entry("S008", "nested-store", _INFO, "a store inside the store", "left: it is its own store"),
    Entry(
        "S009",
        "entity-folder-missing",
        _ERROR,
        "rows name files in a folder that is missing or empty",
        "refused: mount its disk, or bring the folder back; --allow-shrink lets its rows go",
    ),
)

_CATALOG = (
    Entry("C001", "catalog-missing", _ERROR, "memory_index.json missing", "rebuild it from files"),
    Entry(
        "C002",
        "catalog-unreadable",
        _ERROR,
        "memory_index.json is no readable catalog",
        "reconcile the newest good index backup with the files, else rebuild; keep the bad file",
    ),
    Entry(
        "C003",
        "row-malformed",
        _ERROR,
        "row with missing or mistyped keys",
        "rewrite the row from the file",
    ),
    Entry("C004", "counts-wrong", _WARNING, "metadata counts differ from the rows", "recount"),
    Entry(
        "C005",
        "path-leaves-store",
        _ERROR,
        "row whose path leaves the store",
        "name the real file, else drop the row; the path is never followed",
    ),
    Entry(
        "C006",
        "file-listed-twice",
        _ERROR,
        "two rows name one file",
        "keep the row whose id the file bears",
    ),
    Entry(
        "C007",
        "row-disagrees",
        _WARNING,
        "row disagrees with its file",
        "rewrite the row from the file",
    ),
    Entry(
        "C008", "hash-out-of-date", _WARNING, "content_hash older than the file", "hash it again"
    ),
    Entry("C009", "deletion-unfinished", _WARNING, "a deletion never finished", "finish it"),
)

_COPY_ELSE_SALVAGE = (
    "recover from a surviving copy, else salvage whole fields, else quarantine with row and vector"
)

_BY_HAND = "left: export it, correct it, import it with --on-conflict replace"

_ANEW = "left: no vector; export it, embed it anew, import it with --on-conflict replace"

_MEMORIES = (
    Entry(
        "M001",
        "memory-file-missing",
        _ERROR,
        "a row, no file",
        "recover the file from a surviving copy, else drop the row",
    ),
    Entry("M002", "memory-not-listed", _ERROR, "a file, no row", "adopt it into the catalog"),
    Entry(
        "M003",
        "memory-unparsable",
        _ERROR,
        "not JSON, cut short, NUL-filled or bad UTF-8",
        _COPY_ELSE_SALVAGE,
    ),
    Entry(
        "M004",
        "memory-bit-rot",
        _ERROR,
        "bytes differ from content_hash, though the file is not newer than its row",
        "recover the copy with the right hash, else frozen until --accept",
    ),
    Entry(
        "M005",
        "memory-id-differs",
        _ERROR,
        "id in the file differs from its name or row",
        "the catalog follows the file; the name is left",
    ),
    Entry(
        "M006",
        "memory-claimed-twice",
        _ERROR,
        "two files claim one id",
        "quarantine this file; the one that stands for the id stays",
    ),
    Entry(
        "M007",
        "memory-incomplete",
        _ERROR,
        "required field missing or mistyped",
        _COPY_ELSE_SALVAGE,
    ),
    Entry("M008", "memory-out-of-range", _WARNING, "field out of range", _BY_HAND),
    Entry("M009", "memory-file-empty", _ERROR, "empty file", _COPY_ELSE_SALVAGE),
    Entry(
        "M010",
        "not-rewritable",
        _WARNING,
        "valid, but lost if written again from parsed values",
        "left: never rewritten from parsed values",
    ),
    Entry(
        "M011",
        "oversize-file",
        _ERROR,
        "larger than the size cap; not parsed",
        "left: shorten it by hand and verify again, or move it out of the store and repair",
    ),
    Entry(
        "M012",
        "id-not-allowed",
        _ERROR,
        "an id that no file name can carry safely",
        "left: export it, import it under another id, move this file out of the store, repair",
    ),
)

_EMBEDDINGS = (
    Entry("E001", "embedding-missing", _INFO, "no embedding", "take it from its vector, if any"),
    Entry("E002", "embedding-dimension", _ERROR, "dimension other than the store's", _ANEW),
    Entry(
        "E003",
        "embedding-not-finite",
        _ERROR,
        "NaN, infinity or no numbers in the embedding",
        "take it from a copy or its vector, else no vector",
    ),
    Entry("E004", "embedding-zero", _WARNING, "zero vector", _ANEW),
    Entry("E005", "norms-mixed", _INFO, "some norms are not 1 where most are", "left"),
    Entry("E006", "models-mixed", _INFO, "entities name different embedding models", "left"),
)

_ASSEMBLIES = (
    Entry(
        "A020",
        "dangling-member",
        _WARNING,
        "member that does not exist",
        "left, unless --select A020 recovers it from the embedded copy, if its id is allowed",
    ),
    Entry(
        "A021", "composite-differs", _INFO, "composite embedding is not its members' mean", "left"
    ),
    Entry("A022", "merge-loop", _WARNING, "merged_from names itself or forms a loop", _BY_HAND),
    Entry(
        "A023",
        "members-are-strings",
        _WARNING,
        "members are bare ids, which the newest Memory Core erases at its next save",
        "left: synthstore migrate --in-place --layout core-4 embeds them",
    ),
)

_VECTORS = (
    Entry("V001", "vector-index-missing", _ERROR, "no vector index", "rebuild it"),
    Entry(
        "V002",
        "vector-index-unreadable",
        _ERROR,
        "vector index unreadable",
        "rebuild it; the bad file is kept",
    ),
    Entry("V003", "memory-without-vector", _ERROR, "valid embedding, no vector", "add the vector"),
    Entry(
        "V004",
        "orphan-vector",
        _ERROR,
        "vector that no live entity owns",
        "bring its memory back from a snapshot, with --repo, else remove the vector",
    ),
    Entry(
        "V005",
        "stale-vector",
        _ERROR,
        "vector differs from the file's embedding",
        "replace the vector",
    ),
    Entry(
        "V006",
        "mapping-unusable",
        _ERROR,
        "mapping missing or unreadable",
        "rebuild it from ids and files",
    ),
    Entry(
        "V007",
        "mapping-disagrees",
        _ERROR,
        "mapping disagrees with the index or the entities",
        "rebuild the mapping",
    ),
    Entry("V008", "numeric-id-twice", _ERROR, "one numeric id twice", "rebuild"),
    Entry(
        "V009",
        "index-dimension",
        _ERROR,
        "index dimension differs from the embeddings'",
        "rebuild with the store's dimension; a tie refuses",
    ),
    Entry(
        "V010",
        "positional-index",
        _WARNING,
        "index carries no ids",
        "rebuild with an id map; left where the layout is positional",
    ),
    Entry(
        "V011",
        "vector-not-finite",
        _ERROR,
        "NaN or infinity in the index",
        "replace from the file, else remove",
    ),
)

_REPOSITORY = (
    Entry(
        "K001",
        "repository-object-damaged",
        _ERROR,
        "repository object missing or damaged",
        "stored again by the next backup, if the source still has it",
    ),
)


def twin(code: str, kind: Kind) -> str:
    """The code of a memory's damage, or its twin for an assembly (M001 → A001)."""
    return code if kind == "memory" else "A" + code[1:]


def _for_assemblies(entry: Entry) -> Entry:
    named = "memory" in entry.rule
    rule = entry.rule.replace("memory", "assembly") if named else f"assembly-{entry.rule}"
    return replace(entry, code=twin(entry.code, "assembly"), rule=rule)


CATALOGUE: Mapping[str, Entry] = {
    entry.code: entry
    for entry in (
        *_STRUCTURE,
        *_CATALOG,
        *_MEMORIES,
        *map(_for_assemblies, _MEMORIES),
        *_ASSEMBLIES,
        *_EMBEDDINGS,
        *_VECTORS,
        *_REPOSITORY,
    )
}
"""Every code that a finding can carry."""

_BODIES = tuple(f"{kind}{number:03}" for kind in "MA" for number in range(3, 12))

IN_FILES = frozenset(
    {"C008", *_BODIES, "A020", "A021", "A022", "A023"}
    | {"E001", "E002", "E003", "E004", "E005", "E006", "V003", "V005", "V009", "V011"}
)
"""What only a look into the entity files, or at the vectors themselves, can find."""

IN_REPOSITORIES = frozenset({"K001"})
"""What no look at a store finds."""
