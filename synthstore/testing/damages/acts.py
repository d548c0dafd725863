"""The verbs that several rooms of the table share: what is done to one entity of a store."""

from __future__ import annotations

from collections.abc import Callable

from synthstore.testing import harm
from synthstore.testing.spelling import Doc
from synthstore.testing.stores import Built

PATH_KEY = {"native": "filepath"}

Act = Callable[[Built, str], object]


def path_key(built: Built) -> str:
    """The key of a row that names its file."""
    return PATH_KEY.get(built.layout, "path")


def set_row(**values: object) -> Callable[[Built, str], None]:
    """Set keys of the entity's row."""

    def act(built: Built, entity_id: str) -> None:
        built.edit_rows(lambda rows: rows[entity_id].update(values), entity_id)

    return act


def set_path(path: str) -> Callable[[Built, str], None]:
    """Let the entity's row name another path."""
    return lambda built, entity_id: set_row(**{path_key(built): path})(built, entity_id)


def forget_vector(built: Built, entity_id: str) -> None:
    """Take the vector from index and mapping."""
    built.put_vectors(built.vectors().without(built.position(entity_id)))
    built.edit_mapping(lambda entries: entries.pop(built.vector_id(entity_id)))


def unlink(built: Built, entity_id: str) -> None:
    """Remove the entity's file."""
    built.file(entity_id).unlink()


def forget_row(built: Built, entity_id: str) -> None:
    """Take the entity's row away; counts follow."""
    built.edit_rows(lambda rows: rows.pop(entity_id), entity_id)


def tail(built: Built, entity_id: str) -> None:
    """Cut the file in its last field: all but that survives."""
    raw = built.raw(entity_id)
    harm.cut(built, entity_id, raw.rindex(b":") + 1)


def head(built: Built, entity_id: str) -> None:
    """Cut the file in its second field: nothing but the id survives."""
    raw = built.raw(entity_id)
    harm.cut(built, entity_id, raw.index(b":", raw.index(b":") + 1) + 4)


def by(change: Callable[[bytes], bytes]) -> Act:
    """Change the bytes, the row left as it is."""
    return lambda built, entity_id: harm.rewrite(built, entity_id, change)


def listed(change: Callable[[bytes], bytes]) -> Act:
    """Change the bytes and let the row's hash follow, so that only the form is odd."""

    def act(built: Built, entity_id: str) -> None:
        harm.rewrite(built, entity_id, change)
        built.relist(entity_id)

    return act


def edit(change: Callable[[Doc], object]) -> Act:
    """Change the document and let the row follow."""
    return lambda built, entity_id: built.edit(entity_id, change)


def set_native(**values: object) -> Callable[[Doc], object]:
    """Set fields of a document."""
    return lambda doc: doc.update(values)
