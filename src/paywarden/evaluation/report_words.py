"""A report in words and tables: what the model would catch, at how many alerts, what that saves, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from paywarden.evaluation.bootstrap import Interval
from paywarden.evaluation.costs import major_units
from paywarden.evaluation.metrics import Metrics
from paywarden.evaluation.segment_figures import FEWEST_FRAUDS, SegmentFigures

_FIGURES: Final = (
    ("Average precision", "average_precision"),
    ("Card precision@{cards_a_day}", "card_precision"),
    ("Recall at 0.1 % false positives", "recall_at_01pct_fpr"),
    ("Recall at 1 % false positives", "recall_at_1pct_fpr"),
    ("Recall at 5 % false positives", "recall_at_5pct_fpr"),
    ("Fraudulent value detected", "value_detected"),
    ("Money saved", "money_saved"),
    ("False positives per fraud found", "false_positives_per_fraud"),
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
_OF_SEGMENTS: Final = ("average_precision", "precision", "recall", "value_detected", "money_saved")
_TITLES: Final = {
    "amount_band": "amount (minor units)",
    "category": "category",
    "channel": "channel",
    "new_card": "card",
    "pattern": "pattern",
}
_NOTES: Final = (
    "Precision to alerts, value, money and false positives are taken at the chosen thresholds; money is in the base",
    "currency over the window; – means not defined here; brackets hold the interval.",
)
_NOTES_ON_FOLDS: Final = (
    "Each row was trained anew on the past of its test window; the deviation is that of a sample (n - 1). What varies",
    "from row to row will vary from one retraining to the next.",
)
_OF_STRATEGIES: Final[tuple[str, ...]] = (
    "strategy",
    "chosen",
    "train_frauds",
    "selection average_precision",
    "test average_precision",
    "test card_precision",
    "test brier",
    "test calibration_error",
    "test uncalibrated_brier",
)
_MOST_COLUMNS: Final = len(_OF_STRATEGIES)  # more do not fit on a page; report.json has them all
_FEW_FRAUDS: Final = 200  # below it the plainest figures still move by several points


def summary(metrics: Metrics) -> str:
    """Four sentences at most for someone who decides and does not train."""
    if metrics.recall is None or metrics.alerts_per_day is None:
        return f"Among {metrics.rows:,} transactions there is no known fraud, so nothing can be said of what is caught."
    said = [
        f"Out of {metrics.frauds:,} frauds among {metrics.rows:,} transactions, the model would have caught "
        f"{_percent(metrics, 'recall')}"
        + (f", and {_percent(metrics, 'value_detected')} of their value" if metrics.value_detected is not None else "")
        + ".",
        f"It would have raised {metrics.alerts_per_day:,.1f} alerts a day"
        + (f", of which {_percent(metrics, 'precision')} are fraud." if metrics.precision is not None else "."),
    ]
    if metrics.money_saved is not None:
        verb = "saves" if metrics.money_saved >= 0 else "loses"
        said.append(
            f"Against approving everything that {verb} {major_units(abs(metrics.money_saved))}{_spread(metrics)} in "
            f"the base currency over the window, if a review costs {major_units(metrics.costs['review_cost'])} "
            f"and a fraud {metrics.costs['loss_share'] * 100:.0f} % of its "
            f"amount and {major_units(metrics.costs['chargeback_fee'])} in fees."
        )
    return " ".join([*said, _how_sure(metrics)])


def tables(
    windows: Mapping[str, Metrics], strategies: Sequence[Mapping[str, Any]], folds: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """The lines of all tables: figures by window, folds, strategies side by side, segments of each window."""
    lines = ["## Figures", "", "| | " + " | ".join(windows) + " |", "| --- |" + " ---: |" * len(windows)]
    every = list(windows.values())
    for label, name in _FIGURES:
        shown = label.format(cards_a_day=every[0].cards_a_day) if every else label
        lines.append(f"| {shown} | " + " | ".join(_cell(some, name, some.intervals) for some in every) + " |")
    lines += ["", *_NOTES, ""]
    if folds:
        lines += ["## Folds", "", *_rows(folds), "", *_NOTES_ON_FOLDS, ""]
    if strategies:
        lines += ["## Strategies", "", *_rows(strategies), ""]
    for window, some in windows.items():
        lines += [f"## {window}", "", *_patterns(some)]
        for segmentation, figures in some.segments.items():
            lines += _segments(_TITLES.get(segmentation, segmentation), figures)
    return lines


def _segments(title: str, figures: Mapping[str, SegmentFigures]) -> list[str]:
    names = " | ".join(name.replace("_", " ") for name in _OF_SEGMENTS)
    lines = [f"| {title} | transactions | frauds | alerts | {names} |", "| --- |" + " ---: |" * (3 + len(_OF_SEGMENTS))]
    for label, some in figures.items():
        cells = " | ".join(_cell(some, name, some.intervals) for name in _OF_SEGMENTS)
        lines.append(f"| {_plain(label)} | {some.rows:,} | {some.frauds:,} | {some.alerts:,} | {cells} |")
    return [*lines, "", f"Intervals are given from {FEWEST_FRAUDS} frauds on.", ""]


def _patterns(metrics: Metrics) -> list[str]:
    """The plain table of patterns, where the segments do not have it."""
    if "pattern" in metrics.segments or not metrics.frauds_by_pattern:
        return []
    lines = ["| pattern | frauds | recall |", "| --- | ---: | ---: |"]
    recall = metrics.recall_by_pattern
    lines += [f"| {_plain(own)} | {count} | {recall[own]:.4f} |" for own, count in metrics.frauds_by_pattern.items()]
    return [*lines, ""]


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns are the first row's, nested mappings giving one each; of too many, those that a choice rests on."""
    flat = [_flat(row) for row in rows]
    names = list(flat[0])
    if len(names) > _MOST_COLUMNS:
        names = ([name for name in _OF_STRATEGIES if name in names] or names)[:_MOST_COLUMNS]
    lines = [
        "| " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "| --- |" + " ---: |" * (len(names) - 1),
    ]
    return [*lines, *("| " + " | ".join(_value(row.get(name)) for name in names) + " |" for row in flat)]


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        found.update(_flat(value, f"{prefix}{name} ") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return found


def _cell(figures: Metrics | SegmentFigures, name: str, intervals: Mapping[str, Interval]) -> str:
    value, interval = getattr(figures, name), intervals.get(name)
    show = major_units if name == "money_saved" else _value
    if value is None or interval is None:
        return _value(value) if value is None else show(value)
    return f"{show(value)} [{show(interval.low)}, {show(interval.high)}]"


def _value(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100.0 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else _plain(str(value))


def _plain(text: str) -> str:
    """Text that cannot break a table, whoever named the segment."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _percent(metrics: Metrics, name: str) -> str:
    interval = metrics.intervals.get(name)
    spread = f" ({interval.low * 100:.0f} to {interval.high * 100:.0f} %)" if interval else ""
    return f"{getattr(metrics, name) * 100:.0f} %{spread}"


def _spread(metrics: Metrics) -> str:
    interval = metrics.intervals.get("money_saved")
    if interval is None:
        return ""
    low, high = interval.low, interval.high
    if metrics.money_saved is not None and metrics.money_saved < 0:
        low, high = -high, -low
    return f" ({major_units(low)} to {major_units(high)})"


def _how_sure(metrics: Metrics) -> str:
    if not metrics.intervals:
        return f"All of that rests on {metrics.frauds:,} frauds; how sure it is was not computed."
    level = next(iter(metrics.intervals.values())).level
    few = "; with so few frauds take the ranges more seriously than the figures" if metrics.frauds < _FEW_FRAUDS else ""
    return (
        f"The ranges in brackets are {level * 100:.0f} % intervals, from drawing cards and days anew: they say how far "
        f"the figures move if fraudsters go on as they did, not what happens if they change{few}."
    )
