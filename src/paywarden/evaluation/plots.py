"""Plots of a report: a sheet of four a window, and what the model looks at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.curves import calibration_curve, threshold_curve
from paywarden.evaluation.metrics import Metrics
from paywarden.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, Color universal design (2008): told apart whatever one's colour vision.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
_SHOWN_FEATURES: Final = 15
_SHOWN_ROWS: Final = 2_000
_DECIMALS: Final = 100.0  # amounts are read in hundredths of the base currency


def plot_window(path: Path, title: str, metrics: Metrics, predictions: Predictions) -> None:
    """Writes precision over recall, calibration, money saved over alerts and the scores' histogram as one PNG."""
    figure = new_figure(12.0, 9.0)
    figure.suptitle(title, fontsize=14)
    (first, second), (third, fourth) = figure.subplots(2, 2)
    curve = threshold_curve(predictions, CostMatrix(**metrics.costs))
    _precision_recall(first, curve, metrics)
    _money(second, curve, metrics)
    draw_calibration(third, predictions)
    _scores(fourth, predictions, metrics)
    _save(figure, path)


def plot_contributions(
    path: Path,
    title: str,
    contributions: NDArray[np.floating[Any]],
    features: NDArray[np.float32],
    names: Sequence[str],
) -> None:
    """Writes which features moved the scores most as a PNG: a row of dots a feature, a dot a transaction.

    `contributions` [n, F+1] are in log-odds, the last the base; `features` float32 [n, F] give the dots their colour by
    rank within the feature, NaN grey. With more than 2,000 transactions, as many are shown, evenly spaced.
    """
    step = max(-(-len(features) // _SHOWN_ROWS), 1)
    weight = np.abs(contributions[:, : len(names)]).mean(axis=0) if len(features) else np.zeros(len(names))
    shown = np.argsort(-weight, kind="stable")[:_SHOWN_FEATURES]
    figure = new_figure(10.0, 1.6 + 0.42 * len(shown))
    axes = figure.subplots()
    places = np.arange(len(shown))[::-1]
    dots = None
    for place, feature in zip(places, shown, strict=True):
        moved, values = contributions[::step, feature], features[::step, feature]
        present = ~np.isnan(values)
        height = place + _spread(moved)
        axes.scatter(moved[~present], height[~present], s=7, color="#BBBBBB", linewidths=0)
        rank = np.argsort(np.argsort(values[present], kind="stable"), kind="stable") / max(present.sum() - 1, 1)
        dots = axes.scatter(moved[present], height[present], s=7, c=rank, cmap="viridis", vmin=0, vmax=1, linewidths=0)
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    axes.set_yticks(places, [f"{names[feature]}  {weight[feature]:.2f}" for feature in shown])
    axes.set_xlabel("what the value adds to the score (log-odds; right is more suspicious)")
    axes.set_title(title + "\nbeside each name: its mean absolute contribution", fontsize=11)
    tidy(axes)
    if dots is not None:
        bar = figure.colorbar(dots, ax=axes, aspect=40, pad=0.02)
        bar.set_ticks([0, 1], labels=["low", "high"])
        bar.set_label("value of the feature (grey: absent)")
    _save(figure, path)


def _spread(moved: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """How far each dot stands off its line, within ±0.35: dots of about one place are stacked, and thus show how many.

    No randomness: equal figures give equal plots.
    """
    if not len(moved):
        return np.zeros(0)
    low, high = float(moved.min()), float(moved.max())
    bins = np.floor((moved - low) / max(high - low, 1e-12) * 100).astype(np.int64)
    order = np.argsort(bins, kind="stable")
    count = np.bincount(bins)
    within = np.arange(len(moved)) - np.repeat(np.cumsum(count) - count, count)
    height = np.empty(len(moved))
    side = np.where(within % 2 == 0, 1.0, -1.0)
    height[order] = side * ((within + 1) // 2) / max(int(count.max()) / 2, 12.0) * 0.35
    return height


def _precision_recall(axes: Axes, curve: dict[str, NDArray[np.float64]], metrics: Metrics) -> None:
    area = metrics.average_precision
    axes.set_title("Precision and recall" + ("" if area is None else f" (average precision {area:.3f})"))
    axes.set(xlabel="recall: share of frauds found", ylabel="precision: share of alerts that are fraud")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.step(curve["recall"], curve["precision"], where="post", color=BLUE)
    if metrics.precision is not None and metrics.recall is not None:
        axes.plot(metrics.recall, metrics.precision, "o", color=ORANGE, markersize=8, label="review threshold")
        axes.legend(loc="best", frameon=False)
    tidy(axes)


def _money(axes: Axes, curve: dict[str, NDArray[np.float64]], metrics: Metrics) -> None:
    axes.set_title("Money saved against approving everything")
    axes.set(xlabel="alerts a day", ylabel="saved in the window (base currency)")
    if len(curve["threshold"]):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.plot(curve["alerts_per_day"], curve["money_saved"] / _DECIMALS, color=BLUE)
        best = int(np.argmax(curve["money_saved"]))
        top = curve["money_saved"][best] / _DECIMALS
        axes.plot(curve["alerts_per_day"][best], top, "D", color=GREEN, label="most, if every alert is reviewed")
        # Beyond the peak the line falls to the cost of reviewing everything, which would flatten all the rest.
        if top > 0:
            axes.set_ylim(-0.4 * top, 1.15 * top)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    if metrics.alerts_per_day and metrics.money_saved is not None:
        saved = metrics.money_saved / _DECIMALS
        axes.plot(metrics.alerts_per_day, saved, "o", color=ORANGE, markersize=8, label="the chosen thresholds")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", frameon=False)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    tidy(axes)


def draw_calibration(axes: Axes, predictions: Predictions) -> None:
    """Draws the observed share of fraud over the predicted one, on logarithmic axes, beside the honest line."""
    axes.set_title("Calibration: does 5 % mean 5 in 100?")
    axes.set(xlabel="predicted probability of fraud", ylabel="observed share of fraud", xscale="log", yscale="log")
    curve = calibration_curve(predictions)
    seen = curve["observed"] > 0
    if seen.any():
        predicted, observed, rows = (curve[name][seen] for name in ("predicted", "observed", "rows"))
        low = max(min(predicted.min(), observed.min()) / 1.5, 1e-6)
        axes.plot([low, 1], [low, 1], "--", color=GREY, linewidth=1, label="honest")
        error = 2.0 * np.sqrt(observed * (1.0 - observed) / rows)
        below = np.minimum(error, observed * 0.9)
        axes.errorbar(predicted, observed, [below, error], fmt="o", color=BLUE, capsize=2, label="model, ± 2 s.e.")
        axes.legend(loc="upper left", frameon=False)
    tidy(axes)


def _scores(axes: Axes, predictions: Predictions, metrics: Metrics) -> None:
    axes.set_title("Scores of frauds and of genuine transactions")
    axes.set(xlabel="raw score (log-odds)", ylabel="transactions", yscale="log")
    if len(predictions):
        bins = np.histogram_bin_edges(predictions.raw, bins=60).tolist()
        for label, color, chosen in (
            ("genuine", BLUE, ~predictions.target),
            ("fraud", ORANGE, predictions.target),
        ):
            axes.hist(predictions.raw[chosen], bins=bins, histtype="stepfilled", alpha=0.35, color=color, label=label)
            axes.hist(predictions.raw[chosen], bins=bins, histtype="step", color=color)
    axes.axvline(metrics.threshold, color="black", linestyle="--", linewidth=1, label="review threshold")
    if metrics.decline_threshold is not None:
        axes.axvline(metrics.decline_threshold, color="black", linestyle=":", linewidth=1, label="decline threshold")
    axes.legend(loc="upper right", facecolor="white", edgecolor="none", framealpha=0.9)
    tidy(axes)


def tidy(axes: Axes) -> None:
    """Takes away what says nothing from the axes, and puts a faint grid behind the rest."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches that no window is opened for."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 -- heavy, and only reports draw
    from matplotlib.figure import Figure  # noqa: PLC0415 -- as above

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    # Without the writer's version the same figures give the same file wherever they are drawn by this matplotlib.
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})
