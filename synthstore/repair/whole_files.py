"""Files that are taken as the truth: usual ones as they stand, and others."""

from __future__ import annotations

from synthstore.checks.parting import Usual
from synthstore.checks.standing_files import FilesBesideUsual
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef


class WholeFiles(FilesBesideUsual):
    """Whole files by the entity that they bear; about the usual ones nothing is done."""

    def __init__(self, usual: Usual) -> None:
        super().__init__(usual, {})

    def __setitem__(self, ref: EntityRef, file: EntityFile) -> None:
        """Take a file that is not among the usual ones."""
        self.others[ref] = file
