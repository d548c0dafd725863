"""The work of one worker of an export: entity files into records, and those into a piece.

Everything here is a plain function of picklable values, so that any executor can run it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple

from synthstore.errors import SynthstoreError
from synthstore.files.jsonio import Parsed, ParseFailure, parse, parse_numbers
from synthstore.files.passing import Filled, fill
from synthstore.files.sharing import Address
from synthstore.files.together import together
from synthstore.files.walk import bytes_at, open_folder
from synthstore.layout.base import Layout
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.paths import folder_of
from synthstore.scan.caps import DEFAULT_CAPS
from synthstore.transfer.formats import FORMATS
from synthstore.transfer.formats.base import ANY_SHAPE, Shape
from synthstore.transfer.formats.parquet import exact_singles
from synthstore.transfer.records import KINDS, Document, Record, record_of
from synthstore.transfer.selection import Selection

_LOSSY = ("duplicate keys", "nested deeper")
"""What stands against a file's value being all that the file says."""


class FileName(NamedTuple):
    """Where an entity may be found."""

    path: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Problem:
    """An entity file that is not exported, and why."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be made of a store's files."""

    root: str
    layout: Layout
    selection: Selection
    format: str
    shape: Shape = ANY_SHAPE
    listed: frozenset[str] = frozenset()
    """Paths in the store's own folder that the catalog names: what else stands there may be
    anybody's."""

    @property
    def arrays(self) -> bool:
        """Whether nobody asks for the numbers of an embedding one by one."""
        return FORMATS[self.format].arrays and self.selection.where is None


class Claim(NamedTuple):
    """A file, the entity that it bears, and the instant of its last update."""

    file: FileName
    ref: EntityRef
    updated_us: int


@dataclass(slots=True)
class Portion:
    """What became of one run of files."""

    piece: Filled | None = None
    """For the format's writer; None where no record was wanted."""
    counts: Counter[Kind] = field(default_factory=Counter)
    """How many entities of each kind are in it."""
    known: dict[Kind, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    """The ids of all that were read, wanted or not."""
    apart: list[Claim] = field(default_factory=list)
    """Files not named after their id: others may bear it too, so they wait until all are known."""
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Survey:
    """What a format with a schema asks of all embeddings."""

    dims: tuple[Counter[int], Counter[int]] = field(default_factory=lambda: (Counter(), Counter()))
    singles: bool = True

    def join(self, other: Survey) -> None:
        """Take in what another run of files showed."""
        for mine, theirs in zip(self.dims, other.dims, strict=True):
            mine.update(theirs)
        self.singles = self.singles and other.singles

    def shape(self) -> Shape:
        """The shape that most embeddings have."""
        first, second = (
            min((-count, dim) for dim, count in dims.items())[1] if dims else 0
            for dims in self.dims
        )
        return Shape((first, second), self.singles)


def read_portion(
    task: Task,
    files: Sequence[FileName],
    tray: Address | None,
    limit: int | None,
    *,
    sole: bool = False,
) -> Portion:
    """Read files into one piece of at most ``limit`` records, passed on in ``tray``.

    ``sole``: nothing else claims the ids of these files, whatever their names.
    """
    portion = Portion()
    records = _wanted(task, files, limit, portion, sole=sole)
    first = next(records, None)
    if first is not None:
        # One after the other: the numbers of a record are spelt while they are at hand.
        parts = FORMATS[task.format].encode(chain((first,), records), task.shape)
        portion.piece = fill(tray, parts)
    return portion


def _wanted(
    task: Task, files: Sequence[FileName], limit: int | None, portion: Portion, *, sole: bool
) -> Iterator[Record]:
    """The records that go out, all else that is seen noted in ``portion``."""
    for file, record, document in _records(task, files, portion.problems):
        if not sole and not task.layout.names(file.path, record["id"]):
            ref = EntityRef(file.kind, record["id"])
            portion.apart.append(_claim(task, file, ref, document))
            continue
        if limit is not None and portion.counts.total() >= limit:
            return
        portion.known[file.kind].append(record["id"])
        if task.selection.wants(record):
            portion.counts[file.kind] += 1
            yield task.selection.trimmed(record)


def claims_of(task: Task, files: Sequence[FileName], problems: list[Problem]) -> list[Claim]:
    """What each whole file bears."""
    return [
        _claim(task, file, EntityRef(file.kind, record["id"]), document)
        for file, record, document in _records(task, files, problems)
    ]


def _claim(task: Task, file: FileName, ref: EntityRef, document: Document) -> Claim:
    return Claim(file, ref, task.layout.read_record(ref.kind, document).updated_us or 0)


def rightful(
    layout: Layout,
    claims: Iterable[Claim],
    known: Mapping[Kind, Container[str]],
    problems: list[Problem],
) -> list[FileName]:
    """The one file of each entity that is not ``known`` yet: named after it, else the newest."""
    best: dict[EntityRef, Claim] = {}
    order = sorted(
        claims,
        key=lambda one: (
            not layout.names(one.file.path, one.ref.id), -one.updated_us, one.file.path
        ),
    )  # fmt: skip
    problems += [
        Problem(claim.file.path, "another file bears its id too")
        for claim in order
        if claim.ref.id in known[claim.ref.kind] or best.setdefault(claim.ref, claim) is not claim
    ]
    return sorted((one.file for one in best.values()), key=in_order)


def in_order(file: FileName) -> tuple[bool, str]:
    """Memories first: an assembly may need them where it is imported."""
    return file.kind != "memory", file.path


def survey_portion(task: Task, files: Sequence[FileName]) -> Survey:
    """What the embeddings of these files are like."""
    survey = Survey()
    for _, record, _ in _records(task, files, []):
        if not task.selection.embeddings or not task.selection.wants(record):
            continue
        for dims, name in zip(survey.dims, ("embedding", "composite_embedding"), strict=True):
            value = record.get(name)
            if isinstance(value, list) and value and {float}.issuperset(map(type, value)):
                dims[len(value)] += 1
                survey.singles = survey.singles and exact_singles(value)
    return survey


def _records(
    task: Task, files: Sequence[FileName], problems: list[Problem]
) -> Iterator[tuple[FileName, Record, Document]]:
    """Each whole entity as a record, and the document that it was made of."""
    for some in together(_bytes(Path(task.root), files, problems), size=lambda one: len(one[1])):
        parsed = [(file, _parsed(task, file, raw)) for file, raw in some]
        yield from list(_whole(task, parsed, problems))


def _whole(
    task: Task, files: Iterable[tuple[FileName, Parsed | ParseFailure]], problems: list[Problem]
) -> Iterator[tuple[FileName, Record, Document]]:
    for file, parsed in files:
        if isinstance(parsed, ParseFailure):
            problems.append(Problem(file.path, str(parsed)))
            continue
        document = parsed.value if isinstance(parsed.value, dict) else {}
        entity_id, missing = task.layout.identify(file.kind, document)
        if entity_id is None or missing:
            if not _is_foreign(task, file, entity_id, len(missing)):
                what = "required and missing or mistyped: " + ", ".join(missing)
                problems.append(Problem(file.path, what))
            continue
        reason = _lossy(parsed)
        if reason is not None:
            problems.append(Problem(file.path, reason))
            continue
        record = record_of(task.layout, file.kind, document)
        if record.get("id") != entity_id:
            problems.append(Problem(file.path, "its id is not where its layout has it"))
            continue
        yield file, record, document


def _parsed(task: Task, file: FileName, raw: bytes) -> Parsed | ParseFailure:
    """What ``raw`` parses to, if it does."""
    try:
        key = task.layout.embedding_key(file.kind)
        return _by_numbers(raw, key) if task.arrays else parse(raw)
    except ParseFailure as error:
        return error


def _by_numbers(raw: bytes, key: str) -> Parsed:
    """As ``parse``; the embedding as an array where the numbers of both are the same."""
    import numpy as np  # noqa: PLC0415 - only workers need it, and whoever starts them should not wait

    parsed = parse_numbers(raw, key)
    numbers = parsed.value.get(key) if isinstance(parsed.value, dict) else None
    # An array does not show which of its numbers are integers, nor those beyond 53 bits.
    if isinstance(numbers, np.ndarray) and np.count_nonzero(np.rint(numbers) == numbers):
        return parse(raw)
    return parsed


def _bytes(
    root: Path, files: Sequence[FileName], problems: list[Problem]
) -> Iterator[tuple[FileName, bytes]]:
    for folder, group in groupby(files, key=lambda file: folder_of(file.path)):
        members = list(group)
        try:
            with open_folder(root, folder) as fd:
                for one in members:
                    raw = _read(fd, root, one, problems)
                    if raw is not None:
                        yield one, raw
        except FileNotFoundError:
            continue
        except SynthstoreError as error:
            problems += [Problem(one.path, error.message) for one in members]


def _read(fd: int, root: Path, one: FileName, problems: list[Problem]) -> bytes | None:
    try:
        cap = DEFAULT_CAPS.of(one.kind)
        return bytes_at(fd, one.path.rpartition("/")[2], f"{root}/{one.path}", cap)
    except FileNotFoundError:
        return None
    except SynthstoreError as error:
        problems.append(Problem(one.path, error.message))
        return None


def _lossy(parsed: Parsed) -> str | None:
    """Why a record would not be all that the file says."""
    if not parsed.rigid and not parsed.nan:
        return None
    if parsed.nan:
        return "holds NaN, Infinity or a number beyond a double, for which JSON has no word"
    return next((why for why in parsed.rigid if why.startswith(_LOSSY)), None)


def _is_foreign(task: Task, file: FileName, name: str | None, missing: int) -> bool:
    """Whether a file is no entity at all, but somebody's JSON beside the entities."""
    beside = "/" not in file.path and not task.layout.names_an_entity(file.path)
    return beside and file.path not in task.listed and name is None and missing > 1


def stem_key(file: FileName) -> tuple[Kind, str]:
    """What two files have in common that may claim one id by their names."""
    return file.kind, file.path.rpartition("/")[2]
