"""What a check says to do about what a repository lost ends the damage, and does not loop."""

from __future__ import annotations

import shlex
from pathlib import Path

from synthstore.testing import stores
from tests.program import Program
from tests.vaults import back_up, forget, packs, place_at


def test_what_no_store_has_any_more_ends_with_its_snapshots(cli: Program, tmp_path: Path) -> None:
    built, repo = stores.build("native", tmp_path / "store"), tmp_path / "repo"
    place = place_at(repo)
    back_up(built.root, place)
    for pack in packs(place, lists=False):
        pack.unlink()
    told = cli("snapshots", "check", "--repo", repo)
    assert told.lines[-1] == f"synthstore backup STORE --repo {repo} --name store"
    forget(built, built.memories[0])
    call = told.lines[-1].replace("STORE", str(built.root))
    assert cli(*shlex.split(call)[1:]).code == 0
    told = cli("snapshots", "check", "--repo", repo)
    assert (told.code, built.memories[0] in told.out) == (1, True)
    prune = shlex.split(told.lines[-1])
    assert prune[1:3] == ["snapshots", "prune"]
    assert cli(*prune[1:]).code == 0
    assert cli(*prune[1:-1]).code == 0
    assert cli("snapshots", "check", "--repo", repo).code == 0
