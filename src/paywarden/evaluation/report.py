"""A run's report in files: figures and curves as JSON, words and tables as Markdown, a sheet of plots a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.curves import as_points, calibration_curve, threshold_curve
from paywarden.evaluation.metrics import Metrics, evaluate
from paywarden.evaluation.plots import plot_contributions, plot_window
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.report_words import summary, tables

RESAMPLES: Final = 200
"""Draws of cards and as many of days for the intervals of a report: two digits hold still, and it takes seconds."""


@dataclass(frozen=True, eq=False)
class ReportedWindow:
    """One window of a report: its figures and the predictions they were computed from."""

    metrics: Metrics
    predictions: Predictions

    def with_intervals(self, resamples: int, seed: int = 0) -> ReportedWindow:
        """The window with intervals and segments; as it is where it has them, or no row."""
        known = self.metrics
        if known.intervals or not len(self.predictions):
            return self
        metrics = evaluate(
            self.predictions,
            known.threshold,
            known.cards_a_day,
            decline_threshold=known.decline_threshold,
            costs=CostMatrix(**known.costs),
            resamples=resamples,
            seed=seed,
        )
        return ReportedWindow(metrics, self.predictions)


@dataclass(frozen=True, eq=False)
class Contributions:
    """What the features added to the scores of n transactions: log-odds [n, F+1], the last the base.

    `features` float32 [n, F], NaN meaning absent, and `names` say what they are.
    """

    contributions: NDArray[np.floating[Any]]
    features: NDArray[np.float32]
    names: Sequence[str]


def write_report(
    directory: Path,
    title: str,
    windows: Mapping[str, ReportedWindow],
    facts: Mapping[str, Any] | None = None,
    *,
    strategies: Sequence[Mapping[str, Any]] = (),
    folds: Sequence[Mapping[str, Any]] = (),
    contributions: Contributions | None = None,
    resamples: int = RESAMPLES,
) -> list[Path]:
    """The paths of `report.json`, `report.md` and the plots written into the directory.

    `windows` go by name ("validation", "test"); the last one is the one that the summary is about, and gets intervals
    and segments by so many `resamples` where its figures have none yet; 0 leaves it as it is. `facts` are JSON
    values shown at the end (bundle digest, split), `strategies` and `folds` rows of one table each. A sheet of plots
    is written a window, and `contributions.png` where contributions are given.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if windows and resamples:
        last = list(windows)[-1]
        windows = {**windows, last: windows[last].with_intervals(resamples)}
    plots = []
    for name, window in windows.items():
        plots.append(directory / f"{name}.png")
        plot_window(plots[-1], f"{title}: {name}", window.metrics, window.predictions)
    if contributions is not None:
        plots.append(directory / "contributions.png")
        given = contributions
        plot_contributions(plots[-1], "What moves the score", given.contributions, given.features, given.names)
    metrics = {name: window.metrics for name, window in windows.items()}
    document = {
        "title": title,
        "facts": dict(facts or {}),
        "windows": {name: some.to_dict() for name, some in metrics.items()},
        "curves": {name: _curves(window) for name, window in windows.items()},
        "strategies": [dict(row) for row in strategies],
        "folds": [dict(row) for row in folds],
    }
    as_json, as_words = directory / "report.json", directory / "report.md"
    as_json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    as_words.write_text(_markdown(title, metrics, facts or {}, strategies, folds, plots), encoding="utf-8")
    return [as_json, as_words, *plots]


def _curves(window: ReportedWindow) -> dict[str, Any]:
    """At most 500 points each, for whoever wants to draw them again."""
    costs = CostMatrix(**window.metrics.costs)
    return {
        "by_threshold": as_points(threshold_curve(window.predictions, costs)),
        "calibration": as_points(calibration_curve(window.predictions)),
    }


def _markdown(
    title: str,
    windows: Mapping[str, Metrics],
    facts: Mapping[str, Any],
    strategies: Sequence[Mapping[str, Any]],
    folds: Sequence[Mapping[str, Any]],
    plots: Sequence[Path],
) -> str:
    lines = [f"# {title}", ""]
    if windows:
        lines += [summary(list(windows.values())[-1]), ""]
    lines += [f"![{plot.stem}]({plot.name})" for plot in reversed(plots)]
    lines += ["", *tables(windows, strategies, folds)]
    if facts:
        lines += ["## Facts", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    return "\n".join(lines)
