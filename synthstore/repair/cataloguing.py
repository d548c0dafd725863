"""The catalog as it should be, from the entities that stand. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from synthstore.checks.agreement import agreed
from synthstore.checks.catalogue import twin
from synthstore.checks.finding import Subject
from synthstore.checks.parting import NO_ROW
from synthstore.checks.report import GIVEN_AWAY, LOST, NO_COPY, NO_FILE, Action
from synthstore.model.catalog import RawRow, Row
from synthstore.model.columns import Bools
from synthstore.model.embedding import Places
from synthstore.model.facts import EntityFile, PartStatus
from synthstore.model.ids import EntityRef
from synthstore.model.relisting import Relisted
from synthstore.repair.state import Basis, CatalogTarget, Entities

CATALOG = "catalog"
REBUILD = "rebuild"
ADOPTED = "its file stands, but the catalog did not list it"


def aim_catalog(basis: Basis, entities: Entities) -> CatalogTarget:
    """One row for each entity that stands, in the old order, the new ones behind."""
    return _Cataloguer(basis, entities).aim()


class _Cataloguer:
    def __init__(self, basis: Basis, entities: Entities) -> None:
        self.basis, self.entities = basis, entities
        self.layout = basis.inventory.layout
        self.wishes = basis.wishes
        self.found = basis.inventory.catalog
        self.agreed = agreed(basis.inventory)
        self.rows = Relisted(basis.rows)
        self.listed: set[EntityRef] = set()
        """The entities of the rows that were looked at, and have one."""
        self.actions: list[Action] = []
        self.gone = 0
        self.respell = False

    @property
    def broken(self) -> str | None:
        """The code for a catalog that must be written from nothing."""
        if self.basis.rebuild:
            return REBUILD
        codes = {PartStatus.MISSING: "C001", PartStatus.UNREADABLE: "C002"}
        return codes.get(self.found.status)

    def aim(self) -> CatalogTarget:
        if self._untouchable():
            return CatalogTarget(document=None)
        self._old_rows()
        for ref in sorted(self._unlisted()):
            self._adopt(ref, self.entities.files[ref])
        document = None
        if self._differs():
            document = self.layout.write_catalog(self.basis.catalog, self.rows)
            self._act("write-catalog", Subject(CATALOG, self.found.path), self._why())
        return CatalogTarget(document, self.gone, self.actions)

    def _untouchable(self) -> bool:
        if not self.found.path or self.found.path in self.basis.closed:
            return True
        if self.basis.rebuild:
            return "catalog" not in self.basis.rebuild
        if self.broken is None:
            return False
        nothing = not self.entities.files and self.found.status is PartStatus.MISSING
        return nothing or not self.wishes.wants(self.broken, CATALOG, self.found.path)

    def _old_rows(self) -> None:
        """Go through the old rows; nearly all are of usual files, and right as they are."""
        rows, behind = self.basis.rows, 0
        for at in np.flatnonzero(~self._settled()).tolist():
            self.rows.keep(range(behind, at))
            self._old_row(at, rows[at])
            behind = at + 1
        self.rows.keep(range(behind, len(rows)))

    def _settled(self) -> Bools:
        settled = np.zeros(len(self.basis.rows), dtype=np.bool_)
        if self.basis.backup is None:
            row_at = self._usual_rows()
            settled[row_at[row_at != NO_ROW]] = True
            settled &= self.agreed.rows
        return settled

    def _usual_rows(self) -> Places:
        """The row of each usual file that nothing is done about."""
        usual = self.entities.files.usual
        return usual.row_at[usual.are]

    def _unlisted(self) -> Iterator[EntityRef]:
        """Entities that stand, but have no row."""
        files, usual = self.entities.files, self.entities.files.usual
        alone = usual.only(usual.row_at == NO_ROW)
        found = chain(alone.refs(), files.others)
        return (ref for ref in found if ref not in self.listed)

    def _old_row(self, at: int, row: Row) -> None:
        ref = row.ref
        if ref in self.listed:
            return
        file = self.entities.files.get(ref)
        if file is not None:
            self._list(at, row, self._row_of(file, row, at))
        elif ref in self.entities.dropped:
            self._drop(row, self.entities.dropped[ref])
        elif self.broken is None or ref in self.entities.held:
            self._list(at, row, row.raw)
        else:
            self.gone += 1
            if self.broken == REBUILD:
                self._act("drop-row", Subject(row.kind, row.id), NO_FILE, row.path)

    def _list(self, at: int, row: Row, raw: RawRow) -> None:
        """Put the row of an entity where its old one stood, as it was or anew."""
        self.listed.add(row.ref)
        if raw is row.raw:
            self.rows.keep(range(at, at + 1))
        else:
            self.rows.add(row.ref, raw)

    def _drop(self, row: Row, code: str) -> None:
        heir = self._heir(row) if code == twin("M005", row.kind) else None
        if heir is not None and heir.ref is not None:
            self.listed.add(heir.ref)
            self.rows.add(heir.ref, self.layout.row_for(heir, row, self.basis.rows))
            if heir.path in self.basis.frozen_paths:
                # Its hash says that another memory stood there, which nobody has any more.
                self._act("drop-row", Subject(row.kind, row.id), GIVEN_AWAY, heir.path)
                self._act("adopt-row", Subject(*heir.ref), ADOPTED, heir.path)
            else:
                why = f"the file it names bears the id {heir.ref.id}"
                self._act("rewrite-row", Subject(row.kind, row.id), why, heir.path)
            return
        self.gone += 1
        if self.broken is None:
            self._act("drop-row", Subject(row.kind, row.id), _why_dropped(code), row.path)

    def _heir(self, row: Row) -> EntityFile | None:
        file = self.basis.inventory.by_path.get(row.path or "")
        ref = file.ref if file is not None else None
        return self.entities.files.get(ref) if ref is not None else None

    def _row_of(self, file: EntityFile, row: Row, at: int) -> RawRow:
        if self._agrees(file, row, at) and file.path not in self.entities.contents:
            return row.raw
        stale = dict(self._stale(file, row))
        whys = (why for code, why in stale.items() if self.wishes.wants(code, row.id, file.path))
        wanted = list(dict.fromkeys(whys))
        sure = self.broken == REBUILD or file.path in self.entities.contents
        if not wanted and not sure:
            return row.raw
        # A row that stands twice parses to one, and only writing the catalog mends it.
        self.respell |= bool(row.problems and wanted)
        fresh = self.layout.row_for(file, row, self.basis.rows)
        if list(fresh.items()) == list(row.raw.items()):
            return row.raw
        if self.broken is None:
            why = "; ".join(wanted) or "the file is written anew"
            self._act("rewrite-row", Subject(row.kind, row.id), why, file.path)
        return fresh

    def _agrees(self, file: EntityFile, row: Row, at: int) -> bool:
        if row.path != file.path or self.basis.backup is not None:
            return False
        return bool(self.agreed.rows[at]) or self.agreed.has(row)

    def _stale(self, file: EntityFile, row: Row) -> Iterator[tuple[str, str]]:
        """Codes for which the row may be rewritten, and why."""
        if self.broken is not None:
            yield self.broken, "the catalog is written anew"
        if row.problems:
            yield "C003", "malformed: " + ", ".join(row.problems)
        if row.path != file.path and self.layout.catalog_path:
            code = "C005" if _leaves(row) else "C007"
            yield code, f"its file is {file.path}"
            yield "C006", f"its file is {file.path}"
        fields = self.layout.row_problems(row, file)
        if fields:
            yield "C007", "out of date: " + ", ".join(fields)
        if self._hash_differs(file, row):
            code = "C008" if file.path not in self.basis.frozen_paths else "M004"
            yield twin(code, row.kind) if code == "M004" else code, "the file has changed since"

    def _hash_differs(self, file: EntityFile, row: Row) -> bool:
        record = file.record
        legacy = record.content_sha256 if record is not None else None
        return row.content_hash is not None and row.content_hash not in (file.sha256, legacy)

    def _adopt(self, ref: EntityRef, file: EntityFile) -> None:
        mended = file.path in self.entities.contents
        # Where another id's row names the file, listing it is half of the mending of that drift.
        code = twin("M005" if ref in self.basis.standing.heir_of else "M002", ref.kind)
        if not (self.broken or mended or self.wishes.wants(code, ref.id, file.path)):
            return
        self.rows.add(ref, self.layout.row_for(file, None, self.basis.rows))
        if self.broken is None:
            self._act("adopt-row", Subject(ref.kind, ref.id), ADOPTED, file.path)

    def _differs(self) -> bool:
        if self.broken is not None or self.respell or self._oddly_encoded():
            return True
        if not self.rows.unchanged:
            return True
        catalog = self.found.catalog
        recount = catalog is not None and bool(catalog.count_problems)
        return recount and self.wishes.wants("C004", CATALOG, self.found.path)

    def _oddly_encoded(self) -> bool:
        odd = self.found.encoding is not None
        return odd and self.wishes.wants("C002", CATALOG, self.found.path)

    def _why(self) -> str:
        if self.broken == REBUILD:
            return f"{len(self.rows)} rows from the files"
        if self.broken == "C001":
            return f"missing; {len(self.rows)} rows from the files"
        if self.broken == "C002":
            return f"unreadable; {len(self.rows)} rows from the files; the bad one is kept"
        if self.found.encoding is not None:
            return f"{len(self.rows)} rows, without the {self.found.encoding}"
        if not self.actions and self.found.catalog is not None:
            return "; ".join(self.found.catalog.count_problems)
        return f"{len(self.rows)} rows"

    def _act(self, kind: str, subject: Subject, because: str, path: str | None = None) -> None:
        self.actions.append(Action(kind, subject, path or self.found.path, because=because))


def _leaves(row: Row) -> bool:
    path = row.path or ""
    return path.startswith("/") or ".." in path.split("/") or "\\" in path


def _why_dropped(code: str) -> str:
    reasons = {
        "C009": "its deletion had begun",
        "C006": f"the file it names bears another row's id, and {NO_COPY}",
        "C005": f"its path leads out of the store, and {NO_COPY}",
        "C003": f"malformed, and {NO_COPY}",
    }
    return reasons.get(code, LOST)
