"""Bring docs/benchmarks.md up to date with build/bench/stream.json: `python -m benchmarks.stream.document`.

Only what stands between the two marks `stream` is written anew, and the plot beside the page. A target that was missed
says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.plots import Row, draw_rows

REPORT, DOCUMENT = Path("build/bench/stream.json"), Path("docs/benchmarks.md")
Figures = Mapping[str, Any]


def main(report: Path = REPORT, document: Path = DOCUMENT) -> None:
    """Write the table into the document, and the plot of all ratios beside it."""
    measured = json.loads(report.read_text())
    begin, end = "<!-- stream: begin -->", "<!-- stream: end -->"
    before, rest = document.read_text().split(begin)
    header = "| figure | median | range over rounds | target |\n| --- | --- | --- | --- |"
    table = "\n".join([header, *(row for part in _PARTS for row in _rows(part, measured.get(part, {})))])
    document.write_text(f"{before}{begin}\n{_where(measured)}\n\n{table}\n{end}{rest.split(end)[1]}")
    ratios = [Row(*ratio) for part in _PARTS for ratio in _ratios(measured.get(part, {}))]
    draw_rows(ratios, document.with_name("benchmarks-stream.svg"))


_PARTS = ("side_by_side", "latency", "cards", "touched", "tls", "scale_out", "restart")


def _where(report: Figures) -> str:
    loads = [load for part in _PARTS for load in report.get(part, {}).get("load_by_round", [])]
    busy = f"; load {min(loads)} to {max(loads)} after the rounds" if loads else ""
    return f"{report['machine']['cores']} cores, Python {report['machine']['python']}{busy}."


def _rows(part: str, figures: Figures) -> Iterator[str]:
    for name, spread, target in _spreads(figures):
        missed = target is not None and not _met(name, spread["median"], target)
        wanted = "" if target is None else f"{target}{' (missed)' if missed else ''}"
        median, low, high = (_shown(spread[key]) for key in ("median", "min", "max"))
        yield f"| {part.replace('_', ' ')}: {name} | {median} | {low} to {high} | {wanted} |"


def _spreads(figures: Figures, prefix: str = "") -> Iterator[tuple[str, Figures, float | None]]:
    """Every figure that has rounds, by its path in the report, with its target."""
    for key, value in figures.items():
        if isinstance(value, dict):
            name = f"{prefix}{key.replace('_', ' ')}"
            if "rounds" in value and "median" in value:
                yield name, value, value.get("target")
            else:
                yield from _spreads(value, f"{name}, ")


def _ratios(figures: Figures) -> Iterator[tuple[str, list[float], float, float]]:
    for name, spread, target in _spreads(figures):
        if target is not None:
            yield name, spread["rounds"], spread["median"], target


def _met(name: str, median: float, target: float) -> bool:
    """Latencies and restarts are to be at most their target, all else at least."""
    at_most = "p50" in name or "p99" in name or "restart" in name
    return median <= target if at_most else median >= target


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
