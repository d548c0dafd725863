"""A store found or made, and held open."""

from __future__ import annotations

from pathlib import Path

from synthstore.errors import NotAStoreError
from synthstore.files.durable import make_dirs
from synthstore.files.jsonio import Style, dump
from synthstore.files.walk import is_empty, list_folder
from synthstore.layout.base import OWN_FOLDER, Layout
from synthstore.layout.documents import stamp_catalog
from synthstore.layout.native import Native
from synthstore.persistence.folds import COMMAND
from synthstore.shell import path_word
from synthstore.store.evidence import recognise
from synthstore.store.runs import CATALOG, Change
from synthstore.store.session import Session

PRIVATE_FOLDER = 0o700


def find_or_make(path: Path) -> tuple[Path, Layout]:
    """The store at ``path`` and its layout; an empty or missing folder becomes a native store.

    Raises NotAStoreError for a folder that holds something else, PermissionDeniedError.
    """
    root = path.expanduser()
    make_dirs(root.absolute(), PRIVATE_FOLDER)
    root = root.resolve()
    if not root.is_dir():
        raise NotAStoreError(f"{path} is not a directory", hint="give a directory")
    if is_blank(root):
        _make(root)
    return root, served(root)


def served(root: Path) -> Layout:
    """The layout of the store at ``root``; NotAStoreError where no library can hold that open."""
    layout = recognise(root)
    if not layout.for_library:
        raise NotAStoreError(
            f"{root}: layout {layout.name} is read, verified and repaired, but not opened",
            hint="bring it into another layout first: "
            f"synthstore migrate {path_word(root)} TARGET --layout native",
        )
    return layout


def is_blank(root: Path) -> bool:
    """Whether nothing but empty folders of a store, or what a cut beginning left, is there."""
    folders = {OWN_FOLDER, *Native.entity_folders}
    return all(
        entry.kind == "dir"
        and entry.path in folders
        and (entry.path == OWN_FOLDER or is_empty(root, entry.path))
        for entry in list_folder(root, "")
    )


def _make(root: Path) -> None:
    """Begin a store: an empty catalog, by a run as any other change."""
    layout = Native()
    with (
        Session(root, shared=True, command=COMMAND) as session,
        session.changing() as custody,
    ):
        if not is_blank(root):
            return
        for folder in layout.entity_folders:
            make_dirs(root / folder, custody.folder_mode, uid=custody.uid, gid=custody.gid)
        document = layout.write_catalog(None, {})
        stamp_catalog(layout, document)
        content = dump(document, Style())
        session.run("create", [Change(layout.catalog_path, None, content, CATALOG)])
