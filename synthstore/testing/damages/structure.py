"""Damages to what stands where: leftovers, strangers, links, permissions, missing folders (S)."""

from __future__ import annotations

import os
import shutil
import socket
import unicodedata
from collections.abc import Callable
from pathlib import Path

from synthstore.testing.damages.acts import unlink
from synthstore.testing.damages.model import ALL, CORE, FOLDERED, Damage, How, entity, in_turn, on
from synthstore.testing.stores import Built, entity_path, write

SPARE = {"native": "0d6c2f1e-3a4b-4c5d-8e6f-708192a3b4c5"}


def beside(built: Built, name: str) -> str:
    """A store-relative path in the folder where memories live."""
    return name if built.layout == "core-3" else f"memories/{name}"


def spare(built: Built) -> str:
    """A path where a memory of this layout would belong, and none does."""
    spare_id = SPARE.get(built.layout, "mem_0a1b2c3d4e5f")
    return entity_path(built.layout, spare_id, is_memory=True)


def stem(built: Built) -> str:
    """The path of memory 8 without its suffix."""
    return built.paths[entity(built, "m8")].removesuffix(".json")


def leave(path: Callable[[Built], str], *, old: bool = True) -> Callable[[Built], None]:
    """Put a half-written file at ``path``."""

    def apply(built: Built) -> None:
        target = built.root / path(built)
        write(target, b'{"id": "mem_')
        if not old:
            os.utime(target)

    return apply


def put_folder(built: Built) -> None:
    """A folder of notes where entities live."""
    write(built.root / beside(built, "old") / "notes.txt", b"mine")


def swap(make: Callable[[Path, Path], object]) -> Callable[[Built], None]:
    """Replace memory 8's file by what ``make(path, outside)`` puts there."""

    def apply(built: Built) -> None:
        raw, path = built.raw(entity(built, "m8")), built.file(entity(built, "m8"))
        outside = built.root.parent / f"{built.root.name}-outside.json"
        outside.write_bytes(raw)
        path.unlink()
        make(path, outside)

    return apply


def bind_socket(path: Path, _: Path) -> None:
    """Leave a socket behind; its name would be too long for bind, so it is made nearby."""
    near = Path(os.path.relpath(path))
    folder = os.open(near.parent, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{folder}/{near.name}")
    os.close(folder)


def keep_bak(built: Built, entity_id: str) -> None:
    """Rename the entity's file to ``.bak``."""
    assert built.raw(entity_id) is not None
    path = built.file(entity_id)
    path.rename(path.with_suffix(".bak"))


def forbid(label: str) -> Callable[[Built], None]:
    """Take every permission from an entity's file."""
    return on(label, lambda built, i: built.file(i).chmod(0))


def folder_of(built: Built) -> Path:
    """The folder that holds the memories, or else the assemblies."""
    return built.root / ("assemblies" if built.layout == "core-3" else "memories")


def twin_in_case(built: Built) -> None:
    """A memory whose name differs from another's in case only."""
    twin = entity(built, "m8")
    built.add_memory(twin.upper() if built.native else "mem_" + twin.removeprefix("mem_").upper())


def twins_in_unicode(built: Built) -> None:
    """Two memories whose names differ in Unicode normalisation only."""
    for form in ("NFC", "NFD"):
        built.add_memory(unicodedata.normalize("NFC" if form == "NFC" else "NFD", "mem_café"))


def hard_link(built: Built, entity_id: str) -> None:
    """Give the entity's file a second name outside the store."""
    path = built.file(entity_id)
    (built.root.parent / f"{built.root.name}-{path.name}.link").hardlink_to(path)


def nest(*names: str) -> Callable[[Built], None]:
    """Copies of the whole store inside itself."""

    def apply(built: Built) -> None:
        aside = built.root.parent / f"{built.root.name}-copy"
        shutil.copytree(built.root, aside)
        for name in names:
            shutil.copytree(aside, built.root / name)
        shutil.rmtree(aside)

    return apply


def move_away(folder: str) -> Callable[[Built], None]:
    """An unmounted volume."""

    def apply(built: Built) -> None:
        (built.root / folder).rename(built.root.parent / f"{built.root.name}-{folder}")

    return apply


def link_folder(built: Built) -> None:
    """The folder is elsewhere, and a link in its place."""
    move_away("memories")(built)
    (built.root / "memories").symlink_to(built.root.parent / f"{built.root.name}-memories")


def empty(built: Built) -> None:
    """Take every memory's file away; its folder stays."""
    for memory in built.memories:
        built.file(memory).unlink()


def all_memories(*numbers: int) -> tuple[str, ...]:
    """Labels of memories."""
    return tuple(f"m{n}" for n in numbers)


IN_PLACE: dict[str, Callable[[Path, Path], object]] = {
    "symlink": lambda path, outside: path.symlink_to(outside),
    "dangling-symlink": lambda path, _: path.symlink_to("nowhere.json"),
    "fifo": lambda path, _: os.mkfifo(path, 0o640),
    "directory": lambda path, _: path.mkdir(mode=0o750),
    "socket": bind_socket,
}

LEFTOVERS: dict[str, tuple[Callable[[Built], str], tuple[str, ...]]] = {
    "leftover-tmp": (lambda b: f"{stem(b)}.1a2b3c4d.tmp", ALL),
    "leftover-tmp-json": (lambda b: f"{stem(b)}.1a2b3c4d.tmp.json", CORE),
    "leftover-json-tmp": (lambda b: f"{stem(b)}.json.tmp", ALL),
    "leftover-catalog": (lambda _: "memory_index.tmp", CORE),
    "leftover-index": (lambda _: "faiss_index.bin.tmp.1743080007", CORE),
}


DAMAGES = (
    *(
        Damage(
            name=name,
            apply=leave(path),
            codes={"S002": 1},
            layouts=layouts,  # type: ignore[arg-type]
            touched=lambda built, path=path: (path(built),),  # type: ignore[misc]
        )
        for name, (path, layouts) in LEFTOVERS.items()
    ),
    Damage(
        name="leftover-of-just-now",
        apply=leave(lambda b: f"{stem(b)}.1a2b3c4d.tmp", old=False),
        codes={},
    ),
    Damage(
        name="foreign-file",
        apply=lambda built: write(built.root / beside(built, "notes.txt"), b"mine"),
        codes={"S003": 1},
        after={"S003": 1},
    ),
    Damage(name="foreign-folder", apply=put_folder, codes={"S003": 1}, after={"S003": 1}),
    Damage(
        name="bak-instead-of-file",
        apply=on("m8", keep_bak),
        codes={"S003": 1, "M001": 1},
        after={"S003": 1},
        touched=("m8",),
    ),
    *(
        Damage(
            name=f"{kind}-instead-of-file",
            apply=swap(make),
            codes={"S004": 1, "M001": 1},
            after={"S004": 1},
            lost=("m8",),
        )
        for kind, make in IN_PLACE.items()
    ),
    Damage(
        name="fifo-instead-of-bak",
        apply=in_turn(on("m8", unlink), lambda b: os.mkfifo(b.root / f"{stem(b)}.bak", 0o640)),
        codes={"M001": 1, "S003": 1},
        after={"S003": 1},
        lost=("m8",),
        composable=False,
    ),
    Damage(
        name="symlink-besides",
        apply=lambda built: (built.root / spare(built)).symlink_to("/nowhere/evil.json"),
        codes={"S004": 1},
        after={"S004": 1},
    ),
    Damage(
        name="file-forbidden",
        apply=forbid("m8"),
        codes={"S005": 1},
        after={"S005": 1},
        user="nobody",
        in_step=False,
        composable=False,
    ),
    Damage(
        name="folder-forbidden",
        apply=lambda built: folder_of(built).chmod(0),
        codes={"S005": 1},
        after={"S005": 1},
        user="nobody",
        in_step=False,
        composable=False,
    ),
    Damage(
        name="catalog-forbidden",
        apply=lambda built: built.catalog.chmod(0),
        codes={"S005": 1},
        after={"S005": 1},
        user="nobody",
        in_step=False,
        composable=False,
    ),
    Damage(
        name="catalog-forbidden-and-file-gone",
        apply=in_turn(on("m8", unlink), lambda built: built.catalog.chmod(0)),
        codes={"S005": 1, "V004": 1},
        after={"S005": 1, "V004": 1},
        lost=("m8",),
        user="nobody",
        in_step=False,
        composable=False,
    ),
    Damage(
        name="index-forbidden",
        apply=lambda built: built.index.chmod(0),
        codes={"S005": 1},
        after={"S005": 1},
        user="nobody",
        in_step=False,
        composable=False,
    ),
    Damage(name="names-differ-in-case", apply=twin_in_case, codes={"S006": 1}, after={"S006": 1}),
    Damage(
        name="names-differ-in-normal-form",
        apply=twins_in_unicode,
        codes={"S006": 1},
        after={"S006": 1},
    ),
    Damage(
        name="hard-linked",
        apply=in_turn(on("m8", hard_link), on("a0", hard_link)),
        codes={"S007": 1},
        after={"S007": 1},
    ),
    Damage(name="store-within", apply=nest("old_store"), codes={"S008": 1}, after={"S008": 1}),
    Damage(
        name="backups-within",
        apply=nest("backups/backup_20250318_153042", "index_backup_1743080007"),
        codes={},
        layouts=CORE,
    ),
    Damage(
        name="memories-moved-away",
        apply=move_away("memories"),
        codes={"S009": 1},
        after={"S009": 1},
        layouts=FOLDERED,
        refused=True,
        composable=False,
    ),
    Damage(
        name="memories-are-a-link",
        apply=link_folder,
        codes={"S004": 1, "S009": 1},
        after={"S004": 1, "S009": 1},
        layouts=FOLDERED,
        refused=True,
        composable=False,
    ),
    Damage(
        name="memories-emptied",
        apply=empty,
        codes={"S009": 1},
        after={"S009": 1},
        refused=True,
        composable=False,
    ),
    Damage(
        name="assemblies-moved-away",
        apply=move_away("assemblies"),
        codes={"S009": 1},
        after={"S009": 1},
        refused=True,
        composable=False,
    ),
    Damage(
        name="memories-given-up",
        apply=move_away("memories"),
        codes={"S009": 1},
        after={"A020": 8},
        layouts=("native",),
        how=How(allow_shrink=True),
        lost=all_memories(*range(12)),
        composable=False,
    ),
    Damage(
        name="memories-recovered-from-assemblies",
        apply=move_away("memories"),
        codes={"S009": 1},
        layouts=("core-4",),
        how=How(allow_shrink=True),
        touched=lambda built: ("memories", *(built.paths[m] for m in built.memories[:8])),
        lost=all_memories(8, 9, 10, 11),
        composable=False,
    ),
)
