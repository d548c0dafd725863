"""The statistics of a store as the document that ``--json`` prints."""

from __future__ import annotations

from dataclasses import asdict

from synthstore import __version__
from synthstore.checks.document import Document
from synthstore.stats.report import Distribution, StatsReport

LISTED = 1_000
"""Groups of duplicates that the document lists; it counts them all."""


def stats_document(stats: StatsReport) -> Document:
    """``synthstore/stats/1``."""
    report = stats.report
    return {
        "schema": "synthstore/stats/1",
        "version": __version__,
        "store": report.store,
        "layout": report.layout,
        "complete": report.complete,
        "started_at": report.started_at,
        "elapsed_seconds": report.elapsed_seconds,
        "counts": asdict(report.counts),
        "bytes": dict(stats.kinds),
        "embeddings": dict(stats.states),
        "distributions": {told.name: _distribution(told) for told in stats.distributions},
        "parts": [asdict(part) for part in stats.parts],
        "duplicates": {
            "groups": len(stats.twins),
            "surplus": stats.surplus,
            "bytes": sum(group.bytes for group in stats.twins),
            "listed": [
                {"ids": list(group.ids), "bytes": group.bytes} for group in stats.twins[:LISTED]
            ],
        },
        "summary": {**report.by_severity, "by_code": dict(report.by_code)},
        "kept": {
            heap.name: {key: value for key, value in asdict(heap).items() if key != "name"}
            for heap in stats.heaps
        },
        "repository": stats.repository,
        "growth": [asdict(mark) for mark in stats.marks],
        "next": report.next,
    }


def _distribution(told: Distribution) -> Document:
    document = asdict(told)
    del document["name"]
    return document
