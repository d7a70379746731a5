"""Labels: whether they still come, as soon as they used to, and as often."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import ks_2samp, poisson

from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.monitoring.findings import Finding

_FEWEST_LABELS: Final = 30
_FLOW_DAYS: Final = 3
_FLOW_HISTORY_DAYS: Final = 42
_FLOW_SHARE: Final = 0.35
"""Frauds come in campaigns, so that days differ: labels have dried up where less than so much of the usual comes."""
_SHIFT: Final = 0.2
_CURVE_POINTS: Final = 57
"""Four a day for a horizon of two weeks: as smooth as a page can show."""
_LEVEL: Final = 1e-5
"""Asked every hour for a year, with answers that hold for days, this level speaks up by chance less than once."""


@dataclass(frozen=True)
class LabelFlow:
    """Fraud labels that arrived in the last three whole days, and how many do in three days usually (the median)."""

    arrived: int
    usual: float

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


@dataclass(frozen=True)
class DelayShift:
    """Delays (days) of fraud labels of late and in the reference, both of those that came within `horizon_days`.

    `ks` is the largest gap between the two distributions and `p` the chance of such a gap if nothing had changed.
    """

    horizon_days: float
    labels: int
    labels_before: int
    median_days: float
    median_days_before: float
    ks: float
    p: float

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


@dataclass(frozen=True)
class DelayCurves:
    """The share of the fraud labels that come within the horizon which has come by an age, of late and before.

    `days` rise from 0 to the horizon; all three are of one length.
    """

    days: tuple[float, ...]
    late: tuple[float, ...]
    before: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def label_flow(labels: pa.Table, as_of: int) -> tuple[LabelFlow | None, list[Finding]]:
    """How many fraud labels come, and a finding where they have dried up; None with too few before to tell.

    `labels` has the canonical columns; whole UTC days before `as_of` (epoch ms) count.
    """
    end = as_of // DAY_MS
    arrived_at = labels.filter(labels["is_fraud"])["received_at"].to_numpy() // DAY_MS
    begin = max(end - _FLOW_HISTORY_DAYS, int(arrived_at.min(initial=end)) + 1)
    daily = np.bincount(arrived_at[(arrived_at >= begin) & (arrived_at < end)] - begin, minlength=max(end - begin, 0))
    if len(daily) < 4 * _FLOW_DAYS:
        return None, []
    sums = np.convolve(daily, np.ones(_FLOW_DAYS, dtype=np.int64), "valid")
    flow = LabelFlow(int(sums[-1]), float(np.median(sums[:-_FLOW_DAYS])))
    rare = bool(poisson.cdf(flow.arrived, flow.usual) < _LEVEL) if flow.usual else False
    if not rare or flow.arrived >= _FLOW_SHARE * flow.usual or flow.arrived >= sums[:-_FLOW_DAYS].min():
        return flow, []
    sentence = (
        f"Only {flow.arrived:,} fraud labels arrived in the last {_FLOW_DAYS} days; {flow.usual:,.0f} are usual. "
        "Frauds look genuine until their labels come: look at what sends them."
    )
    return flow, [Finding("label flow", "labels", "alarm", sentence, flow.arrived, flow.usual, fault=True)]


def delay_shift(
    labels: pa.Table, before: Window, as_of: int, horizon_ms: int
) -> tuple[DelayShift | None, list[Finding]]:
    """How long labels take of late beside the reference `before`, and a finding where that has changed.

    Payments of two weeks that are as old as the horizon stand for late, and on both sides only labels count that came
    within it: otherwise recent payments would show short delays alone.
    """
    late, former = _late_and_former(labels, before, as_of, horizon_ms)
    if min(len(late), len(former)) < _FEWEST_LABELS:
        return None, []
    test = ks_2samp(late, former)
    shift = DelayShift(
        horizon_days=horizon_ms / DAY_MS,
        labels=len(late),
        labels_before=len(former),
        median_days=float(np.median(late) / DAY_MS),
        median_days_before=float(np.median(former) / DAY_MS),
        ks=float(test.statistic),
        p=float(test.pvalue),
    )
    if shift.p >= _LEVEL or shift.ks < _SHIFT:
        return shift, []
    slower = shift.median_days > shift.median_days_before
    sentence = (
        f"Labels have become {'slower' if slower else 'faster'}: those that come within {shift.horizon_days:.0f} days "
        f"took {shift.median_days:.1f} days (median), {shift.median_days_before:.1f} before. "
        + ("Raise training.label_delay_days, or frauds will be taken for genuine." if slower else "See that it is so.")
    )
    return shift, [Finding("label delay", "labels", "alarm", sentence, shift.ks, _SHIFT, fault=slower)]


def delay_curves(labels: pa.Table, before: Window, as_of: int, horizon_ms: int) -> DelayCurves | None:
    """How the labels that :func:`delay_shift` compares come in; None where there are too few to compare."""
    delays = _late_and_former(labels, before, as_of, horizon_ms)
    if min(map(len, delays)) < _FEWEST_LABELS:
        return None
    ages = np.linspace(0, horizon_ms, _CURVE_POINTS)
    late, former = (tuple((np.searchsorted(np.sort(each), ages, "right") / len(each)).tolist()) for each in delays)
    return DelayCurves(tuple((ages / DAY_MS).tolist()), late, former)


def _late_and_former(
    labels: pa.Table, before: Window, as_of: int, horizon_ms: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    frauds = labels.filter(pc.and_(labels["is_fraud"], pc.less_equal(labels["received_at"], as_of)))
    occurred_at = frauds["occurred_at"].to_numpy()
    delay = frauds["received_at"].to_numpy() - occurred_at
    end = as_of - horizon_ms
    spans = Window(end - 14 * DAY_MS, end), Window(before.start, min(before.end, end - 14 * DAY_MS))
    late, former = (_delays(delay, occurred_at, span, horizon_ms) for span in spans)
    return late, former


def _delays(
    delay: NDArray[np.int64], occurred_at: NDArray[np.int64], window: Window, horizon_ms: int
) -> NDArray[np.int64]:
    return delay[window.contains(occurred_at) & (delay <= horizon_ms)]
