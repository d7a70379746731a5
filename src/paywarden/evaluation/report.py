"""A run's report in files: figures as JSON and Markdown, and three plots a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from paywarden.evaluation.metrics import Metrics
from paywarden.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FIGURES: Final = (
    ("Average precision", "average_precision"),
    ("Card precision@{cards_a_day}", "card_precision"),
    ("Recall at 1 % false positives", "recall_at_1pct_fpr"),
    ("Fraudulent value detected", "value_detected"),
    ("ROC AUC", "roc_auc"),
    ("Calibration error", "calibration_error"),
    ("Brier score", "brier"),
    ("Precision", "precision"),
    ("Recall", "recall"),
    ("F1", "f1"),
    ("Accuracy", "accuracy"),
    ("Alerts per day", "alerts_per_day"),
    ("Transactions", "rows"),
    ("Frauds", "frauds"),
)
_POINTS: Final = 2_000  # a curve through more points looks the same and weighs megabytes
_BINS: Final = 10


@dataclass(frozen=True, eq=False)
class ReportedWindow:
    """One window of a report: its figures and the predictions they were computed from."""

    metrics: Metrics
    predictions: Predictions


def write_report(
    directory: Path, title: str, windows: Mapping[str, ReportedWindow], facts: Mapping[str, Any] | None = None
) -> list[Path]:
    """The paths of `report.json`, `report.md` and a plot a window, written into the directory.

    `windows` go by name ("validation", "test"); `facts` are JSON values shown below the title (bundle digest, split).
    """
    directory.mkdir(parents=True, exist_ok=True)
    plots = []
    for name, window in windows.items():
        plots.append(directory / f"{name}.png")
        _plot(plots[-1], f"{title}: {name}", window)
    figures = {name: window.metrics.to_dict() for name, window in windows.items()}
    document = {"title": title, "facts": dict(facts or {}), "windows": figures}
    as_json, as_words = directory / "report.json", directory / "report.md"
    as_json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    as_words.write_text(_markdown(title, windows, facts or {}), encoding="utf-8")
    return [as_json, as_words, *plots]


def _markdown(title: str, windows: Mapping[str, ReportedWindow], facts: Mapping[str, Any]) -> str:
    lines = [f"# {title}", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    lines += ["| | " + " | ".join(windows) + " |", "| --- |" + " ---: |" * len(windows)]
    metrics = [window.metrics for window in windows.values()]
    for label, attribute in _FIGURES:
        label_shown = label.format(cards_a_day=metrics[0].cards_a_day) if metrics else label
        lines.append(f"| {label_shown} | " + " | ".join(_shown(getattr(m, attribute)) for m in metrics) + " |")
    lines += ["", "Precision to accuracy are taken at the review threshold; – means not defined here.", ""]
    for name, window in windows.items():
        lines += [f"## {name}", "", "| pattern | frauds | recall |", "| --- | ---: | ---: |"]
        recall = window.metrics.recall_by_pattern
        lines += [f"| {own} | {n} | {_shown(recall[own])} |" for own, n in window.metrics.frauds_by_pattern.items()]
        lines += ["", f"![{name}]({name}.png)", ""]
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _plot(path: Path, title: str, window: ReportedWindow) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 -- heavy, and only reports draw
    from matplotlib.figure import Figure  # noqa: PLC0415 -- as above

    figure = Figure(figsize=(15, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    left, middle, right = figure.subplots(1, 3)
    _draw_precision_recall(left, window)
    _draw_calibration(middle, window.predictions)
    _draw_scores(right, window)
    # Without the writer's version the same figures give the same file wherever they are drawn by this matplotlib.
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})


def _draw_precision_recall(axes: Axes, window: ReportedWindow) -> None:
    predictions, metrics = window.predictions, window.metrics
    axes.set(title="Precision and recall", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    if predictions.target.any():
        order = np.argsort(-predictions.raw, kind="stable")
        hits = np.cumsum(predictions.target[order])
        shown = np.unique(np.linspace(0, len(order) - 1, _POINTS).astype(int) if len(order) > _POINTS else order)
        shown = np.union1d(shown, np.flatnonzero(predictions.target[order])[:_POINTS])
        axes.step(hits[shown] / hits[-1], hits[shown] / (shown + 1), where="post")
    if metrics.precision is not None and metrics.recall is not None:
        axes.plot(metrics.recall, metrics.precision, "o", label="review threshold")
        axes.legend(loc="lower left")


def _draw_calibration(axes: Axes, predictions: Predictions) -> None:
    axes.set(
        title="Calibration",
        xlabel="predicted probability",
        ylabel="observed share of fraud",
        xscale="log",
        yscale="log",
    )
    if not len(predictions):
        return
    edges = np.unique(np.quantile(predictions.score, 1.0 - np.geomspace(1e-3, 0.9, _BINS)))
    place = np.searchsorted(edges, predictions.score, side="right")
    count = np.bincount(place, minlength=len(edges) + 1)
    filled = count > 0
    predicted = np.bincount(place, weights=predictions.score, minlength=len(count))[filled] / count[filled]
    observed = np.bincount(place, weights=predictions.target, minlength=len(count))[filled] / count[filled]
    low = max(min(predicted.min(), observed[observed > 0].min(initial=1.0)), 1e-6)
    axes.plot([low, 1], [low, 1], "--", color="grey", label="honest")
    axes.plot(predicted, np.maximum(observed, low), "o-", label="model")
    axes.legend(loc="upper left")


def _draw_scores(axes: Axes, window: ReportedWindow) -> None:
    predictions = window.predictions
    axes.set(title="Raw scores", xlabel="log-odds", ylabel="transactions", yscale="log")
    if len(predictions):
        bins = np.histogram_bin_edges(predictions.raw, bins=60).tolist()
        for label, chosen in (("genuine", ~predictions.target), ("fraud", predictions.target)):
            axes.hist(predictions.raw[chosen], bins=bins, histtype="step", label=label)
    axes.axvline(window.metrics.threshold, color="grey", linestyle="--", label="review threshold")
    axes.legend(loc="upper right")
