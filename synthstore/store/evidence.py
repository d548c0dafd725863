"""A look at a directory whose layout nobody knows yet."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path

from synthstore.errors import NotAStoreError, SynthstoreError
from synthstore.files.failure import failure
from synthstore.files.jsonio import ParseFailure, parse
from synthstore.files.walk import EntryKind, FileNames, look, open_folder, read_file
from synthstore.layout.base import CATALOG_NAME, Layout
from synthstore.layout.core import Core
from synthstore.layout.detect import SUPPORTED, detect
from synthstore.layout.evidence import (
    ENTITY_FOLDERS,
    IN_MEMORIES,
    MISSING,
    SAMPLE_SIZE,
    TELLING_KEYS,
    VECTOR_PATHS,
    Evidence,
    Sample,
    entity_names,
    spread,
)
from synthstore.model.facts import PartStatus
from synthstore.store.catalog import LoadedCatalog, load_catalog, outline
from synthstore.store.halfway import layout_ahead

_SAMPLE_CAP = 16 << 20
_TORN_CAP = 1 << 20
_BARE = (b"IxFI", b"IxF2", b"IxFl")
_KEY = re.compile(rb'"([a-z_]{2,40})"\s*:')
_PATH_IN_MEMORIES = re.compile(rb'"path"\s*:\s*"memories/')


class FirstLook:
    """What is read of a store before its layout is known; whoever asks again has it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = FileNames(root)

    @cached_property
    def catalog(self) -> LoadedCatalog:
        """The catalog, wherever most layouts have it, as far as it tells of which it is."""
        return outline(self.root)

    def catalog_of(self, layout: Layout) -> LoadedCatalog:
        """The same, where ``layout`` has it."""
        if layout.catalog_path == CATALOG_NAME:
            return self.catalog
        return load_catalog(self.root, layout.catalog_path, lightly=True)


def recognise(root: Path, forced: str | None = None, first: FirstLook | None = None) -> Layout:
    """The layout of the store at ``root``; ``forced`` is the operator's ``--layout``.

    ``first`` is the look at ``root`` of whoever goes on to ask what was seen. Raises
    NotAStoreError, NewerFormatError, UsageError or PermissionDeniedError.
    """
    ahead = layout_ahead(root)
    if ahead is not None and ahead in SUPPORTED:
        return SUPPORTED[ahead]()
    evidence = gather(root, first)
    if forced is None:
        _refuse_part(root, evidence)
    return detect(evidence, forced)


def _refuse_part(root: Path, evidence: Evidence) -> None:
    """Refuse the folder of a store's entities, which looks like an old store that lost the rest."""
    if root.name not in ENTITY_FOLDERS or evidence.catalog_problem != MISSING or evidence.vectors:
        return
    if any(_kind(root.parent, path) for path in (Core.catalog_path, *VECTOR_PATHS)):
        raise NotAStoreError(
            f"{root} is the {root.name} folder of the store {root.parent}",
            hint=f"give the store: {root.parent}",
        )


def gather(root: Path, first: FirstLook | None = None) -> Evidence:
    """What ``root`` shows of its layout, at most SAMPLE_SIZE entity files looked into.

    Raises NotAStoreError where there is no such directory, PermissionDeniedError where it may not
    be listed.
    """
    folders, beside = _top(root)
    first = first or FirstLook(root)
    loaded, listed = first.catalog, first.files
    names = _Names(beside, listed)
    return Evidence(
        where=str(root),
        catalog=loaded.document,
        catalog_problem=_problem(loaded),
        catalog_keys=_torn_keys(loaded.raw or b"") if loaded.document is None else {},
        folders=folders,
        files=names,
        samples=_Samples(root, names),
        vectors=frozenset(path for path in VECTOR_PATHS if _kind(root, path) is not None),
        bare_index=_is_bare(root),
    )


class _Names(Mapping[str, Sequence[str]]):
    """Names of the files that may be entities, by folder; each is listed when it is asked for."""

    def __init__(self, in_root: Sequence[str], listed: FileNames) -> None:
        self._in_root, self._listed = in_root, listed

    def __getitem__(self, folder: str) -> Sequence[str]:
        if folder not in ENTITY_FOLDERS:
            raise KeyError(folder)
        return _names(self._listed, folder) if folder else self._in_root

    def __iter__(self) -> Iterator[str]:
        return iter(ENTITY_FOLDERS)

    def __len__(self) -> int:
        return len(ENTITY_FOLDERS)


class _Samples(Iterable[Sample]):
    """Keys of files spread evenly over all folders, read by whoever goes through them."""

    def __init__(self, root: Path, names: Mapping[str, Sequence[str]]) -> None:
        self._root, self._names = root, names

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._read)

    @cached_property
    def _read(self) -> Sequence[Sample]:
        return tuple(_samples(self._root, self._names))


def _problem(loaded: LoadedCatalog) -> str | None:
    if loaded.status is PartStatus.OK:
        return None
    return MISSING if loaded.status is PartStatus.MISSING else f"is unreadable: {loaded.problem}"


def _top(root: Path) -> tuple[frozenset[str], tuple[str, ...]]:
    try:
        entries = list(_scan(root, ""))
    except FileNotFoundError:
        raise NotAStoreError(
            f"{root} is no directory", hint="give the store's storage_path directory"
        ) from None
    folders = frozenset(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    return folders, tuple(entity_names(names))


def _names(files: FileNames, folder: str) -> Sequence[str]:
    try:
        return entity_names(files.of(folder))
    except SynthstoreError:
        return []


def _scan(root: Path, folder: str) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder without their status, which a million of names would not pay for."""
    with open_folder(root, folder, listing=True) as fd:
        try:
            with os.scandir(fd) as entries:
                yield from entries
        except OSError as error:
            raise failure(error, root / folder, "read") from error


def _samples(root: Path, names: Mapping[str, Sequence[str]]) -> Iterator[Sample]:
    """The samples; files that cannot be read are passed over."""
    every = [*chain.from_iterable(zip(repeat(folder), names[folder]) for folder in names)]
    for folder, name in spread(every, SAMPLE_SIZE):
        path = f"{folder}/{name}".lstrip("/")
        try:
            raw, _ = read_file(root, path, _SAMPLE_CAP)
        except (FileNotFoundError, SynthstoreError):
            continue
        yield Sample(path, _keys(raw))


def _keys(raw: bytes) -> frozenset[str]:
    try:
        value = parse(raw).value
    except ParseFailure:
        return frozenset(key.decode() for key in _KEY.findall(raw))
    return frozenset(value) if isinstance(value, dict) else frozenset()


def _torn_keys(raw: bytes) -> Mapping[str, int]:
    raw = raw[:_TORN_CAP]
    found = Counter(key.decode() for key in _KEY.findall(raw))
    counts = {key: found[key] for key in TELLING_KEYS}
    return {**counts, IN_MEMORIES: len(_PATH_IN_MEMORIES.findall(raw))}


def _is_bare(root: Path) -> bool:
    """Whether the core layouts' index begins as a Flat one without an id map does."""
    if _kind(root, Core.faiss_path) != "file":
        return False
    try:
        with open_folder(root, "") as fd:
            file = os.open(Core.faiss_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=fd)
            try:
                return os.read(file, 4) in _BARE
            finally:
                os.close(file)
    except OSError:
        return False


def _kind(root: Path, path: str) -> EntryKind | None:
    """What stands at ``path``; None where nothing does, or where this user may not look."""
    try:
        entry = look(root, path)
    except SynthstoreError:
        return None
    return entry.kind if entry is not None else None
