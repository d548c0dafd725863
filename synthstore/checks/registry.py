"""All rules, and the one function that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from synthstore.checks import (
    agreement,
    catalog,
    embeddings,
    entities,
    mappings,
    references,
    sound,
    structure,
    vectors,
)
from synthstore.checks.catalogue import CATALOGUE, twin
from synthstore.checks.finding import Finding, Severity
from synthstore.errors import UsageError
from synthstore.scan.inventory import Inventory

SHOWN = 10
"""How many ids a finding about many names before it only counts them."""

_NO_IDS: frozenset[str] = frozenset()
_NO_SEVERITIES: Mapping[str, Severity] = {}


def _never(_: Inventory) -> bool:
    """No proof."""
    return False


class Rule(NamedTuple):
    """A pure function from an inventory to findings, and the codes that it can give."""

    codes: tuple[str, ...]
    run: Callable[[Inventory], Iterable[Finding]]
    silent: Callable[[Inventory], bool] = _never
    """A proof that it finds nothing; where it fails, the rule may find nothing all the same."""


def _both(code: str) -> tuple[str, str]:
    return code, twin(code, "assembly")


RULES: tuple[Rule, ...] = (
    Rule(("S001",), structure.interrupted_runs),
    Rule(("S002",), structure.leftovers),
    Rule(("S003",), structure.foreign_files),
    Rule(("S004",), structure.irregular_files),
    Rule(("S005",), structure.no_access),
    Rule(("S006",), structure.name_collisions),
    Rule(("S006",), structure.names_refused_elsewhere),
    Rule(("S007",), structure.hard_links),
    Rule(("S008",), structure.nested_stores),
    Rule(("S009",), structure.lost_entity_folders, sound.paired),
    Rule(("C001",), catalog.catalog_missing),
    Rule(("C002",), catalog.catalog_unreadable),
    Rule(("C003",), catalog.malformed_rows, sound.paired),
    Rule(("C004",), catalog.wrong_counts),
    Rule(("C005",), catalog.paths_outside, sound.paired),
    Rule(("C006",), catalog.files_listed_twice, sound.paired),
    Rule(("C007",), catalog.rows_disagreeing, agreement.agreeing),
    Rule(("C008",), catalog.hashes_out_of_date, agreement.agreeing),
    Rule(("C009",), catalog.unfinished_deletions, sound.paired),
    Rule(_both("M001"), entities.files_missing, sound.paired),
    Rule(_both("M002"), entities.files_not_listed, sound.paired),
    Rule(_both("M003"), entities.files_torn, sound.paired),
    Rule(_both("M004"), entities.bit_rot, agreement.agreeing),
    Rule(_both("M005"), entities.ids_differing, sound.named),
    Rule(_both("M006"), entities.ids_claimed_twice, sound.paired),
    Rule(_both("M007"), entities.fields_missing, sound.paired),
    Rule(_both("M008"), entities.fields_out_of_range),
    Rule(_both("M009"), entities.files_empty, sound.paired),
    Rule(_both("M010"), entities.files_rigid, sound.paired),
    Rule(_both("M011"), entities.files_oversize, sound.paired),
    Rule(_both("M012"), entities.ids_not_allowed, sound.named),
    Rule(("A020",), references.members_dangling),
    Rule(("A021",), references.composites_differing),
    Rule(("A022",), references.merges_looping),
    Rule(("A023",), references.members_as_strings),
    Rule(("E001",), embeddings.embeddings_missing, sound.embedded),
    Rule(("E002",), embeddings.embeddings_of_other_dimension, sound.embedded),
    Rule(("E003",), embeddings.embeddings_not_finite, sound.embedded),
    Rule(("E004",), embeddings.embeddings_zero, sound.embedded),
    Rule(("E005",), embeddings.norms_mixed),
    Rule(("E006",), embeddings.models_mixed),
    Rule(("V001",), vectors.index_missing),
    Rule(("V002",), vectors.index_unreadable),
    Rule(("V003",), vectors.entities_without_vector, sound.numbered),
    Rule(("V004",), vectors.orphan_vectors, sound.numbered),
    Rule(("V005",), vectors.stale_vectors, sound.equal),
    Rule(("V006",), mappings.mappings_unusable),
    Rule(("V007",), mappings.mappings_disagreeing, sound.mapped),
    Rule(("V008",), mappings.numbers_twice_in_index, sound.numbered),
    Rule(("V008",), mappings.numbers_twice_in_mappings, sound.mapped),
    Rule(("V009",), vectors.dimensions_tied),
    Rule(("V009",), vectors.index_of_other_dimension),
    Rule(("V010",), vectors.index_positional),
    Rule(("V011",), vectors.vectors_not_finite, sound.equal),
)


def check(
    inventory: Inventory,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    ids: frozenset[str] = _NO_IDS,
    severities: Mapping[str, Severity] = _NO_SEVERITIES,
) -> tuple[Finding, ...]:
    """Run every rule whose code is wanted; findings in the order of reports.

    ``select`` and ``ignore`` are prefixes of codes (nothing selected: all); ``ids`` keeps only
    what speaks of these ids, as subject or in the evidence. Raises UsageError for a prefix or a
    code of ``severities`` that the catalogue does not know.
    """
    wanted = chosen_codes(select, ignore)
    _refuse_unknown(severities, set(CATALOGUE))
    found = (
        finding
        for rule in RULES
        if not wanted.isdisjoint(rule.codes) and not rule.silent(inventory)
        for finding in rule.run(inventory)
        if finding.code in wanted and (not ids or speaks_of(finding, *ids))
    )
    told = (_told(finding, ids, severities) for finding in found)
    return tuple(sorted(told, key=lambda finding: finding.sort_key))


def chosen_codes(select: Sequence[str], ignore: Sequence[str]) -> frozenset[str]:
    """The codes that the prefixes choose; UsageError for one that begins no code."""
    for prefix in chain(select, ignore):
        if not prefix or not any(code.startswith(prefix) for code in CATALOGUE):
            raise UsageError(
                f"no finding code begins with {prefix!r}",
                hint="codes look like M001; a prefix such as M or M0 chooses several",
            )
    return frozenset(
        code
        for code in CATALOGUE
        if (not select or code.startswith(tuple(select))) and not code.startswith(tuple(ignore))
    )


def _refuse_unknown(codes: Iterable[str], known: set[str]) -> None:
    unknown = sorted(set(codes) - known)
    if unknown:
        raise UsageError(f"no such finding code: {', '.join(unknown)}")


def speaks_of(finding: Finding, *ids: str) -> bool:
    """Whether a finding is about one of the ids, or names it in its evidence."""
    return finding.subject.id in ids or any(text in ids for text in _strings(finding))


def _strings(finding: Finding) -> Iterator[str]:
    for value in finding.evidence.values():
        items = value if isinstance(value, list) else [value]
        yield from (item for item in items if isinstance(item, str))


def _told(finding: Finding, ids: frozenset[str], severities: Mapping[str, Severity]) -> Finding:
    """The finding as reported: with the operator's severity, and long lists of ids cut short."""
    severity = severities.get(finding.code, finding.severity)
    evidence = finding.evidence
    many = evidence.get("ids")
    if severity is finding.severity and many is None:
        return finding
    if isinstance(many, list):
        # The ids that were asked for come first, so that the cut does not hide them.
        shown = sorted(many, key=lambda i: i not in ids)[:SHOWN]
        evidence = {**evidence, "ids": shown, "count": len(many)}
    return replace(finding, severity=severity, evidence=evidence)
