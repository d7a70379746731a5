"""Plots of monitoring, as SVG to stand in a page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paywarden.evaluation.plots import BLUE, GREEN, GREY, ORANGE, draw_calibration, new_figure, tidy
from paywarden.evaluation.predictions import Predictions
from paywarden.monitoring.drift import Drift
from paywarden.monitoring.histogram import ScoreHistogram
from paywarden.monitoring.labels import DelayCurves
from paywarden.monitoring.performance import Compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN: Final = 12
_SHOWN_WEEKS: Final = 6
_WIDTH: Final = 9.6


def weeks_plot(weeks: Sequence[Mapping[str, Any]], promised: Mapping[str, Compared]) -> str:
    """Average precision, recall and precision of matured weeks with intervals, over the promised one as a band."""
    figure = new_figure(_WIDTH, 3.3)
    titles = {"average_precision": "Average precision", "recall": "Frauds found", "precision": "Alerts that are fraud"}
    for axes, (name, title) in zip(figure.subplots(1, len(titles)), titles.items(), strict=True):
        axes.set_title(title, loc="left", fontsize=11)
        at = np.array([week["start"] for week in weeks], dtype="datetime64[ms]") + np.timedelta64(84, "h")
        value, low, high = (np.array([week[name][i] for week in weeks], dtype=float) for i in range(3))
        error = np.vstack([np.nan_to_num(value - low), np.nan_to_num(high - value)]).clip(min=0)
        if name in promised:
            band = promised[name].promised_interval
            axes.axhspan(band.low, band.high, color=GREEN, alpha=0.14, linewidth=0, label="promised, with its interval")
            axes.axhline(promised[name].promised, color=GREEN, linewidth=1.2)
        axes.errorbar(at, value, error, fmt="o-", color=BLUE, capsize=3, markersize=5, label="week, 95 % interval")
        axes.set_ylim(0, 1.02)
        shown = at[:: -max(1, -(-len(at) // _SHOWN_WEEKS))]  # the newest among them
        axes.set_xticks(shown, [str(one.astype("datetime64[D]"))[5:] for one in shown], fontsize=9)
        tidy(axes)
    axes.legend(loc="best", frameon=False, fontsize=9)
    return _svg(figure)


def drift_plot(drifts: Sequence[Drift]) -> str:
    """The columns that are furthest gone, in units of their limits, the worst on top."""
    shown = list(drifts)[:_SHOWN][::-1]
    figure = new_figure(_WIDTH, 0.9 + 0.28 * len(shown))
    axes = figure.subplots()
    ratio = np.array([drift.ratio for drift in shown])
    axes.barh(range(len(shown)), ratio, color=np.where(ratio >= 1, ORANGE, BLUE).tolist(), height=0.62)
    axes.axvline(1.0, color="black", linewidth=1, linestyle="--")
    axes.text(1.0, len(shown) - 0.4, " drift begins", fontsize=9, va="bottom")
    axes.set_yticks(range(len(shown)), [drift.column for drift in shown], fontsize=9)
    axes.set_xlim(0, max(1.35, float(ratio.max(initial=0.0)) * 1.08))
    axes.set_xlabel("distance to the training window (PSI) in units of the limit")
    tidy(axes)
    axes.grid(visible=False, axis="y")
    return _svg(figure)


def scores_plot(found: ScoreHistogram, predictions: Predictions) -> str:
    """How last week's scores fall into the tenths of the reference, and calibration on matured labels beside it."""
    figure = new_figure(_WIDTH, 3.6)
    first, second = figure.subplots(1, 2)
    _tenths(first, found)
    draw_calibration(second, predictions)
    second.set_title("")  # the one in the middle, of a window's report
    second.set_title("Calibration on matured labels", loc="left", fontsize=11)
    return _svg(figure)


def delays_plot(curves: DelayCurves) -> str:
    """The share of labels that have come by an age, of late and before."""
    figure = new_figure(_WIDTH / 2, 3.0)
    axes, horizon_days = figure.subplots(), curves.days[-1]
    for shares, color, label in ((curves.before, GREEN, "before"), (curves.late, BLUE, "of late")):
        axes.plot(curves.days, shares, color=color, label=label)
    axes.set(xlim=(0, horizon_days), ylim=(0, 1.02), xlabel="days after the payment", ylabel="share of these labels")
    axes.set_title(f"Fraud labels that come within {horizon_days:g} days", loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=9)
    tidy(axes)
    return _svg(figure)


def _tenths(axes: Axes, found: ScoreHistogram) -> None:
    places = np.arange(len(found.before))
    shares = [100 * np.array(each) for each in (found.before, found.late)]
    axes.bar(places - 0.2, shares[0], 0.38, color=GREY, alpha=0.55, label="when the model was tested")
    axes.bar(places + 0.2, shares[1], 0.38, color=BLUE, label="last week")
    axes.set_xticks(places, [str(place + 1) for place in places], fontsize=9)
    axes.set(xlabel="tenth of the scores when tested, the most suspicious right", ylabel="% of payments")
    axes.set_title("Where scores fall", loc="left", fontsize=11)
    axes.set_ylim(0, 1.3 * max(float(np.max(share, initial=1.0)) for share in shares))
    axes.legend(frameon=False, fontsize=9, loc="upper left", ncols=2)
    tidy(axes)


def _svg(figure: Figure) -> str:
    """The figure as an element of a page, with text as text."""
    import matplotlib as mpl  # noqa: PLC0415 -- heavy, and only reports draw

    written = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "paywarden", "font.family": "sans-serif"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    return text[text.index("<svg") :]
