"""The catalog on the disk: read without trust, and its backups."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import orjson

from synthstore.errors import SynthstoreError
from synthstore.files.jsonio import Parsed, ParseFailure, parse
from synthstore.files.parts import InParts, NotInParts
from synthstore.files.walk import list_folder, look, read_file
from synthstore.layout.base import CATALOG_NAME, CatalogShapeError, Layout
from synthstore.layout.fields import scalar
from synthstore.layout.native import Native
from synthstore.model.catalog import Catalog, Row
from synthstore.model.facts import CatalogFacts, PartStatus, Stat
from synthstore.model.times import in_seconds, instant_us
from synthstore.store.part_file import Blocks, open_file

_LONG = 4 << 20
"""From so many bytes on, a catalog's rows are not worth having to see what it is."""

DUPLICATE_KEYS = "duplicate keys"
"""How ``files.jsonio`` names what only a second look can place."""


@dataclass(frozen=True, slots=True)
class LoadedCatalog:
    """The bytes of a catalog and what they parse to, no layout asked."""

    status: PartStatus
    problem: str | None = None
    raw: bytes | None = None
    """None where not even the bytes could be read."""
    stat: Stat | None = None
    document: Mapping[str, object] | None = None
    """Set when OK."""
    doubled: bool = False
    """Whether an object in it has a key twice."""
    encoding: str | None = None
    """What parts its bytes from plain UTF-8."""
    outlined: bool = False
    """Whether the rows of its long section are left out of the document."""


def load_catalog(root: Path, path: str = CATALOG_NAME, *, lightly: bool = False) -> LoadedCatalog:
    """Read and parse the catalog at ``path``; never raises for damage, never follows a link.

    What does not parse is read once more, since a writer may have been half way through. With
    ``lightly``, at a third of the cost, nobody looks for keys that stand twice.
    """
    first = _load(root, path, lightly=lightly)
    retry = first.status is PartStatus.UNREADABLE and first.raw is not None
    return _load(root, path, lightly=lightly) if retry else first


def _load(root: Path, path: str, *, lightly: bool) -> LoadedCatalog:
    if not path:
        return LoadedCatalog(PartStatus.MISSING)
    try:
        raw, stat = read_file(root, path)
    except FileNotFoundError:
        return LoadedCatalog(PartStatus.MISSING)
    except SynthstoreError as error:
        return LoadedCatalog(PartStatus.UNREADABLE, error.message, stat=_stat(root, path))
    return _parsed(raw, stat, lightly=lightly)


def _parsed(raw: bytes, stat: Stat, *, lightly: bool) -> LoadedCatalog:
    try:
        parsed = _parse_lightly(raw) if lightly else parse(raw)
    except ParseFailure as failure:
        return LoadedCatalog(PartStatus.UNREADABLE, str(failure), raw, stat)
    if not isinstance(parsed.value, dict):
        return LoadedCatalog(PartStatus.UNREADABLE, "holds no JSON object", raw, stat)
    doubled = DUPLICATE_KEYS in parsed.rigid
    return LoadedCatalog(PartStatus.OK, None, raw, stat, parsed.value, doubled, parsed.encoding)


def outline(root: Path) -> LoadedCatalog:
    """A catalog, however long, for one who asks what layout it is of.

    A long native one comes without its rows: that it has such says enough. Nobody looks for keys
    that stand twice.
    """
    try:
        raw, stat = read_file(root, CATALOG_NAME)
    except (FileNotFoundError, SynthstoreError):
        return load_catalog(root, lightly=True)
    if len(raw) >= _LONG:
        with suppress(NotInParts):
            document = _without_rows(raw)
            if document is not None:
                return LoadedCatalog(PartStatus.OK, None, raw, stat, document, outlined=True)
    loaded = _parsed(raw, stat, lightly=True)
    # As it may only have been half written yet.
    return loaded if loaded.document is not None else load_catalog(root, lightly=True)


def _without_rows(raw: bytes) -> Mapping[str, object] | None:
    rest = _in_parts(raw).rest()
    native = not Native.marks.isdisjoint(rest)
    return rest if native and not _is_a_row(raw) else None


def _in_parts(raw: bytes) -> InParts:
    return InParts((raw,), Native.long_section, lightly=True)


def _is_a_row(raw: bytes) -> bool:
    """Whether it is no section but the row of a memory of that name, which has a path."""
    # Where the word stands nowhere, in no spelling, the members need not be parsed.
    if b'"path"' not in raw and b"\\" not in raw:
        return False
    return any("path" in part for part in _in_parts(raw).parts())


def _parse_lightly(raw: bytes) -> Parsed:
    try:
        return Parsed(orjson.loads(raw))
    except orjson.JSONDecodeError:
        return parse(raw)


def _stat(root: Path, path: str) -> Stat | None:
    try:
        entry = look(root, path)
    except SynthstoreError:
        return None
    return entry.stat if entry is not None else None


def read_catalog(root: Path, layout: Layout, loaded: LoadedCatalog | None = None) -> CatalogFacts:
    """The store's catalog as its layout reads it; never raises for damage.

    ``loaded`` saves reading it again, where it has just been read for detection with all rows.
    """
    path = layout.catalog_path
    whole = None if loaded is None or loaded.outlined else loaded
    facts = _by_columns(root, layout) if whole is None else None
    if facts is not None:
        return facts
    loaded = whole or load_catalog(root, path)
    sha256 = hashlib.sha256(loaded.raw).hexdigest() if loaded.raw is not None else None
    facts = CatalogFacts(loaded.status, path, loaded.problem, sha256, loaded.stat)
    if loaded.document is None:
        return facts
    try:
        return replace(facts, catalog=_catalog(layout, loaded), encoding=loaded.encoding)
    except CatalogShapeError as error:
        return replace(facts, status=PartStatus.UNREADABLE, problem=str(error))


def _by_columns(root: Path, layout: Layout) -> CatalogFacts | None:
    """The catalog, if its rows are so usual that they never need to be objects all at once."""
    if not layout.long_section:
        return None
    try:
        with open_file(root, layout.catalog_path) as file:
            blocks = Blocks(file.fd)
            document = InParts(blocks, layout.long_section)
            catalog = layout.read_parts(document.parts(), document.rest)
            steady = file.steady() and blocks.size == file.stat.size
    except (OSError, SynthstoreError, NotInParts):
        return None
    if catalog is None or not steady:
        return None
    sha256 = blocks.sha256.hexdigest()
    return CatalogFacts(PartStatus.OK, layout.catalog_path, None, sha256, file.stat, catalog)


def _catalog(layout: Layout, loaded: LoadedCatalog) -> Catalog:
    if loaded.doubled:
        doubles = _Doubles(loaded.raw or b"")
        return doubles.mark(layout.read_catalog(doubles.document))
    return layout.read_catalog(loaded.document or {})


class _Doubles:
    """A catalog parsed anew, so that keys that stand twice are known with their objects."""

    def __init__(self, raw: bytes) -> None:
        self._keys: dict[int, frozenset[str]] = {}
        text = raw.decode(json.detect_encoding(raw))
        value = json.loads(text, object_pairs_hook=self._pairs)
        self.document: Mapping[str, object] = value

    def _pairs(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            times = Counter(key for key, _ in pairs)
            self._keys[id(found)] = frozenset(key for key, seen in times.items() if seen > 1)
        return found

    def mark(self, catalog: Catalog) -> Catalog:
        """Note on each row that it, or one of its keys, stands twice: the last one counts."""
        rows = {id(row.raw) for row in catalog.rows}
        sections = [v for v in self.document.values() if isinstance(v, dict) and id(v) not in rows]
        ids = frozenset[str]().union(*(self._twice(part) for part in (self.document, *sections)))
        marked = tuple(self._marked(row, ids) for row in catalog.rows)
        listed = {row.id for row in catalog.rows}
        other = sorted(self._twice(self.document) - listed)
        problems = tuple(f"the key {key} stands twice" for key in other)
        return replace(catalog, rows=marked, count_problems=catalog.count_problems + problems)

    def _marked(self, row: Row, ids: frozenset[str]) -> Row:
        told = ["is listed twice"] if row.id in ids else []
        told += [f"{key} stands twice" for key in sorted(self._twice(row.raw))]
        return row._replace(problems=(*row.problems, *told)) if told else row

    def _twice(self, part: Mapping[str, object]) -> frozenset[str]:
        return self._keys.get(id(part), frozenset())


def index_backups(root: Path, layout: Layout) -> list[tuple[str, Catalog]]:
    """Copies of the catalog that parse, with their paths: the newest content first.

    Their order comes from the times inside, not from the files', which copying changes.
    """
    found = []
    for path in sorted(_backup_paths(root, layout), reverse=True):
        facts = read_catalog(root, layout, load_catalog(root, path))
        if facts.catalog is not None:
            found.append((path, facts.catalog))
    return sorted(found, key=lambda pair: newest_us(pair[1]), reverse=True)


def _backup_paths(root: Path, layout: Layout) -> set[str]:
    return {path for pattern in layout.backup_patterns for path in _matching(root, pattern)}


def _matching(root: Path, pattern: str) -> Iterator[str]:
    """Paths of regular files that fit ``pattern``, a folder at a time; links are passed over."""
    folders = [""]
    *above, name = pattern.split("/")
    for part in above:
        folders = [path for folder in folders for path in _entries(root, folder, part, "dir")]
    for folder in folders:
        yield from _entries(root, folder, name, "file")


def _entries(root: Path, folder: str, name: str, kind: str) -> list[str]:
    if "*" not in name:
        return [f"{folder}/{name}".lstrip("/")]
    try:
        entries = list_folder(root, folder)
    except SynthstoreError:
        return []
    return [e.path for e in entries if e.kind == kind and fnmatchcase(Path(e.path).name, name)]


def newest_us(catalog: Catalog) -> int:
    """The newest instant that a catalog names, in microseconds since the epoch."""
    metadata = catalog.document.get("metadata")
    about = metadata if isinstance(metadata, dict) else catalog.document
    said = about.get("last_updated")
    times = (row.raw.get(key) for row in catalog.rows for key in ("updated_at", "timestamp"))
    known = (instant_us(in_seconds(scalar(time))) for time in (said, *times))
    return max((us for us in known if us is not None), default=0)
