"""Entity files of which a repair need not ask what becomes of them. No I/O."""

from __future__ import annotations

import numpy as np

from synthstore.model.columns import Bools, equal_to
from synthstore.model.facts import FileStatus
from synthstore.repair.astray import astray
from synthstore.repair.healing import LACKING
from synthstore.repair.state import Basis, Entities
from synthstore.repair.whole_files import WholeFiles


def closer_look(basis: Basis) -> Bools:
    """Files of which even a usual one does not simply stand as it is."""
    files, frozen = basis.inventory.files, basis.frozen_paths
    whole = equal_to(files, "status", FileStatus.WHOLE)
    lacking = equal_to(files, "embedding", *LACKING)
    rotten = equal_to(files, "path", *frozen) if frozen else False
    return np.asarray(~whole | lacking | rotten)


def as_they_stand(basis: Basis) -> Entities:
    """The entity files untouched: what rebuilding catalog and index starts from."""
    closer = closer_look(basis)
    result = Entities(WholeFiles(basis.standing.usual.only(~closer)))
    doomed, frozen = basis.standing.doomed, basis.frozen_paths
    for ref, file in basis.standing.standing_file.those(closer):
        sure = file.ref == ref and file.path not in frozen and ref not in doomed
        (result.files if sure else result.held)[ref] = file
    for ref, file in basis.standing.hurt.items():
        if ref not in result.files:
            result.held.setdefault(ref, file)
    strayed = (astray(basis, file) for file in basis.standing.hurt.values())
    result.astray.update(copy.ref for copy in strayed if copy is not None)
    gone = (ref for ref in basis.copies if ref not in doomed)
    result.awaited.update(r for r in gone if r not in result.files and r not in result.held)
    return result
