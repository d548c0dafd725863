"""What stands where an index, an archive or a settings file should (30 to 36, 39)."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from synthstore.testing.damages.acts import by
from synthstore.testing.damages.catalog import to_catalog
from synthstore.testing.damages.model import on
from synthstore.testing.damages.vectors import to_index, to_mapping
from synthstore.testing.stores import Built
from tests.bad_inputs.model import BACKUP, Given, Planted, damage

Make = Callable[[], bytes]
BOMB = 200 * 2**20
ESCAPE = "../evil"


class Evil:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("owned",))


def npy(header: str) -> bytes:
    """A ``.npy`` of no data behind a header of one's own."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def object_npy() -> bytes:
    """An array of objects, which only unpickling would read."""
    out = io.BytesIO()
    np.save(out, np.array([Evil()], dtype=object), allow_pickle=True)
    return out.getvalue()


def tar(*members: tuple[str, bytes, str]) -> Make:
    """A tar of (name, kind of member, target of a link)."""

    def make() -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, kind, target in members:
                info = tarfile.TarInfo(name)
                info.type, info.linkname, info.mode = kind, target, 0o4777
                archive.addfile(info)
        return out.getvalue()

    return make


def zip_bomb() -> bytes:
    """A zip of 200 kB that unpacks to 200 MB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("memories/a.json", bytes(BOMB))
    return out.getvalue()


def zip_of_escape() -> bytes:
    """A zip whose member climbs out."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(ESCAPE, b"{}")
    return out.getvalue()


YAML = b"storage_path: !!python/object/apply:os.system ['touch evil']\n"

FOREIGN: Mapping[str, tuple[int, Make]] = {
    "object-npy": (32, object_npy),
    "npy-of-14-tib": (
        32,
        lambda: npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2**41,)}"),
    ),
    "tar-that-climbs-out": (
        33,
        tar((ESCAPE, tarfile.REGTYPE, ""), ("/etc/evil", tarfile.REGTYPE, "")),
    ),
    "tar-of-a-link-and-a-file": (
        33,
        tar(("a", tarfile.SYMTYPE, ".."), ("a/evil", tarfile.REGTYPE, "")),
    ),
    "tar-of-a-hard-link-outside": (34, tar(("a", tarfile.LNKTYPE, "../outside.json"))),
    "tar-of-devices": (
        35,
        tar(
            ("dev", tarfile.CHRTYPE, ""),
            ("fifo", tarfile.FIFOTYPE, ""),
            ("a" * 300, tarfile.REGTYPE, ""),
            ("b", tarfile.REGTYPE, ""),
            ("b", tarfile.REGTYPE, ""),
        ),
    ),
    "zip-bomb": (36, zip_bomb),
    "zip-that-climbs-out": (33, zip_of_escape),
    "pickle": (39, lambda: pickle.dumps(Evil())),
    "yaml-with-a-tag": (39, lambda: YAML),
}
"""Files of other trades: (their number, what makes their bytes)."""

_HEADER = struct.Struct("<4siqqqBi")


def header(kind: bytes, dim: int, count: int) -> bytes:
    """The first bytes of a FAISS file that claims ``count`` vectors of ``dim`` numbers."""
    return _HEADER.pack(kind, dim, count, 1 << 20, 1 << 20, 1, 1) + struct.pack("<Q", 1 << 60)


HUGE: Mapping[str, bytes] = {
    f"{kind.decode()}-{what}": header(kind, dim, count) + bytes(4096)
    for kind in (b"IxF2", b"IxFI", b"IxMp", b"IxM2", b"IHNf", b"IwFl", b"IxPT")
    for what, dim, count in (("count", 16, 1 << 60), ("dimension", (1 << 31) - 1, 1 << 31))
}


def put(raw: Make) -> Callable[[bytes], bytes]:
    """Replace whatever was there."""
    return lambda _: raw()


def bytes_of(raw: bytes) -> Callable[[bytes], bytes]:
    """Replace whatever was there by ``raw``."""
    return lambda _: raw


def _in(*places: str) -> list[tuple[str, int, Make]]:
    return [(name, number, make) for name, (number, make) in FOREIGN.items() if name in places]


def _foreign() -> list[Planted]:
    everywhere = _in(*FOREIGN)
    return [
        *(
            Planted(number=n, name=f"{name}-as-index", plant=to_index(put(make)), says={"V002": 1})
            for name, n, make in everywhere
        ),
        *(
            Planted(
                number=n, name=f"{name}-as-memory", plant=on("m8", by(put(make))), says={"M003": 1}
            )
            for name, n, make in everywhere
        ),
        *(
            Planted(
                number=n, name=f"{name}-as-catalog", plant=to_catalog(put(make)), says={"C002": 1}
            )
            for name, n, make in _in("pickle", "zip-bomb")
        ),
        *(
            Planted(
                number=n, name=f"{name}-as-mapping", plant=to_mapping(put(make)), says={"V006": 1}
            )
            for name, n, make in _in("yaml-with-a-tag", "tar-that-climbs-out")
        ),
    ]


PLANTED = (
    *(
        Planted(
            number=30,
            name=f"index-{name}",
            plant=to_index(bytes_of(raw)),
            says={"V002": 1},
        )
        for name, raw in HUGE.items()
    ),
    damage(30, "index-empty"),
    damage(30, "index-pickled"),
    damage(30, "index-huge-count"),
    damage(31, "mapping-number-negative"),
    damage(31, "mapping-number-huge"),
    damage(31, "number-twice-in-mapping"),
    damage(31, "mapping-entry-wrong"),
    *_foreign(),
)


CONFIG = ("verify", "{store}", "--config", "{path}")
KNOWN = ("verify", "{store}", "--known", "{path}")


def written(make: Make) -> Callable[[Path, Built], object]:
    """The bytes as the file that is given."""
    return lambda path, _: path.write_bytes(make())


GIVEN = tuple(
    Given(
        number=number,
        name=f"{name}-as-{what}",
        make=written(make),
        command=command,
        code=code,
        kind=kind,
    )
    for what, names, command, code, kind in (
        ("config", ("yaml-with-a-tag", "pickle", "zip-bomb"), CONFIG, 2, "usage"),
        ("known", ("object-npy", "pickle", "npy-of-14-tib"), KNOWN, 2, "usage"),
        ("store", ("tar-that-climbs-out", "zip-bomb"), ("verify", "{path}"), 10, "not-a-store"),
        (
            "repository",
            ("tar-of-a-hard-link-outside", "tar-of-devices", "zip-that-climbs-out"),
            BACKUP,
            2,
            "usage",
        ),
    )
    for name, number, make in _in(*names)
)
