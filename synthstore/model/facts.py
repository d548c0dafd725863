"""What one scan learned of each part of a store: plain values, picklable, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from synthstore.model.catalog import Catalog, Scalar
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.states import EmbeddingState

if TYPE_CHECKING:
    from synthstore.model.chosen import Vectors
    from synthstore.model.embedding import IdArray


class FileStatus(StrEnum):
    """How far an entity file could be understood."""

    WHOLE = "whole"
    """Parsed, with an id and the required fields."""
    UNREAD = "unread"
    """Not looked into (``--quick``, or outside the ``--subset``)."""
    TORN = "torn"
    """Does not parse (M003)."""
    INCOMPLETE = "incomplete"
    """Parses, but a required field is missing or mistyped (M007)."""
    EMPTY = "empty"
    """Zero bytes (M009)."""
    OPAQUE = "opaque"
    """Valid, but too deep for any parser here (M010); taken as it is."""
    OVERSIZE = "oversize"
    """Beyond the size cap (M011); not read."""
    UNREADABLE = "unreadable"
    """The system refuses to give its bytes (S005)."""

    @property
    def hurt(self) -> bool:
        """Whether repair should look for a better copy."""
        return self in (FileStatus.TORN, FileStatus.INCOMPLETE, FileStatus.EMPTY)

    @property
    def sealed(self) -> bool:
        """Whether the content is unknown, but nothing says that it is bad."""
        return self in (
            FileStatus.UNREAD,
            FileStatus.OPAQUE,
            FileStatus.OVERSIZE,
            FileStatus.UNREADABLE,
        )


class Stat(NamedTuple):
    """The part of a file's status that plans and checks need."""

    size: int
    mtime_ns: int
    mode: int
    """Permission bits only."""
    uid: int
    gid: int
    nlink: int
    inode: int


class Record(NamedTuple):
    """An entity's fields as its layout spells them, brought to one vocabulary."""

    kind: Kind
    id: str | None
    """The id in the file; None where missing or not a string."""
    created_at: Scalar = None
    updated_at: Scalar = None
    created_us: int | None = None
    """Instant in microseconds since the epoch, UTC; None where unreadable."""
    updated_us: int | None = None
    score: float | None = None
    missing: tuple[str, ...] = ()
    """Required fields that are missing or mistyped (M007), by the layout's own names."""
    out_of_range: tuple[str, ...] = ()
    """Fields with a value out of range (M008), one sentence part each."""
    members: tuple[str, ...] = ()
    embedded: tuple[str, ...] = ()
    """Members of which the assembly holds a full copy."""
    string_members: bool = False
    """A core assembly whose members are bare ids (A023)."""
    merged_from: tuple[str, ...] = ()
    model: str | None = None
    """The embedding model that the metadata names."""
    content_sha256: str | None = None
    """Of the content text: what native stores written by others may carry as content_hash."""


class EntityFile(NamedTuple):
    """One file where an entity belongs."""

    kind: Kind
    path: str
    """Store-relative, POSIX."""
    status: FileStatus
    stat: Stat
    sha256: str | None = None
    """Of the bytes, hex; None where they were not read."""
    problem: str | None = None
    """Why the status is not WHOLE, with the place in the file where one is known."""
    record: Record | None = None
    """Set when WHOLE, and when INCOMPLETE as far as it goes."""
    rigid: tuple[str, ...] = ()
    """Why the file must never be rewritten from parsed values (M010)."""
    embedding: EmbeddingState = EmbeddingState.UNKNOWN
    dim: int = 0
    norm: float = 0.0

    @property
    def id(self) -> str | None:
        """The id that the file bears, if it could be read."""
        return self.record.id if self.record is not None else None

    @property
    def ref(self) -> EntityRef | None:
        """The entity that the file bears, if it is whole."""
        if self.status is not FileStatus.WHOLE or self.record is None or self.record.id is None:
            return None
        return EntityRef(self.kind, self.record.id)


class StrayKind(StrEnum):
    """What else stands in a store."""

    LEFTOVER = "leftover"
    """A temporary file that its writer never finished (S002)."""
    FOREIGN = "foreign"
    """A file or folder that is no part of the layout, where entities live (S003)."""
    IRREGULAR = "irregular"
    """A link, FIFO, device, socket or directory where an entity file belongs (S004)."""
    NESTED_STORE = "nested-store"
    """A directory that is a store of its own (S008)."""


class Stray(NamedTuple):
    """Something in a store that is no entity file and no part of the layout."""

    kind: StrayKind
    path: str
    what: str
    """For people: ``symbolic link``, ``FIFO``, ``temporary file`` and so on."""
    stat: Stat
    entity_kind: Kind | None = None
    """For IRREGULAR: which kind of entity belongs at this path."""


class PartStatus(StrEnum):
    """How a part of a store (catalog, index, mapping) was found."""

    OK = "ok"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class CatalogFacts:
    """The catalog as found."""

    status: PartStatus
    path: str
    problem: str | None = None
    sha256: str | None = None
    """None where missing, or where not even the bytes could be read."""
    stat: Stat | None = None
    catalog: Catalog | None = None
    """Set when OK."""
    encoding: str | None = None
    """What parts its bytes from plain UTF-8, though they could be read."""


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """The FAISS file as found; ids and vectors as it holds them, in its order."""

    status: PartStatus
    path: str
    problem: str | None = None
    sha256: str | None = None
    stat: Stat | None = None
    description: str = ""
    """A factory-like name: ``IDMap2,Flat``, ``Flat``, ``IVF16,Flat``; empty unless OK."""
    metric: str = ""
    """``ip`` or ``l2`` (or FAISS's number for another); empty unless OK."""
    dim: int = 0
    ntotal: int = 0
    has_ids: bool = True
    """False for a bare index, whose ids are positions (V010)."""
    ids: IdArray | None = None
    """int64, shape (ntotal,); positions where has_ids is False."""
    vectors: Vectors | None = None
    """float32, shape (ntotal, dim); None in a quick look. Of many, those that are embeddings may be
    the rows of these."""
    exact: bool = True
    """False where the index stores vectors lossily, so they cannot equal the embeddings."""


class Spelling(NamedTuple):
    """What shows how a long file may be spelt, when its bytes are gone."""

    head: bytes
    """Its first bytes."""
    newline: bool
    """Whether it ends with a line feed."""
    is_ascii: bool
    """Whether all its bytes are ASCII."""
    entries: Mapping[str, int]
    """All that it says: spelt rightly, they have its hash."""


@dataclass(frozen=True, slots=True)
class MappingFacts:
    """One mapping file (vector id → numeric id) as found."""

    status: PartStatus
    path: str
    problem: str | None = None
    sha256: str | None = None
    stat: Stat | None = None
    entries: Mapping[str, int] | None = None
    """Set when OK, in file order."""
    duplicate_keys: tuple[str, ...] = ()
    bad_entries: tuple[str, ...] = ()
    """Keys whose values are no FAISS ids: mistyped, negative, or beyond 63 bits. ``entries`` has
    those that are 64-bit integers all the same."""
    raw: bytes | None = None
    """The bytes as they are: how they are spelt is kept when the file is written again."""
    looks: Spelling | None = None
    """Instead of ``raw`` where the file is long, and its entries are all that it says."""
    encoding: str | None = None
    """What parts them from plain UTF-8, though they could be read."""
