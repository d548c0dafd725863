"""The targets: every kind of file that a store or a repository holds."""

from __future__ import annotations

from tests.fuzz.faiss_files import FaissFile, LoneFaissFile
from tests.fuzz.grounds import Target
from tests.fuzz.imports import ImportFile
from tests.fuzz.repositories import FileList, Manifest, Note, Pack
from tests.fuzz.stores import StoreFile
from tests.transfers import FORMS

_TARGETS: tuple[Target, ...] = (
    FaissFile("IDMap,Flat", "ip"),
    FaissFile("IDMap2,Flat", "l2"),
    FaissFile("IDMap2,HNSW8", "l2"),
    FaissFile("IVF4,Flat", "ip"),
    LoneFaissFile("IDMap2,HNSW8", "l2"),
    LoneFaissFile("IVF4,Flat", "ip"),
    StoreFile("catalog"),
    StoreFile("memory"),
    StoreFile("assembly"),
    StoreFile("mapping"),
    StoreFile("index"),
    Manifest(),
    FileList(),
    Note(),
    Pack(),
    *(ImportFile(form) for form in FORMS),
)
TARGETS: dict[str, Target] = {target.name: target for target in _TARGETS}
