"""The man page of the layouts: what stands where in a store, its own folder and a repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from synthstore.cli.roff import bold, filled, head, italic, items, paragraph, see_also, verbatim
from synthstore.errors import UsageError
from synthstore.layout.base import OWN_FOLDER, Layout
from synthstore.layout.detect import SUPPORTED
from synthstore.model.ids import EntityRef

STORAGE = "synthstore-storage"

LAYOUTS = {
    "native": "the design's own: memories/, assemblies/, vector_index/, a catalog with hashes",
    "core-4": "what the newest Memory Core writes: memories/, a flat catalog, faiss_index.bin",
    "core-3": "what earlier ones wrote: mem_*.json in the root",
    "core-2": ("what still earlier ones wrote: an index without ids, id_to_index_mapping.json"),
    "lucidia-1": "an ancestor's: <uuid>.json in the root, a catalog in a section, no vectors",
    "lucidia-0": "an older ancestor's: <uuid>.json in the root and nothing else",
}
"""What each layout is; the README's table says the same."""

_ROWS = (
    ("native", '{"memories": {"ID": {"filepath", "created_at", "updated_at", "quickrecal_score",'),
    ("", '   "content_hash"}}, "assemblies": {"ID": {"filepath", ..., "member_count"}},'),
    ("", '   "metadata": {"version", "last_updated", "memory_count", "assembly_count"}}'),
    ("core", '{"ID": {"path", "type": "memory" or "assembly", "timestamp"}}; older: "quickrecal"'),
    ("lucidia-1", '{"memories": {"ID": {"path", "timestamp", "quickrecal_score"}}, "count"}'),
)

_FIELDS = {
    "native memory": (
        "memory_id, content, embedding (a list of numbers or null), created_at, updated_at,"
        " quickrecal_score (0 to 1), metadata, access_count; any other key is kept in its place"
    ),
    "native assembly": (
        "assembly_id, name, description, memory_ids, composite_embedding, created_at, updated_at,"
        " tags; any other key is kept in its place"
    ),
    "core memory": (
        "id, content, embedding, timestamp, quickrecal_score, quickrecal_updated, metadata,"
        " access_count, last_access_time, hyperbolic_embedding"
    ),
    "core assembly": (
        "assembly_id, memories: full copies of its members (core-4), or their ids (earlier)"
    ),
}

_OWN = (
    ("lock", "held by a command alone, by open libraries together (flock)"),
    ("write.lock", "held by a library around each of its changes"),
    ("changes.log", "what a library saved and deleted since the catalog was last written"),
    ("runs/RUN/committed", "the plan of a run; once it stands the run will be completed"),
    ("runs/RUN/new, runs/RUN/old", "what the run puts into the store, and what it displaced"),
    ("runs/RUN/done", "what became of it; without this verify finds S001"),
    ("quarantine/RUN/", "copies of what a run took out; they go only with undo --prune"),
    ("index_backups/", "copies of the catalog where the layout has no place for them"),
)

_REPOSITORY = (
    ("config", "that it is a repository, and of which format"),
    ("packs/", "all contents, deduplicated and compressed, named by their hash"),
    ("snapshots/", "one small file a snapshot, named by its time and hash"),
    ("damage/", "what snapshots check found damaged, for the next backup to store again"),
)

_WHAT = (
    "A store is one directory of JSON files, a file an entity, with a catalog that lists them, and"
    " a FAISS index with a mapping from ids to its numbers."
)
_TOLD = (
    "A layout is told by evidence, each piece optional: the catalog's shape, folders, file names,"
    " the keys of some entity files, the names of index and mapping. Real stores mix their eras,"
    " so every row and file is judged by itself. All commands work in place and write back in the"
    " layout that is there. Where the evidence is equal for two, --layout settles it; a newer"
    " major version is refused, and so is the typed Lucidia layout (a folder for each type)."
)
_VECTORS = (
    "A memory's vector id is its id, an assembly's is asm: and its id. A numeric id is"
    " int(md5(vector id), 16) % (2**63 - 1), or a position where a Memory Core rebuilt its index;"
    " both are right. Vectors are the embeddings as float32, unscaled. In core-2 the index holds"
    " no ids, and a vector's id is its position."
)


def storage() -> Iterator[str]:
    """The lines of ``synthstore-storage.5``."""
    yield from head(STORAGE, 5, "what stands where in a memory store")
    yield from (".SH DESCRIPTION", filled(_WHAT))
    yield from paragraph(_TOLD)
    yield ".SH LAYOUTS"
    for name, kind in SUPPORTED.items():
        yield from (f".SS {name}", f"{LAYOUTS[name][:1].upper()}{LAYOUTS[name][1:]}.")
        yield from items((bold(path), what) for path, what in _paths(kind()))
    yield from (".SH CATALOG", "The keys of each, as JSON:")
    yield from verbatim(f"{name:<10}{row}" for name, row in _ROWS)
    yield from paragraph(
        "content_hash is sha256: and the hash of the memory file's bytes; where others wrote the"
        " hash of its content, that is read too. Times without a zone are UTC."
    )
    yield ".SH ENTITY FILES"
    yield from items((bold(name), fields) for name, fields in _FIELDS.items())
    yield ".SH VECTORS"
    yield filled(_VECTORS)
    yield f".SH THE FOLDER {OWN_FOLDER}"
    yield from items((italic(name), what) for name, what in _OWN)
    yield ".SH REPOSITORIES"
    yield from items((italic(name), what) for name, what in _REPOSITORY)
    yield from see_also(
        ["synthstore(1)", "synthstore-verify(1)", "synthstore-backup(1)", "synthstore-findings(7)"]
    )


def _paths(layout: Layout) -> Iterator[tuple[str, str]]:
    """(path, what it is) of all that a layout puts into a store."""
    if layout.catalog_path:
        yield layout.catalog_path, "the catalog"
    yield layout.path_for(EntityRef("memory", "ID")), "a memory"
    with suppress(UsageError):  # where a layout keeps none
        yield layout.path_for(EntityRef("assembly", "ID")), "an assembly"
    if layout.faiss_path:
        yield layout.faiss_path, f"the vectors; a new index is {layout.factory}, {layout.metric}"
    for place, path in enumerate(layout.mapping_paths):
        yield path, "the mapping" if not place else "the mapping too, where it exists"
    if layout.backup_patterns:
        yield ", ".join(layout.backup_patterns), "copies of the catalog"
