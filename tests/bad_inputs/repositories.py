"""Repositories that somebody else made: our own kind of archive, and so of bomb (6, 33, 35, 36)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import zstandard

from synthstore.repository.manifest import FileRow, Tree, spell_tree
from synthstore.repository.pack_building import PackBuilder
from synthstore.testing.stores import Built
from tests.bad_inputs.model import BACKUP, Given
from tests.vaults import back_up, opened, place_at

Forge = Callable[[Path], object]
BOMB = 200 * 2**20


def repository(forge: Forge) -> Callable[[Path, Built], object]:
    """A repository of the store at ``path``, of which one part is then forged."""

    def make(path: Path, built: Built) -> None:
        back_up(built.root, place_at(path), jobs=1)
        forge(path)

    return make


def fifo_as(part: str) -> Forge:
    """A pipe in the place of a part, or of the first file of a folder."""

    def forge(root: Path) -> None:
        path = root / part
        if path.is_dir():
            path = min(path.iterdir())
        path.unlink()
        os.mkfifo(path)

    return forge


def retold(change: Callable[[Tree], Tree]) -> Forge:
    """The newest snapshot lists other files than it did; every digest is right."""

    def forge(root: Path) -> None:
        place = place_at(root)
        vault = opened(place)
        snapshot = vault.snapshots()[-1]
        pack = PackBuilder()
        take = partial(pack.add_piece, of_list=True)
        tree = spell_tree(change(vault.tree(snapshot)), take)
        pack.add_file(tree)
        name, content = pack.finish()
        place.write(f"packs/{name}", content)
        vault.add_snapshot(replace(snapshot, tree=tree.id.hex()))
        place.remove(f"snapshots/{snapshot.file}")

    return forge


def first(tree: Tree, **changes: object) -> Tree:
    """The tree with its first file told otherwise."""
    files = sorted(tree.files, key=lambda row: row.path)
    return replace(tree, files=(files[0]._replace(**changes), *files[1:]))  # type: ignore[arg-type]


def doubled(tree: Tree) -> Tree:
    """The tree with its first file twice."""
    row: FileRow = tree.files[0]
    return replace(tree, files=(row, *tree.files))


def bomb(root: Path) -> None:
    """A pack of a few kB whose index claims 200 MB; its digests are right."""
    index = zstandard.ZstdCompressor().compress(bytes(BOMB))
    header = next(iter((root / "packs").iterdir())).read_bytes()[:16]
    tail = len(index).to_bytes(8, "little") + b"\x01" + hashlib.sha256(index).digest() + header[:8]
    content = header + index + tail
    (root / "packs" / hashlib.sha256(content).hexdigest()).write_bytes(content)


RESTORE = ("restore", "{folder}/new", "--repo", "{path}")
CHECK = ("snapshots", "check", "--repo", "{path}")

GIVEN = tuple(
    Given(
        number=number, name=f"{name}", make=repository(forge), command=command, code=code, kind=kind
    )
    for number, name, forge, command, code, kind in (
        (6, "fifo-as-config", fifo_as("config"), CHECK, 4, "operation"),
        (6, "fifo-as-config-backup", fifo_as("config"), BACKUP, 4, "operation"),
        (6, "fifo-as-pack", fifo_as("packs"), CHECK, 1, None),
        (6, "fifo-as-snapshot", fifo_as("snapshots"), RESTORE, 2, "usage"),
        (
            33,
            "snapshot-climbs-out",
            retold(lambda t: first(t, path="../evil")),
            RESTORE,
            2,
            "usage",
        ),
        (
            33,
            "snapshot-climbs-within",
            retold(lambda t: first(t, path="a/../evil")),
            RESTORE,
            2,
            "usage",
        ),
        (
            33,
            "snapshot-names-root",
            retold(lambda t: first(t, path="/etc/evil")),
            RESTORE,
            2,
            "usage",
        ),
        (
            35,
            "snapshot-of-long-name",
            retold(lambda t: first(t, path="a" * 300)),
            RESTORE,
            4,
            "operation",
        ),
        (35, "snapshot-of-one-file-twice", retold(doubled), RESTORE, 4, "operation"),
        (36, "pack-that-is-a-bomb", bomb, CHECK, 0, None),
    )
)
