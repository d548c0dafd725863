"""Conversions of a store itself: one run, and its undo gives every byte back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from synthstore.errors import InterruptedByUserError
from synthstore.files.inside import Tree
from synthstore.migrate.operation import MigrateOptions, migrate
from synthstore.store.evidence import recognise
from synthstore.store.halfway import layout_ahead
from synthstore.store.runs import list_runs
from synthstore.testing import stores
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built
from tests import oracle
from tests.migrations import bring, entities, unreadable
from tests.operate import codes, look, mend, take_back
from tests.trees import changed, sha_tree

WAYS: tuple[tuple[Name, Name], ...] = (
    ("native", "core-4"),
    ("core-4", "native"),
    ("core-3", "native"),
    ("core-3", "core-4"),
)


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_conversion_is_one_run_and_undone_to_the_byte(
    source: Name, target: Name, tmp_path: Path
) -> None:
    built = stores.build(source, tmp_path / "store")
    stores.write(built.root / "logs" / "core.log", b"noise")
    before, had = sha_tree(built.root), entities(built.root)
    planned = bring(built.root, None, target, dry_run=True)
    report = bring(built.root, None, target)
    assert planned.files == report.files
    assert (report.exit_code, report.target, report.vectors) == (0, None, 14)
    assert report.next == f"synthstore undo {built.root} {report.run}"
    assert recognise(built.root).name == target
    assert codes(look(built.root)) == {}
    assert oracle.problems(built.root, target) == []
    assert entities(built.root).keys() == had.keys()
    assert (built.root / "logs" / "core.log").exists()
    if target == "core-4":
        assert list(unreadable(built.root)) == []
    assert bring(built.root, None, target).run is None
    take_back(built.root)
    assert sha_tree(built.root) == before
    assert len(list_runs(built.root)) == 2


def test_a_dry_run_counts_no_file_that_stays(tmp_path: Path) -> None:
    built = stores.build("core-4", tmp_path / "store")
    # A Memory Core writes one mapping's name and reads another's.
    assert not (built.root / "id_to_index.json").exists()
    planned = bring(built.root, None, "core-4", dry_run=True)
    assert (planned.files, bring(built.root, None, "core-4").files) == (1, 1)


def test_in_place_and_to_a_new_place_come_to_the_same(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    bring(built.root, tmp_path / "new", "core-4")
    bring(built.root, None, "core-4")
    assert changed(sha_tree(built.root), sha_tree(tmp_path / "new")) == set()


def test_there_and_back_in_place_gives_every_document_back(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    bring(built.root, None, "core-4")
    bring(built.root, None, "native")
    assert {name: built.read(name) for name in built.docs} == dict(built.docs)


def test_members_that_are_strings_are_embedded(tmp_path: Path) -> None:
    built = stores.build("core-4", tmp_path / "store")
    members = built.docs[built.assemblies[0]]["memories"]
    built.edit(
        built.assemblies[0], lambda doc: doc.update(memories=[m["id"] for m in doc["memories"]])
    )
    report = look(built.root)
    assert report.next == f"synthstore migrate {built.root} --in-place --layout core-4 --dry-run"
    [finding] = [f for f in report.findings if f.code == "A023"]
    assert finding.repair == "left: synthstore migrate --in-place --layout core-4 embeds them"
    before = sha_tree(built.root)
    bring(built.root, None, "core-4")
    touched = {built.paths[built.assemblies[0]], "id_to_index.json"}
    assert changed(before, sha_tree(built.root)) == touched
    assert built.read(built.assemblies[0])["memories"] == members
    assert codes(look(built.root)) == {}


def test_a_dry_run_and_a_no_change_nothing(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    before = sha_tree(built.root)
    assert bring(built.root, None, "core-4", dry_run=True).files > 14
    assert sha_tree(built.root, skip="") == before
    options = MigrateOptions(layout="core-4")
    with pytest.raises(InterruptedByUserError, match="nothing was changed"):
        asyncio.run(migrate(built.root, options, confirm=lambda _: False))
    assert sha_tree(built.root) == before


def commit_only(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert, and die between commit and apply, half of the files already renamed."""
    put = Tree.put
    done: list[str] = []

    def some(self: Tree, path: str, staged: Path) -> None:
        if len(done) > 5:
            raise KeyboardInterrupt
        done.append(path)
        put(self, path, staged)

    with monkeypatch.context() as patch:
        patch.setattr(Tree, "put", some)
        with pytest.raises(KeyboardInterrupt):
            bring(built.root, None, "core-4")


def test_halfway_the_store_counts_as_what_it_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build("native", tmp_path / "store")
    commit_only(built, monkeypatch)
    assert layout_ahead(built.root) == recognise(built.root).name == "core-4"
    assert "S001" in codes(look(built.root))
    assert mend(built.root).layout == "core-4"
    assert layout_ahead(built.root) is None
    assert codes(look(built.root)) == {}
    assert list(unreadable(built.root)) == []


def test_the_same_command_completes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = stores.build("native", tmp_path / "store")
    before = sha_tree(built.root)
    commit_only(built, monkeypatch)
    report = bring(built.root, None, "core-4")
    assert report.resumed
    assert report.run is not None
    assert list(unreadable(built.root)) == []
    take_back(built.root)
    assert sha_tree(built.root) == before
