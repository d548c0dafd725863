"""Undo: what its dry run foretells is what it does, with a run cut off before it too."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path
from typing import Any

import pytest

from synthstore.store.journal import RunFolder
from synthstore.store.runs import RunInfo, list_runs
from synthstore.testing.interrupt import interrupt
from synthstore.testing.stores import Built, build
from tests.program import Program, on_terminal
from tests.trees import changed, sha_tree


@pytest.fixture
def cut_off(tmp_path: Path, cli: Program) -> Built:
    """A store with a finished run, and behind it one of repair that was killed at its commit."""
    built = build("native", tmp_path / "store")
    built.edit_catalog(lambda document: document["memories"].pop(built.memories[8]))
    assert cli("repair", built.root, "-y").code == 0
    built.index.unlink()
    interrupt(built)
    return built


def the_runs(built: Built) -> tuple[RunInfo, RunInfo]:
    finished, cut = list_runs(built.root)
    assert (finished.state, cut.state) == ("done", "unfinished")
    return finished, cut


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """All that a dry run and the undo itself have in common."""
    return {key: value for key, value in document.items() if key not in ("run", "dry_run")}


def test_a_run_that_was_cut_off_is_what_undo_takes_back(cli: Program, cut_off: Built) -> None:
    _, cut = the_runs(cut_off)
    before = sha_tree(cut_off.root, skip="")
    shown = cli("undo", cut_off.root, "-n")
    assert f"would first finish what an interrupted run had begun: {cut.run}" in shown.out
    assert shown.lines[-1] == f"synthstore undo {cut_off.root} {cut.run}"
    foretold = cli("undo", cut_off.root, "-n", "--json").document
    assert (foretold["undone"], foretold["recovered_runs"]) == (cut.run, [cut.run])
    assert foretold["files"] == [{"path": "vector_index/memory_vectors.faiss", "change": "removed"}]
    assert sha_tree(cut_off.root, skip="") == before
    left = sha_tree(cut_off.root)
    done = cli(*shlex.split(shown.lines[-1])[1:], "-y", "--json").document
    assert plain(done) == plain(foretold)
    assert sha_tree(cut_off.root) == left


def test_more_than_the_run_that_was_named_is_never_done_in_silence(
    cli: Program, cut_off: Built
) -> None:
    finished, cut = the_runs(cut_off)
    foretold = cli("undo", cut_off.root, finished.run, "-n", "--json").document
    assert (foretold["undone"], foretold["recovered_runs"]) == (finished.run, [cut.run])
    shown = cli("undo", cut_off.root, finished.run, "-n")
    assert shown.lines[-1] == f"synthstore undo {cut_off.root} {finished.run}"
    done = cli("undo", cut_off.root, finished.run, "-y", "-q")
    assert (done.code, done.out) == (0, "")
    assert done.err == f"first finished what an interrupted run had begun: {cut.run}\n"
    assert [run.state for run in list_runs(cut_off.root)] == ["undone", "done", "done"]


def test_a_cut_off_run_may_be_in_the_way_of_an_older_one(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    seventh, eighth = built.memories[7:9]
    built.edit_catalog(lambda document: document["memories"].pop(seventh))
    cli("repair", built.root, "-y")
    built.edit_catalog(lambda document: document["memories"].pop(eighth))
    interrupt(built)
    finished, _ = the_runs(built)
    refused = [cli("undo", built.root, finished.run, option) for option in ("-n", "-y")]
    assert [result.code for result in refused] == [12, 12]
    # The second has finished the run that was cut off before it refused.
    assert refused[0].err.replace("; nothing was changed", "") == refused[1].err


def test_an_undo_that_was_cut_off_is_what_undo_finishes(cli: Program, cut_off: Built) -> None:
    finished, cut = the_runs(cut_off)
    cli("undo", cut_off.root, "-y")
    undo = list_runs(cut_off.root)[-1]
    (cut_off.root / ".synthstore/runs" / undo.run / "done").unlink()
    listing = cli("undo", cut_off.root, "--list")
    assert f"unfinished, takes back {cut.run}" in listing.out
    assert listing.lines[-1] == f"synthstore repair {cut_off.root} --dry-run"
    assert cli("undo", cut_off.root, finished.run, "-n", "--json").document["recovered_runs"] == [
        undo.run
    ]
    foretold = cli("undo", cut_off.root, "-n", "--json").document
    assert (foretold["undone"], foretold["recovered_runs"]) == (cut.run, [undo.run])
    done = cli("undo", cut_off.root, "-y", "--json").document
    assert (plain(done), done["run"]) == (plain(foretold), undo.run)
    assert len(done["files"]) == 1


def test_declined_behind_a_run_that_was_cut_off(cut_off: Built) -> None:
    _, cut = the_runs(cut_off)
    terminal = on_terminal("undo", cut_off.root)
    terminal.expect(f"first finished what an interrupted run had begun: {cut.run}")
    terminal.expect("undo? [y/N]")
    terminal.type("n\n")
    assert terminal.finish() == 130
    assert "declined; nothing was taken back" in terminal.seen
    assert list_runs(cut_off.root)[-1].state == "done"


def test_a_cut_off_run_leaves_what_changed_since(cli: Program, cut_off: Built) -> None:
    _, cut = the_runs(cut_off)
    cut_off.index.write_bytes(b"another one's")
    foretold = cli("undo", cut_off.root, "-n", "--json").document
    assert (foretold["undone"], foretold["files"]) == (cut.run, [])
    assert plain(cli("undo", cut_off.root, "-y", "--json").document) == plain(foretold)
    assert cut_off.index.read_bytes() == b"another one's"


@pytest.fixture
def rotten(tmp_path: Path, cli: Program) -> tuple[Built, str, Path]:
    """A store with two files mended by a run, that run, and the first one's kept copy, damaged."""
    built = build("native", tmp_path / "store")
    for memory in built.memories[8:10]:
        built.overwrite(memory, b"{ torn")
    run = cli("repair", built.root, "-y", "--json").document["run"]
    torn = hashlib.sha256(b"{ torn").hexdigest()
    folder = RunFolder(built.root, run)
    item = next(i for i in folder.plan().items if i.old is not None and i.old.sha256 == torn)
    kept = folder.old / str(item.slot)
    kept.write_bytes(b"{ torx")
    return built, item.path, kept


def test_a_damaged_kept_copy_is_told_before_anything(
    rotten: tuple[Built, str, Path], cli: Program
) -> None:
    built, path, kept = rotten
    before = sha_tree(built.root)
    for option in ("-n", "-y"):
        result = cli("undo", built.root, option)
        assert (result.code, result.out) == (4, "")
        assert f"damaged: {path} (kept as {kept})" in result.err
        assert "with --force" in result.err
        assert f"synthstore snapshots find {Path(path).stem} --repo REPO" in result.err
    assert sha_tree(built.root) == before


@pytest.mark.parametrize("gone", [False, True])
def test_all_but_the_damaged_is_given_back_by_force(
    gone: bool, rotten: tuple[Built, str, Path], cli: Program
) -> None:
    built, path, kept = rotten
    if gone:
        kept.unlink()
    before = sha_tree(built.root)
    shown = cli("undo", built.root, "-n", "--force")
    assert shown.code == 3
    assert f"its kept copy is damaged, so left as it is: {path}" in shown.out
    foretold = cli("undo", built.root, "-n", "--force", "--json").document
    done = cli(*shlex.split(shown.lines[-1])[1:], "-y", "--json")
    assert (done.code, plain(done.document)) == (3, plain(foretold))
    assert done.document["damaged"] == [path]
    assert "--force" in shown.lines[-1]
    restored = {file["path"] for file in done.document["files"]}
    assert changed(before, sha_tree(built.root)) == restored
    assert len(restored) >= 2
    assert path not in restored
    assert cli("undo", built.root, done.document["run"], "-y").code == 0
    assert sha_tree(built.root) == before
