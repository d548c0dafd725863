"""Reports as people read them, from values made by hand."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

import pytest

from synthstore.checks.finding import Finding, Severity, Subject
from synthstore.checks.report import LOST, ORPHAN_OF, Action, Counts, RepairReport, Report
from synthstore.render.human import dry_run_blocks, outcome_blocks, plan_blocks, report_blocks
from synthstore.render.logs import logged_to
from synthstore.render.redact import hashed, redacted, redacted_path, redacted_text
from synthstore.render.screen import Block, Line, Screen, Table, plain
from synthstore.render.undoing import prune_blocks, runs_blocks, undo_blocks
from synthstore.repair.undoing import PruneReport, RunInfo, UndoneFile, UndoReport


def finding(code: str, number: int, severity: Severity = Severity.ERROR) -> Finding:
    name = f"mem_{number:03d}"
    return Finding(
        code, "some-rule", severity, Subject("memory", name), f"memories/{name}.json",
        f"{name} is odd", {"other": f"mem_{number + 1:03d}", "dim": 3, "at": "2025-03-15T14:45:22"},
        "mend it",
    )  # fmt: skip


REPORT = Report(
    command="verify", store="/data/a store", layout="native", quick=False, complete=True,
    started_at="2025-03-18T15:30:42.864209Z", elapsed_seconds=75.2, clean=False, silenced=0,
    next="synthstore repair '/data/a store' --dry-run", counts=Counts(1, 1, 2, 2048),
    findings=(finding("M001", 1), finding("M003", 2), finding("M008", 3, Severity.WARNING)),
)  # fmt: skip

REPAIRED = RepairReport(
    **{name: getattr(REPORT, name) for name in Report.__dataclass_fields__} | {"command": "repair"},
    run="20250318T153042Z-1a2b", dry_run=False, fixed=3, left=3, bytes_needed=4096,
    actions=tuple(
        Action("drop-row", Subject("memory", f"m{n}"), f"memories/m{n}.json", because="gone")
        for n in range(12)
    ),
)  # fmt: skip


def text(blocks: Iterable[Block]) -> list[str]:
    return [line for block in blocks for line in plain(block)]


def test_a_report() -> None:
    lines = text(report_blocks(REPORT, verbose=False, quiet=False))
    assert lines[0] == (
        "/data/a store: native layout, 1 memory, 1 assembly, 2 vectors, 2.0 kB;"
        " looked in 1 min 15 s"
    )
    assert "error M001 memory mem_001 (memories/mem_001.json): mem_001 is odd" in lines
    assert "M001: repair: mend it" in lines
    assert lines[-2:] == ["2 errors, 1 warning", "synthstore repair '/data/a store' --dry-run"]


def test_what_was_not_looked_at_is_said() -> None:
    partial = replace(REPORT, complete=False, quick=True, silenced=1, clean=True, next=None)
    lines = text(report_blocks(partial, verbose=False, quiet=False))
    assert "quick look" in lines[0]
    assert "1 known finding not shown" in lines
    assert lines[-1] == "2 errors, 1 warning, all below --fail-on"
    assert any(line.startswith("not everything was looked at") for line in lines)


def test_a_quiet_report_among_others_names_its_store() -> None:
    alone = text(report_blocks(REPORT, verbose=False, quiet=True))
    among = text(report_blocks(REPORT, verbose=False, quiet=True, among_others=True))
    assert among == ["/data/a store:", *alone]
    clean = replace(REPORT, clean=True)
    assert not text(report_blocks(clean, verbose=False, quiet=True, among_others=True))


def test_a_plan_is_grouped_by_kind() -> None:
    lines = text(plan_blocks(REPAIRED, verbose=False))
    assert lines[0] == "plan for /data/a store: 12 changes, 4.1 kB of room needed"
    assert lines[1] == "planned drop-row: 12"
    assert lines[2] == "  memory m0 (memories/m0.json): gone"
    assert lines[-1] == "  and 2 more (-v lists all)"
    assert len(text(plan_blocks(REPAIRED, verbose=True))) == 14


def test_a_plan_that_would_be_refused() -> None:
    why, hint = "12 of 14 rows would go", "or allow it with --allow-shrink"
    refused = replace(REPAIRED, refused=why, refused_hint=hint, dry_run=True)
    lines = text(dry_run_blocks(refused, verbose=False, quiet=True))
    at = lines.index(f"would be refused (exit 12): {why}")
    assert lines[at + 1] == f"hint: {hint}"


def test_what_is_lost_for_good_is_named() -> None:
    lost = replace(REPAIRED.actions[0], kind="drop-row", because=LOST)
    report = replace(REPAIRED, actions=(lost,))
    told = f"lost, since no copy was found, nor in the snapshots: {lost.subject.id}"
    asked = replace(report, snapshots_asked=True)
    assert told in text(outcome_blocks(asked, verbose=False, quiet=False))
    assert f"would be {told}" in text(plan_blocks(asked, verbose=False))


def test_what_was_not_looked_for_in_snapshots_is_not_said_to_be_nowhere() -> None:
    lost = replace(REPAIRED.actions[0], kind="drop-row", because=LOST)
    report = replace(REPAIRED, actions=(lost,))
    told = f"lost, since no copy lies in the store: {lost.subject.id}"
    back = "`synthstore repair '/data/a store' --repo REPO`"
    by = "what a snapshot holds of them comes back by:"
    done = text(outcome_blocks(report, verbose=False, quiet=False))
    at = done.index(told)
    assert done[at + 1] == f"{by} `synthstore undo '/data/a store'`, then {back}"
    planned = text(plan_blocks(replace(report, run=None), verbose=False))
    assert planned[-2:] == [f"would be {told}", f"{by} {back}"]


def test_a_vector_that_goes_as_nobodys_is_told_by_the_memory_that_it_was_of() -> None:
    orphans = tuple(
        Action("remove-vector", Subject("vector", str(n)), "v.faiss", because=f"{ORPHAN_OF}m{n}")
        for n in range(12)
    )
    report = replace(REPAIRED, actions=orphans)
    names = ", ".join(f"m{n}" for n in range(10))
    told = f"removed, with neither file nor row behind: the vectors of {names} and 2 more"
    back = "`synthstore repair '/data/a store' --repo REPO`"
    done = text(outcome_blocks(report, verbose=False, quiet=False))
    assert done[done.index(told) + 1].endswith(f"`synthstore undo '/data/a store'`, then {back}")
    planned = text(plan_blocks(replace(report, run=None), verbose=False))
    assert planned[-2] == f"would be {told}"
    assert planned[-1].endswith(f"by: {back}")
    asked = text(plan_blocks(replace(report, snapshots_asked=True), verbose=False))
    assert asked[-1] == f"would be {told}"
    hidden = text(plan_blocks(redacted(report), verbose=True))
    assert all(hashed(f"m{n}") in "".join(hidden) for n in range(12))
    assert not any(f"of m{n}" in line for n in range(12) for line in hidden)


def test_a_dry_run_without_a_plan_shows_what_stays() -> None:
    nothing = replace(REPAIRED, actions=(), dry_run=True, next=None)
    lines = text(dry_run_blocks(nothing, verbose=False, quiet=False))
    assert lines[0] == "/data/a store: nothing to change"
    assert any(line.startswith("error M001") for line in lines)
    assert lines[-1] == "dry run: nothing was changed; 3 findings now"


def test_an_outcome() -> None:
    odd = (
        replace(REPAIRED.actions[0], status="failed", source="backups/x.json"),
        replace(REPAIRED.actions[1], status="skipped", path=None),
        replace(REPAIRED.actions[2], status="done"),
    )
    report = replace(REPAIRED, actions=odd, recovered_runs=("run-1", "run-2"))
    lines = text(outcome_blocks(report, verbose=False, quiet=False))
    assert lines[0] == ("/data/a store: finished what an interrupted run had begun: run-1, run-2")
    assert "  memory m0 (memories/m0.json) from backups/x.json: gone" in lines
    assert "  memory m1: gone" in lines
    assert not any(line.startswith("done") for line in lines)
    assert "3 fixed, 3 left" in lines
    assert (
        "recorded as run 20250318T153042Z-1a2b; to take it back: synthstore undo '/data/a store'"
        in lines
    )


def test_an_undo() -> None:
    files = tuple(UndoneFile(f"memories/m{n}.json", "rewritten") for n in range(12))
    report = UndoReport("/data/s", "run-1", "run-2", dry_run=False, files=files, conflicts=("x",))
    lines = text(undo_blocks(report, verbose=False, planned=False))
    assert lines[0] == "took back run run-1 of /data/s: 12 files"
    assert "  and 2 more (-v lists all)" in lines
    assert "  changed since, so left as it is: x" in lines
    assert lines[-1] == "recorded as run run-2"
    assert redacted(report).files[0].path == f"memories/{hashed('m0')}.json"


def test_runs_and_pruning() -> None:
    run = RunInfo("run-1", "repair", "2025-03-18T15:30:42Z", 3, 2048, "unfinished")
    table = next(iter(runs_blocks("/data/s", [run])))
    assert isinstance(table, Table)
    assert table.tones == ("warning",)
    assert text([table])[1].split() == ["run-1", "repair", "2025-03-18T15:30:42Z", "3", "2.0", "kB",
        "unfinished"]  # fmt: skip
    pruned = PruneReport("/data/s", ("run-1",), 4, 1000)
    assert text(prune_blocks(pruned, dry_run=True)) == [
        "/data/s: would let go 1 run, 1.0 kB; 4 kept"
    ]


def test_redaction_reaches_evidence_and_paths() -> None:
    shown = redacted(REPORT).findings[0]
    assert shown.subject.id == hashed("mem_001")
    assert shown.path == f"memories/{hashed('mem_001')}.json"
    assert "mem_" not in shown.message
    assert shown.evidence == {
        "other": hashed("mem_002"), "dim": 3, "at": "2025-03-15T14:45:22"
    }  # fmt: skip
    action = redacted(REPAIRED).actions[0]
    assert (action.subject.id, action.because) == (hashed("m0"), "gone")


def test_redacted_names() -> None:
    assert redacted_path("memory_index.json") == "memory_index.json"
    assert redacted_path("vector_index/mapping.json") == "vector_index/mapping.json"
    assert redacted_path("memories/a.json.bak") == f"memories/{hashed('a')}.json.…"
    assert redacted_path("notes/secret") == f"{hashed('notes')}/{hashed('secret')}"
    text_ = redacted_text("the copy in assemblies/a.json, and memory_index.json")
    assert text_ == f"the copy in assemblies/{hashed('a')}.json, and memory_index.json"


def test_nested_evidence_is_hashed_too() -> None:
    nested = replace(REPORT.findings[0], evidence={"ids": ["a", {"b": ("c", 1)}], "sha": "0" * 64})
    shown = redacted(replace(REPORT, findings=(nested,))).findings[0].evidence
    assert shown == {"ids": [hashed("a"), {hashed("b"): [hashed("c"), 1]}], "sha": "0" * 64}
    assert redacted("anything else") == "anything else"


@pytest.mark.parametrize(
    ("screen", "said"),
    [
        (Screen(), "warning: odd\\x1b\n"),
        (Screen(verbose=1), "info: fine\nwarning: odd\\x1b\n"),
        (Screen(quiet=True), ""),
    ],
)
def test_the_log(screen: Screen, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("synthstore")
    with logged_to(screen):
        logger.info("fine")
        logger.warning("odd\x1b")
        logger.critical("raised too")
    logger.info("nobody listens")
    assert capsys.readouterr().err == said


def test_lines_keep_their_tone_only_on_a_terminal() -> None:
    assert plain(Line("a\nb", "error")) == ["a\\nb"]
