"""A plot of the report's ratios, every round a dot: `python -m benchmarks.plots REPORT PLOT.svg`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, FAINT, DOT = "#222222", "#9a9a9a", "#1f6fb2"


@dataclass(frozen=True)
class Row:
    """A figure of the report with its rounds and what was aimed at."""

    title: str
    rounds: list[float]
    median: float
    target: float
    unit: str = "×"


def draw(report: Path, plot: Path) -> bool:
    """Write the plot (SVG or PNG by its name) of whatever ratios the report has; False where it has none."""
    return draw_rows(_rows(json.loads(report.read_text())), plot)


def draw_rows(rows: list[Row], plot: Path) -> bool:
    """Write a plot of these rows; False where there are none."""
    if not rows:
        return False
    mpl.rcParams["svg.hashsalt"] = "paywarden"  # equal figures, equal files
    figure = Figure(figsize=(7.2, 0.55 + 0.75 * len(rows)), layout="constrained")
    for axes, row in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        _draw_row(axes, row)
    figure.suptitle("each dot a round, the bar their median, dashed the target", fontsize=8, color=FAINT)
    plot.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(plot, dpi=120, metadata={"Date": None} if plot.suffix == ".svg" else None)
    return True


def _rows(report: Mapping[str, Any]) -> list[Row]:
    peers, replay, stream = (report.get(name, {}) for name in ("peers", "replay", "stream"))
    rows = [
        _row(f"{peer} ÷ replay, seconds", peers.get(f"{key}_to_paywarden"), peers.get("target_ratio"))
        for peer, key in (("polars", "polars"), ("DuckDB", "duckdb"))
    ]
    for name, source in replay.items():
        full = source.get("full", {}) if isinstance(source, dict) else {}
        title = f"replay, {full.get('features')} features,\n{name.split(',')[0]}, rows/s"
        rows.append(_row(title, full.get("rows_per_second"), replay.get("target_rows_per_second"), "rows/s"))
    rows.append(_row("stream ÷ passthrough", stream.get("stream_to_plain_passthrough"), stream.get("target_ratio")))
    return [row for row in rows if row is not None]


def _row(title: str, spread: Mapping[str, Any] | None, target: float | None, unit: str = "×") -> Row | None:
    if spread is None or target is None:
        return None
    return Row(title, spread["rounds"], spread["median"], target, unit)


def _draw_row(axes: Axes, row: Row) -> None:
    largest = max(*row.rounds, row.target)
    axes.axvline(row.target, color=FAINT, linestyle="--", linewidth=1)
    axes.plot([row.median] * 2, [-0.35, 0.35], color=DOT, linewidth=2.5)
    axes.scatter(row.rounds, [0.0] * len(row.rounds), s=22, color=DOT, alpha=0.55, linewidths=0)
    axes.set(xlim=(0, largest * 1.15), ylim=(-0.6, 0.6), yticks=[0])
    axes.set_yticklabels([row.title], fontsize=8, color=INK)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if row.unit == "rows/s" else f"{value:g}×")
    axes.tick_params(axis="x", labelsize=7, colors=FAINT, length=2)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    shown = f"{row.median:,.0f}" if row.unit == "rows/s" else f"{row.median:.2g}×"
    axes.annotate(shown, (row.median, 0.46), ha="center", fontsize=7, color=DOT, annotation_clip=False)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not draw(Path(sys.argv[1]), Path(sys.argv[2])):
        sys.exit("usage: python -m benchmarks.plots REPORT.json PLOT.svg (of a report that has ratios)")
