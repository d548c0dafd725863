"""How a catalog is spelt that is going to be written anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from synthstore.errors import SynthstoreError
from synthstore.files.jsonio import Style, parse, style_of
from synthstore.files.pieces import Original, OtherBytes
from synthstore.files.proving import original_of
from synthstore.model.facts import CatalogFacts
from synthstore.model.relisting import whole
from synthstore.store.part_file import open_file
from synthstore.store.runs import FilesChanged


def original_catalog(root: Path, facts: CatalogFacts, section: str) -> Original:
    """How the catalog is spelt; our own way where its bytes are not to be had.

    ``section``: the key of its long object.
    """
    if facts.catalog is None:
        return Original(Style())
    opened = partial(_opened, root, facts.path)
    try:
        with opened() as file:
            # What the scan parsed mostly proves it; to parse it again costs as much as all rows.
            original = original_of(file, whole(facts.catalog), section)
            if original.style.proven:
                return replace(original, opened=opened)
            file.seek(0)
            raw = file.read()
    except FilesChanged:
        return Original(Style())
    return Original(style_of(raw, parse(raw).value))


@contextmanager
def _opened(root: Path, path: str) -> Iterator[BinaryIO]:
    """A file of which something is to be taken over; raises FilesChanged where it is not there."""
    try:
        with open_file(root, path) as file, file.stream() as stream:
            yield stream
    except (OSError, SynthstoreError, OtherBytes) as error:
        raise FilesChanged((path,)) from error
