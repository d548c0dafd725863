"""Paths inside a store, as catalogs spell them; no file system is asked."""

from __future__ import annotations


def confined(path: str) -> str | None:
    """``path`` without ``.`` and doubled slashes; None where it could leave the root.

    Backslashes are refused as well: they are separators to some of those who wrote the paths.
    """
    if path.startswith("/") or "\0" in path or "\\" in path:
        return None
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        return None
    return "/".join(parts)


def folder_of(path: str) -> str:
    """The folder of a store-relative path, ``""`` for the root."""
    return path.rpartition("/")[0]
