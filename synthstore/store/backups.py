"""Rotated copies of the catalog, taken before it is replaced.

They stand in ``backups/index/`` natively. In a Memory Core's store they stand in our own folder:
whatever lies in its ``backups/`` it takes for whole stores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from synthstore.errors import SynthstoreError
from synthstore.files.durable import atomic_write, fsync_dir, make_dirs, remove
from synthstore.files.walk import list_folder
from synthstore.layout.base import OWN_FOLDER, Layout
from synthstore.model.catalog import Catalog
from synthstore.model.facts import CatalogFacts
from synthstore.store.admission import PRIVATE_FILE, PRIVATE_FOLDER, Custody
from synthstore.store.catalog import read_catalog
from synthstore.store.part_file import Blocks, open_file

KEEP = 3
"""How many copies are kept where nobody says otherwise."""

INTERVAL = 3600
"""Seconds between two copies where nobody says otherwise."""

FOLDERS = {"native": "backups/index"}
OWN_BACKUPS = f"{OWN_FOLDER}/index_backups"

_STAMP = "%Y%m%dT%H%M%S%fZ"
_NAME = re.compile(r"memory_index\.(\d{8}T\d{12}Z)\.json")


@dataclass(frozen=True, slots=True)
class Copies:
    """How many copies a command keeps, and how far apart."""

    count: int = KEEP
    interval: float = INTERVAL


DEFAULT_COPIES = Copies()


class Keeper(Protocol):
    """What taking a copy needs of a session."""

    root: Path

    @property
    def custody(self) -> Custody:
        """Who owns what is made."""


def keep_own_copy(
    session: Keeper, layout: Layout, copies: Copies, seen: CatalogFacts | None = None
) -> str | None:
    """As ``keep_copy``, but always in our own folder.

    What a command does must be undone to the byte, so it leaves nothing new among the store's
    own files.
    """
    return keep_copy(session, layout, copies.count, copies.interval, folder=OWN_BACKUPS, seen=seen)


def keep_copy(
    session: Keeper,
    layout: Layout,
    count: int = KEEP,
    interval: float = INTERVAL,
    *,
    folder: str | None = None,
    seen: CatalogFacts | None = None,
) -> str | None:
    """Copy the catalog if it is a good one and the last copy is ``interval`` seconds old.

    Good is a catalog that parses, whose counts are right and which lists something; no other one
    is copied, so none ever takes the place of a good copy. Of the copies the newest ``count`` are
    kept. Gives the new copy's path, None where there is none. What was ``seen`` of the catalog is
    believed as long as it has the same bytes.
    """
    if count < 1:
        return None
    folder = folder or FOLDERS.get(layout.name, OWN_BACKUPS)
    copies = _copies(session.root, folder)
    now = datetime.now(UTC)
    if copies and (now - copies[-1][0]).total_seconds() < interval:
        return None
    path = f"{folder}/memory_index.{now:{_STAMP}}.json"
    if not _copied(session, layout, seen, path):
        return None
    _rotate(session.root, folder, count)
    return path


class _OtherBytes(Exception):  # noqa: N818 - not an error: the catalog is looked at anew
    """The catalog has other bytes by now than those that were seen, or gives none."""


def _copied(session: Keeper, layout: Layout, seen: CatalogFacts | None, path: str) -> bool:
    """Copy the catalog to ``path`` if it is worth keeping."""
    for known in (seen, None):
        facts = known or read_catalog(session.root, layout)
        if not _worth_keeping(facts.catalog):
            return False
        with suppress(_OtherBytes):
            _copy(session, facts, path)
            return True
    return False


def _copy(session: Keeper, facts: CatalogFacts, path: str) -> None:
    """Copy the catalog that the ``facts`` tell of; raises _OtherBytes."""
    custody, target = session.custody, session.root / path
    make_dirs(target.parent, PRIVATE_FOLDER, uid=custody.uid, gid=custody.gid)

    def send(out: BinaryIO) -> None:
        out.writelines(_bytes_of(session.root, facts))

    atomic_write(target, send, PRIVATE_FILE, uid=custody.uid, gid=custody.gid)


def _bytes_of(root: Path, facts: CatalogFacts) -> Iterator[bytes]:
    """The catalog's bytes, block by block; raises _OtherBytes at the end if they are others."""
    try:
        with open_file(root, facts.path) as file:
            blocks = Blocks(file.fd)
            yield from blocks
    except (OSError, SynthstoreError) as error:
        raise _OtherBytes from error
    if blocks.sha256.hexdigest() != facts.sha256:
        raise _OtherBytes


def _worth_keeping(catalog: Catalog | None) -> bool:
    return catalog is not None and bool(catalog.rows) and not catalog.count_problems


def _copies(root: Path, folder: str) -> list[tuple[datetime, str]]:
    """The copies that there are, oldest first."""
    found = []
    for entry in list_folder(root, folder):
        name = _NAME.fullmatch(entry.path.rpartition("/")[2])
        if entry.kind == "file" and name is not None:
            taken = datetime.strptime(name[1], _STAMP).replace(tzinfo=UTC)
            found.append((taken, entry.path))
    return sorted(found)


def _rotate(root: Path, folder: str, count: int) -> None:
    going = _copies(root, folder)[:-count]
    for _, path in going:
        remove(root / path)
    if going:
        fsync_dir(root / folder)
