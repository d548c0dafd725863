"""What becomes of each entity file: kept, recovered, salvaged, healed, removed. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from synthstore.checks.catalogue import twin
from synthstore.checks.parting import NO_ROW, parted
from synthstore.checks.structure import FRESH_NS, of_blocked
from synthstore.files.jsonio import Style, dump, splice_field
from synthstore.layout.base import Place
from synthstore.model.catalog import Row
from synthstore.model.columns import each_of
from synthstore.model.facts import EntityFile, FileStatus, StrayKind
from synthstore.model.ids import EntityRef, id_problem
from synthstore.model.paths import confined, folder_of
from synthstore.model.times import instant_us
from synthstore.repair.astray import astray
from synthstore.repair.healing import (
    LACKING,
    agrees,
    better_embedding,
    floats,
    salvage_story,
    salvaged,
)
from synthstore.repair.sources import NO_STAT, QUARANTINE, Copy, Rank, best
from synthstore.repair.state import Basis, Entities
from synthstore.repair.untouched import closer_look
from synthstore.repair.whole_files import WholeFiles
from synthstore.scan.shard import facts_of
from synthstore.shell import path_word

ASTRAY = "it stood in the folder of the other kind"

HURT_CODES = {FileStatus.TORN: "M003", FileStatus.INCOMPLETE: "M007", FileStatus.EMPTY: "M009"}


def mend(basis: Basis) -> Entities:
    """Decide what becomes of every entity file, and of every row that has none."""
    mender = _Mender(basis)
    mender.run()
    return mender.out


class _Mender:
    """Walks over files, then rows, then leftovers, and writes its decisions into ``out``."""

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self.layout = basis.inventory.layout
        self.wishes = basis.wishes
        self.apart = parted(basis.inventory)
        self.closer = closer_look(basis)
        self.out = Entities(WholeFiles(self.apart.usual.only(~self.closer)))
        self.rows: dict[EntityRef, Row] = {row.ref: row for row in self._rows()}
        strays = basis.inventory.strays
        self.occupied = {s.path for s in strays if s.kind is StrayKind.IRREGULAR}

    def _rows(self) -> Iterator[Row]:
        """The rows of all but usual entities that stand as they are."""
        if self.basis.backup is not None:
            yield from self.basis.rows
            return
        yield from self.apart.rows.values()
        row_at = self.apart.usual.row_at[self.closer]
        yield from map(self.basis.rows.__getitem__, row_at[row_at != NO_ROW].tolist())

    def _files(self) -> Iterator[EntityFile]:
        """The files of the same, in their order."""
        files, others = self.basis.inventory.files, self.apart.files
        for at in sorted({*np.flatnonzero(self.closer).tolist(), *others}):
            yield others.get(at) or files[at]

    def run(self) -> None:
        # Rows of a backup are older than the files: they ask for nothing that is not there.
        rows = self.apart.rows.values()
        for row in rows:
            if row.deleted_at is not None:
                self._finish_deletion(row)
        for file in self._files():
            if file.path not in self.out.removed:
                self._judge(file)
        for row in rows:
            self._row_without_file(row)
        self._traces()
        self._dangling_members()
        self._leftovers()

    def _finish_deletion(self, row: Row) -> None:
        standing = self.basis.standing
        file = standing.standing_file.get(row.ref) or standing.hurt.get(row.ref)
        if not self.wishes.wants("C009", row.id, row.path):
            if file is not None:
                self.out.held[row.ref] = file
            return
        self.out.dropped[row.ref] = "C009"
        if file is not None:
            self.out.removed[file.path] = False
            self.out.act("delete-file", row.ref, file.path, "its deletion had begun")

    def _judge(self, file: EntityFile) -> None:
        if file.path in self.basis.frozen_paths:
            self._frozen(file)
        elif file.status.hurt:
            self._hurt(file)
        elif file.status.sealed:
            self.out.held.setdefault(self.basis.standing.bearer(file.path), file)
        elif file.path in self.basis.standing.losers:
            self._loser(file)
        elif file.ref is not None:
            self._whole(file, file.ref)

    def _whole(self, file: EntityFile, ref: EntityRef) -> None:
        if ref in self.out.held or ref in self.out.dropped:
            return
        self.out.files[ref] = file
        self._heal(file, ref)

    def _frozen(self, file: EntityFile) -> None:
        """Bit rot: the copy with the right hash, or the operator's word; else hands off."""
        ref = self.basis.frozen_paths[file.path]
        code = twin("M004", file.kind)
        found = self._unrotten(file, ref)
        if found is not None and self.wishes.wants(code, ref.id, file.path):
            self._place(ref, file.path, found, "its bytes had changed; this copy has the hash")
        elif self.wishes.accepts(code, ref.id):
            if file.path in self.basis.standing.losers:
                self._loser(file)
            elif file.ref is not None:
                self._whole(file, file.ref)
            else:
                self._recover_hurt(file, ref, code)
        else:
            self.out.held[ref] = file

    def _unrotten(self, file: EntityFile, ref: EntityRef) -> Copy | None:
        """The copy with the hash of the row or, where there is none, of the snapshot."""
        said, row = self.basis.inventory.gainsaid.get(file.path), self.rows.get(ref)
        if said is not None and (row is None or row.content_hash in (None, said.sha256)):
            copies = self.basis.copies.get(ref, ())
            return next((copy for copy in copies if copy.file.sha256 == said.sha256), None)
        found = self._best(ref)
        return found[0] if found and found[1] is Rank.SAME_BYTES else None

    def _loser(self, file: EntityFile) -> None:
        ref = file.ref
        code = twin("M006", file.kind)
        if ref is None or not self.wishes.wants(code, ref.id, file.path):
            return
        self.out.removed[file.path] = True
        winner = self.basis.standing.standing_file[ref]
        self.out.act("quarantine-file", ref, file.path, f"{winner.path} stands for this id")

    # Hurt files

    def _hurt(self, file: EntityFile) -> None:
        ref = self.basis.standing.bears[file.path]
        if self.out.held.get(ref) is file:
            return
        code = twin(HURT_CODES[file.status], file.kind)
        taken = ref in self.basis.standing.standing_file or ref in self.out.files
        found = self._astray(file)
        if not self.wishes.wants(code, ref.id, file.path):
            if found is not None:
                self.out.astray.add(found.ref)
            if not taken:
                self.out.held[ref] = file
            return
        if found is not None:
            self._bring_back(file, found)
            return
        if taken or ref in self.out.dropped:
            why = "another file stands for its entity" if taken else "its entity was deleted"
            self._quarantine(file, ref, why, drop=None)
            return
        self._recover_hurt(file, ref, code)

    def _recover_hurt(self, file: EntityFile, ref: EntityRef, code: str) -> None:
        document = salvaged(self.basis, file, ref)
        found = self._best(ref, document)
        if found and (found[1] < Rank.SALVAGE or document is None):
            self._place(ref, file.path, found[0], f"{file.problem}{self._age(ref, found[1])}")
        elif document is not None:
            self._write(ref, file.path, dump(document, Style()))
            self.out.act("salvage-file", ref, file.path, salvage_story(file, document), file.path)
            self._heal(self.out.files[ref], ref)
        elif file.rigid:
            self.out.held[ref] = file
        else:
            self._quarantine(file, ref, f"{file.problem}; nothing to heal it from", drop=code)

    def _astray(self, file: EntityFile) -> Copy | None:
        found = astray(self.basis, file)
        taken = found is None or found.ref in self.out.dropped or found.ref in self.out.files
        return None if taken else found

    def _bring_back(self, file: EntityFile, found: Copy) -> None:
        """Move an entity out of the folder of the other kind; a better copy of it goes before."""
        ref = found.ref
        row = self.rows.get(ref)
        path = self._home(row) if row is not None else self._new_home(ref)
        if path is None:
            self.out.astray.add(ref)
            return
        copy, rank = self._best(ref) or (found, Rank.SAME_TIME)
        self._place(ref, path, copy, f"{ASTRAY}{self._age(ref, rank)}")
        self.out.removed[file.path] = True
        self.out.act_on_file("quarantine-file", file.path, f"what it holds stands at {path} now")

    def _quarantine(self, file: EntityFile, ref: EntityRef, why: str, *, drop: str | None) -> None:
        self.out.removed[file.path] = True
        if drop is not None:
            self.out.dropped[ref] = drop
        self.out.act("quarantine-file", ref, file.path, why)

    # Rows without a file, vectors without either, and members without a row

    def _row_without_file(self, row: Row) -> None:
        ref = row.ref
        if ref in self.out.files or ref in self.out.held or ref in self.out.dropped:
            return
        if row.path is not None and folder_of(row.path) in self.basis.closed:
            return
        code = self._code_of_absence(row)
        if not self.wishes.wants(code, row.id, row.path):
            return
        if code == twin("M005", row.kind):
            self.out.dropped[ref] = code
            return
        path = self._home(row)
        found = self._best(ref)
        if found is not None and path is not None:
            why = "the catalog lists it, but it had no file"
            self._place(ref, path, found[0], f"{why}{self._age(ref, found[1])}")
        elif found is None:
            self.out.dropped[ref] = code

    def _code_of_absence(self, row: Row) -> str:
        """Why the row has no file: the drift that the checks report for it."""
        path = confined(row.path) if row.path is not None else None
        if path is None:
            return "C005" if row.path is not None else "C003"
        named = self.basis.inventory.by_path.get(path)
        if named is not None and named.ref is not None and path not in self.out.removed:
            return "C006" if named.ref in self.rows else twin("M005", row.kind)
        return twin("M001", row.kind)

    def _home(self, row: Row) -> str | None:
        """Where a recovered file goes: where its row says, if that is a place for it."""
        place = Place.MEMORY if row.kind == "memory" else Place.ASSEMBLY
        path = confined(row.path) if row.path is not None else None
        if path is None or self.layout.place(path) is not place:
            return self._new_home(row.ref)
        return path if self._free(path) else None

    def _new_home(self, ref: EntityRef) -> str | None:
        """Where this layout puts the file of an entity, if it can stand there."""
        if id_problem(ref.id, kind=ref.kind, native=self.layout.name == "native"):
            return None
        path = self.layout.home(ref)
        return path if path is not None and self._free(path) else None

    def _free(self, path: str) -> bool:
        """Whether a file may be put there: nothing stands in its place, or what does goes."""
        taken = path in self.occupied or path in self.basis.inventory.by_path
        return not taken or path in self.out.removed

    def _traces(self) -> None:
        """Bring back what only a vector tells of; a snapshot's copy is not to be used unasked."""
        for ref in sorted(self.basis.traces.keys() & self.basis.copies.keys()):
            found = self._best(ref)
            if found is None or self.wishes.safe or not self.wishes.wants("V004", ref.id):
                continue
            path = self._new_home(ref)
            if path is not None:
                self._place(ref, path, found[0], "its vector stands, but it had no file and no row")

    def _dangling_members(self) -> None:
        files = self.basis.inventory.files
        each = zip(each_of(files, "kind"), each_of(files, "record.members"), strict=True)
        missing = {
            EntityRef("memory", member)
            for kind, members in each
            if kind == "assembly"
            for member in members or ()
        }
        # What our own log says was deleted stays so.
        missing -= self.basis.inventory.deleted
        for ref in sorted(missing - self.out.held.keys()):
            if (
                ref in self.out.files
                or ref in self.out.dropped
                or not self.wishes.wants_explicitly("A020", ref.id)
            ):
                continue
            found = self._best(ref)
            path = self._new_home(ref)
            if found is not None and path is not None:
                self._place(ref, path, found[0], "an assembly names it as a member")

    def _leftovers(self) -> None:
        inventory, unused = self.basis.inventory, self._unused_copies()
        for stray in inventory.strays:
            fresh = inventory.now_ns - stray.stat.mtime_ns <= FRESH_NS
            if stray.kind is not StrayKind.LEFTOVER or fresh:
                continue
            if stray.path in unused or of_blocked(inventory, stray.path):
                continue
            if "file" in stray.what and self.wishes.wants("S002", stray.path, stray.path):
                self.out.removed[stray.path] = True
                why = f"a writer never finished it{self._way_back(stray.path)}"
                self.out.act_on_file("quarantine-file", stray.path, why)

    def _way_back(self, path: str) -> str:
        """How an operator has the entity that a leftover holds, and that nothing else tells of.

        Its writer may have died before it said that it was saved, or just after it was deleted.
        """
        ref = self.basis.unknown.get(path)
        home = self._new_home(ref) if ref is not None else None
        if ref is None or home is None:
            return ""
        command = f"cp {QUARANTINE}/*/{path_word(path)} {path_word(home)}"
        return (
            f", but it holds a whole {ref.kind} that has neither file nor row; to have that back,"
            f" in the store's folder: {command}; then repair"
        )

    def _unused_copies(self) -> frozenset[str]:
        """Where copies of entities lie that have no file, or a rotten one, and are left so."""
        unused = set()
        for ref, copies in self.basis.copies.items():
            if ref in self.out.files or self.out.dropped.get(ref) == "C009":
                continue
            hash_ = self.rows[ref].content_hash if ref in self.rows else None
            rotten = ref in self.out.held
            unused |= {c.file.path for c in copies if not rotten or c.file.sha256 == hash_}
        return frozenset(unused)

    # Healing

    def _heal(self, file: EntityFile, ref: EntityRef) -> None:
        """Give a file that stands, or was just recovered, the embedding that it lacks."""
        code = LACKING.get(file.embedding)
        if code is None or file.rigid or not self.wishes.wants(code, ref.id, file.path):
            return
        raw = self.out.contents.get(file.path) or self.basis.raw.get(file.path)
        vector, source = better_embedding(self.basis, file, ref)
        if raw is None or vector is None:
            return
        key = self.layout.embedding_key(ref.kind)
        self._write(ref, file.path, splice_field(raw, key, floats(vector)))
        because = "its embedding is missing" if code == "E001" else "its embedding is no vector"
        self.out.act("heal-embedding", ref, file.path, because, source)

    # Shared

    def _best(
        self, ref: EntityRef, survived: Mapping[str, object] | None = None
    ) -> tuple[Copy, Rank] | None:
        row = self.rows.get(ref)
        row_us = instant_us(row.updated_at) if row is not None else None
        found = best(self.basis.copies.get(ref, ()), row, row_us)
        if found and found[1] is Rank.OLDER and survived and agrees(found[0], survived):
            return found[0], Rank.SAME_TIME
        return found

    def _age(self, ref: EntityRef, rank: Rank) -> str:
        """What is to be said of a copy that may not be the last state."""
        if rank not in (Rank.OLDER, Rank.QUARANTINED):
            return ""
        row = self.rows.get(ref)
        dated = row is not None and instant_us(row.updated_at) is not None
        return "; the copy is older" if dated else "; the copy may be older, nothing tells"

    def _place(self, ref: EntityRef, path: str, copy: Copy, because: str) -> None:
        self._write(ref, path, copy.content)
        self.out.act("recover-file", ref, path, because, copy.source)
        self._heal(self.out.files[ref], ref)

    def _write(self, ref: EntityRef, path: str, content: bytes) -> None:
        old = self.basis.inventory.by_path.get(path)
        stat = old.stat if old is not None else NO_STAT
        facts, vector = facts_of(self.layout, ref.kind, path, content, stat)
        if self.out.removed.pop(path, False):
            self.out.displaced.add(path)
        self.out.contents[path] = content
        self.out.files[ref] = facts
        self.occupied.add(path)
        if vector is not None:
            self.out.vectors[path] = vector
