"""A repository's files: checked with all their data, and restored from.

A snapshot and a pack are named by their digest, which nearly every mutation betrays at once. So
every other trial seals what it mutated anew: names, digests and lengths fit, and what is inside is
read.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import zstandard

from synthstore.backup.check import CheckOptions, check_repository
from synthstore.errors import SynthstoreError
from synthstore.repository.damage import Damage
from synthstore.repository.manifest import in_pieces
from synthstore.repository.place import LocalPlace
from synthstore.repository.vault import Repository
from synthstore.repository.writing import Writer
from synthstore.testing.stores import build
from tests.fuzz.grounds import Target
from tests.vaults import back_up, give_back, place_at

_TRAILER = struct.Struct("<QB32s8s")
_RESTORED = 8
"""One trial in so many goes on to a restore."""


class _Repository(Target):
    """A repository of one small store, a file of it mutated."""

    text = True
    folder: str

    def __init__(self) -> None:
        self._root = self._new = Path()
        self._raw: list[bytes] = []
        self._whole: dict[Path, bytes] = {}
        self._tried = 0

    def settle(self, folder: Path) -> None:
        """Back a store up."""
        self._root, self._new = folder / "repo", folder / "new"
        built = build("native", folder / "store", memories=3, assemblies=1, dim=16)
        back_up(built.root, place_at(self._root), jobs=1)
        self._raw = self.found()
        self._whole = {path: path.read_bytes() for path in _files(self._root)}

    def found(self) -> list[bytes]:
        """The files that are mutated."""
        return [path.read_bytes() for path in sorted((self._root / self.folder).iterdir())]

    def seeds(self) -> Sequence[bytes]:
        """What is mutated."""
        return self._raw

    def put(self, place: LocalPlace, which: int, raw: bytes) -> None:
        """Put ``raw`` where the file was, under the name that fits it or its old one."""
        old = sorted((place.root / self.folder).iterdir())[which]
        old.unlink()
        name = self.fitting(old.name, raw) if len(raw) % 2 else old.name
        (old.parent / name).write_bytes(raw)

    def fitting(self, old: str, raw: bytes) -> str:
        """The name that fits ``raw``."""
        raise NotImplementedError

    def trial(self, number: int) -> str:
        """One trial; every so many go on to a restore."""
        self._tried = number
        return super().trial(number)

    def attempt(self, which: int, raw: bytes) -> str:
        """Check all data; now and then restore the newest snapshot into a new directory."""
        place = place_at(self._root)
        try:
            self.put(place, which, raw)
            report = check_repository(place, CheckOptions(read_data=True))
            found = "found" if report.problems or report.lost else "nothing found"
            return found if self._tried % _RESTORED else f"{found}, {self._restored(place)}"
        finally:
            self._give_back()

    def _restored(self, place: LocalPlace) -> str:
        try:
            report = give_back(self._new, place, jobs=1)
        except SynthstoreError as error:
            return f"restore refused: {error.kind}"
        finally:
            shutil.rmtree(self._new, ignore_errors=True)
        return "restored in part" if report.lost else "restored"

    def _give_back(self) -> None:
        """Make the repository what it was; each call less counts, since all are watched."""
        for path in _files(self._root):
            if path not in self._whole:
                path.unlink()
        for path, raw in self._whole.items():
            if not path.exists() or path.read_bytes() != raw:
                path.write_bytes(raw)


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


class Manifest(_Repository):
    """The small file of a snapshot."""

    folder = "snapshots"

    @property
    def name(self) -> str:
        """How it is chosen."""
        return "manifest"

    def fitting(self, old: str, raw: bytes) -> str:
        """Time and digest."""
        return f"{old.partition('-')[0]}-{hashlib.sha256(raw).hexdigest()[:16]}"


class Note(_Repository):
    """A note of damage."""

    folder = "damage"

    @property
    def name(self) -> str:
        """How it is chosen."""
        return "note of damage"

    def found(self) -> list[bytes]:
        """One note, of one blob of each pack."""
        repository = Repository.open(place_at(self._root))
        blobs = {name: frozenset(pack.ids()[:1]) for name, pack in repository.index.packs.items()}
        repository.note_damage(Damage(blobs, frozenset([bytes(32)])))
        return super().found()

    def fitting(self, _: str, raw: bytes) -> str:
        """The digest."""
        return hashlib.sha256(raw).hexdigest()


class FileList(_Repository):
    """The list of a snapshot's files, sealed in a pack of its own: paths, modes, sizes, objects."""

    folder = "snapshots"

    @property
    def name(self) -> str:
        """How it is chosen."""
        return "list of files"

    def found(self) -> list[bytes]:
        """The lists, taken out of their packs."""
        repository = Repository.open(place_at(self._root))
        return [repository.read(bytes.fromhex(s.tree)) for s in repository.snapshots()]

    def put(self, place: LocalPlace, _: int, raw: bytes) -> None:
        """Make the snapshot one of the mutated list."""
        repository = Repository.open(place)
        [snapshot] = repository.snapshots()
        writer = Writer(repository)
        listed = in_pieces([raw], partial(writer.add_piece, of_list=True))
        writer.add(listed)
        writer.close()
        (place.root / self.folder / snapshot.file).unlink()
        changed = {field: getattr(snapshot, field) for field in snapshot.__slots__}
        repository.add_snapshot(type(snapshot)(**{**changed, "tree": listed.id.hex()}))


class Pack(_Repository):
    """A pack: blocks, an index, a trailer."""

    text = False
    folder = "packs"

    @property
    def name(self) -> str:
        """How it is chosen."""
        return "pack"

    def found(self) -> list[bytes]:
        """The packs, and each pack's index unpacked, which is sealed again after a mutation."""
        packs = super().found()
        return [*packs, *map(_index, packs)]

    def put(self, place: LocalPlace, which: int, raw: bytes) -> None:
        """Put a mutated pack, or a pack with a mutated index that is sealed anew."""
        packs = len(self._raw) // 2
        if which >= packs:
            raw = _sealed(self._raw[which - packs], raw)
        super().put(place, which % packs, raw + bytes(which >= packs and len(raw) % 2 == 0))

    def fitting(self, _: str, raw: bytes) -> str:
        """The digest."""
        return hashlib.sha256(raw).hexdigest()


def _index(pack: bytes) -> bytes:
    size = _TRAILER.unpack(pack[-_TRAILER.size :])[0]
    return zstandard.decompress(pack[-_TRAILER.size - size : -_TRAILER.size])


def _sealed(pack: bytes, index: bytes) -> bytes:
    size, version, _, magic = _TRAILER.unpack(pack[-_TRAILER.size :])
    stored = zstandard.compress(index)
    digest = hashlib.sha256(stored).digest()
    trailer = _TRAILER.pack(len(stored), version, digest, magic)
    return pack[: -_TRAILER.size - size] + stored + trailer
