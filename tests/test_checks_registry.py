"""The catalogue is complete, the registry runs all of it, and choosing works."""

from __future__ import annotations

import json
from itertools import chain

import pytest

from synthstore.checks.catalogue import CATALOGUE, twin
from synthstore.checks.finding import Finding, Severity
from synthstore.checks.found import once
from synthstore.checks.registry import RULES, check, chosen_codes
from synthstore.errors import UsageError
from synthstore.scan.inventory import Inventory
from tests.inventories import Shelf, healthy

FAMILIES = {"S": 9, "C": 9, "M": 12, "E": 6, "V": 11, "K": 1}


def hurt() -> Shelf:
    """A store with something of most families."""
    shelf = healthy()
    shelf.drop_row("m6")
    shelf.drop_vector("m5")
    shelf.embed("m4", None)
    shelf.catalog["metadata"]["memory_count"] = 99
    del shelf.files[shelf.path("m3")]
    return shelf


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


HURT = ["C004", "E001", "M001", "M002", "V003", "V007"]


def test_every_code_is_there() -> None:
    expected = {f"{family}{n:03}" for family, top in FAMILIES.items() for n in range(1, top + 1)}
    expected |= {f"A{n:03}" for n in (*range(1, 13), *range(20, 24))}
    assert set(CATALOGUE) == expected


def test_every_entry_says_something() -> None:
    rules = [entry.rule for entry in CATALOGUE.values()]
    assert len(set(rules)) == len(rules)
    for code, entry in CATALOGUE.items():
        assert entry.code == code
        assert entry.summary
        assert entry.repair
        assert entry.rule == entry.rule.lower()
        assert " " not in entry.rule


def test_twins_are_of_one_severity() -> None:
    assert twin("M004", "assembly") == "A004"
    assert twin("M004", "memory") == "M004"
    for n in range(1, 13):
        memory, assembly = CATALOGUE[f"M{n:03}"], CATALOGUE[f"A{n:03}"]
        assert (memory.severity, memory.repair) == (assembly.severity, assembly.repair)
        assert "assembly" in assembly.rule


def test_what_repair_leaves_is_known() -> None:
    left = {code for code, entry in CATALOGUE.items() if not entry.repairs}
    assert {"S003", "S005", "S007", "S009", "M008", "A010", "E002", "A020", "K001"} <= left
    assert left.isdisjoint({"S001", "C005", "M001", "A004", "V001", "V007", "E003"})


def test_what_repair_leaves_says_what_to_do_by_hand() -> None:
    for entry in CATALOGUE.values():
        if not entry.repairs and entry.severity > Severity.INFO:
            assert entry.repair not in ("left", "left: no vector"), entry.code


def test_every_code_but_the_repository_s_has_a_rule() -> None:
    runs = [rule.run for rule in RULES]
    assert len(set(runs)) == len(runs)
    assert set(chain.from_iterable(rule.codes for rule in RULES)) == set(CATALOGUE) - {"K001"}


def test_findings_are_sorted_and_json() -> None:
    findings = check(hurt().inventory())
    assert codes(findings) == HURT
    assert list(findings) == sorted(findings, key=lambda finding: finding.sort_key)
    json.dumps([dict(finding.evidence) for finding in findings])


def test_messages_hold_no_ids_and_no_content() -> None:
    shelf = hurt()
    for finding in check(shelf.inventory()):
        assert not any(entity_id in finding.message for entity_id in shelf.ids.values())
        assert "harbour" not in finding.message + json.dumps(dict(finding.evidence))


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        ((), (), HURT),
        (("M",), (), ["M001", "M002"]),
        (("M001", "V"), (), ["M001", "V003", "V007"]),
        ((), ("V", "E001"), ["C004", "M001", "M002"]),
        (("M",), ("M001",), ["M002"]),
        (("S",), (), []),
    ],
)
def test_prefixes_choose(
    select: tuple[str, ...], ignore: tuple[str, ...], expected: list[str]
) -> None:
    assert codes(check(hurt().inventory(), select=select, ignore=ignore)) == expected


@pytest.mark.parametrize("prefix", ["", "X", "M1", "M0011", "m001"])
def test_unknown_prefixes_are_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match="no finding code"):
        check(healthy().inventory(), select=[prefix])
    with pytest.raises(UsageError, match="no finding code"):
        check(healthy().inventory(), ignore=[prefix])


def test_unknown_codes_get_no_severity() -> None:
    with pytest.raises(UsageError, match="X001"):
        check(healthy().inventory(), severities={"X001": Severity.INFO})


def test_the_operator_s_severity_counts() -> None:
    severities = {"M002": Severity.INFO, "E001": Severity.ERROR}
    said = {f.code: f.severity for f in check(hurt().inventory(), severities=severities)}
    assert said["M002"] is Severity.INFO
    assert said["E001"] is Severity.ERROR
    assert said["M001"] is Severity.ERROR


def test_ids_choose_by_subject_and_evidence() -> None:
    shelf = hurt()
    inventory = shelf.inventory()
    assert codes(check(inventory, ids=frozenset({shelf.ids["m6"]}))) == ["M002"]
    assert codes(check(inventory, ids=frozenset({shelf.ids["m5"]}))) == ["V003", "V007"]
    assert check(inventory, ids=frozenset({"nobody"})) == ()


def test_nothing_is_chosen_twice() -> None:
    assert chosen_codes(("M", "M001"), ()) == {f"M{n:03}" for n in range(1, 13)}


def test_what_is_shared_is_worked_out_once() -> None:
    calls = []

    @once
    def compute(inventory: Inventory) -> int:
        calls.append(inventory)
        return len(calls)

    one, other = healthy().inventory(), healthy().inventory()
    assert [compute(one), compute(one), compute(other), compute(one)] == [1, 1, 2, 1]
