"""Performance on matured labels: what a model finds, beside what it was promised to find when it was tested."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from paywarden.evaluation.bootstrap import Draw, Interval, Resamples, bootstrap, interval_of
from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.metrics import Metrics, evaluate, intervals
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import DAY_MS
from paywarden.monitoring.findings import Finding, Severity

FIGURES: Final = ("average_precision", "recall", "precision", "value_detected")
_WORDS: Final = {
    "average_precision": "average precision",
    "recall": "the share of frauds found",
    "precision": "the share of alerts that are fraud",
    "value_detected": "the share of the fraudulent amount found",
}
_OF_SEGMENTS: Final = ("average_precision", "recall")
OF_WEEKS: Final = ("average_precision", "recall", "precision")
_FEWEST_FRAUDS: Final = 30
RESAMPLES: Final = 200
_WEEK_RESAMPLES: Final = 60
_TO_ERROR: Final = 2.0 * 1.959964
"""An interval of 95 % is so many standard errors wide."""


@dataclass(frozen=True)
class DecaySettings:
    """When a model has decayed: a figure has lost more than the share `decay`, and chance gives that at `level` only.

    The level holds for all figures and segments together (Bonferroni). `calibration_factor`: by how much announced and
    actual frauds may drift apart. Matured rows count as judged with alerts at the policy's thresholds and `costs`.
    """

    decay: float = 0.1
    level: float = 0.001
    calibration_factor: float = 1.5
    costs: CostMatrix = CostMatrix()  # noqa: RUF009 (it is frozen)
    cards_a_day: int = 100


@dataclass(frozen=True)
class Compared:
    """A figure of late with its interval beside the promised one, `z` standard errors below it."""

    name: str
    segment: str | None
    now: float
    interval: Interval
    promised: float
    promised_interval: Interval
    z: float

    @property
    def lost(self) -> float:
        """The share of the promise that is lost, below 0 where it is more than kept."""
        return 1.0 - self.now / self.promised if self.promised else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return {**asdict(self), "lost": self.lost}


@dataclass(frozen=True, eq=False)
class Performance:
    """Matured figures, what was compared with the promise, and the same week by week."""

    metrics: Metrics
    compared: tuple[Compared, ...]
    calibration: Mapping[str, float] | None
    weeks: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return {
            "rows": self.metrics.rows,
            "frauds": self.metrics.frauds,
            "alerts_per_day": self.metrics.alerts_per_day,
            "compared": [one.to_dict() for one in self.compared],
            "calibration": dict(self.calibration) if self.calibration else None,
            "weeks": [dict(week) for week in self.weeks],
        }


def performance(
    predictions: Predictions,
    earlier: Predictions,
    threshold: float,
    decline_threshold: float | None,
    promise: Mapping[str, Any],
    announced_before: tuple[float, float] | None,
    settings: DecaySettings,
) -> tuple[Performance | None, list[Finding]]:
    """The figures of matured predictions beside the promise, and findings; None with fewer than thirty frauds.

    `earlier` are all matured predictions of the version, for the weeks. `promise` is what the reference keeps of
    the test window, `announced_before` the logarithm of announced over actual frauds there and its standard error.
    """
    if int(predictions.target.sum()) < _FEWEST_FRAUDS:
        return None, []
    metrics = evaluate(
        predictions,
        threshold,
        settings.cards_a_day,
        decline_threshold=decline_threshold,
        costs=settings.costs,
        resamples=RESAMPLES,
    )
    compared = tuple(_compared(metrics, promise))
    of_segments = sum(one.segment is not None for one in compared)
    # Half of the level for the whole, half for the segments, shared out among the figures of each (Bonferroni).
    limit = float(norm.isf(settings.level / 2.0 / (len(compared) - of_segments + 1)))
    segment_limit = float(norm.isf(settings.level / 2.0 / max(of_segments, 1)))
    limits = [limit if one.segment is None else segment_limit for one in compared]
    judged = [_decayed(one, bound, settings.decay) for one, bound in zip(compared, limits, strict=True)]
    findings = [finding for finding in judged if finding]
    calibration, found = _calibration(predictions, announced_before, limit, settings.calibration_factor)
    weeks = tuple(_weeks(earlier, threshold, settings))
    return Performance(metrics, compared, calibration, weeks), [*findings, *found]


def announced_ratio(predictions: Predictions, resamples: int = RESAMPLES) -> tuple[float, float] | None:
    """The logarithm of announced over actual frauds and its standard error; None without a fraud."""
    if not predictions.target.any():
        return None
    columns = np.column_stack([predictions.score, predictions.target]) * predictions.weights[:, None]

    def figures(draw: Draw) -> NDArray[np.float64]:
        announced, frauds = (float((columns[:, side] * draw.weight).sum()) for side in (0, 1))
        return np.array([math.log(announced / frauds) if frauds > 0 and announced > 0 else np.nan])

    draws = bootstrap(figures, Resamples(predictions.card, predictions.occurred_at, resamples))
    interval = interval_of({scheme: values[:, 0] for scheme, values in draws.items()}, 0.95)
    announced, frauds = columns.sum(axis=0)
    if interval is None or announced <= 0:
        return None
    return math.log(announced / frauds), (interval.high - interval.low) / _TO_ERROR


def _compared(metrics: Metrics, promise: Mapping[str, Any]) -> Iterator[Compared]:
    known = metrics.to_dict()
    for name in FIGURES:
        yield from _pair(name, None, known, promise)
    for segmentation, labels in promise.get("segments", {}).items():
        for label, promised in labels.items():
            now = known["segments"].get(segmentation, {}).get(label)
            if now is not None and now["frauds"] >= _FEWEST_FRAUDS:
                for name in _OF_SEGMENTS:
                    yield from _pair(name, f"{segmentation} {label}", now, promised)


def _pair(name: str, segment: str | None, now: Mapping[str, Any], promise: Mapping[str, Any]) -> Iterator[Compared]:
    """The comparison, where both sides are defined and have an interval."""
    here, there = (_interval(side.get("intervals", {}).get(name)) for side in (now, promise))
    if here is None or there is None or now.get(name) is None or promise.get(name) is None:
        return
    error = math.hypot(here.high - here.low, there.high - there.low) / _TO_ERROR
    z = (promise[name] - now[name]) / error if error else 0.0
    yield Compared(name, segment, float(now[name]), here, float(promise[name]), there, z)


def _interval(document: Mapping[str, float] | None) -> Interval | None:
    return None if document is None else Interval(float(document["low"]), float(document["high"]))


def _decayed(one: Compared, limit: float, decay: float) -> Finding | None:
    needed = decay if one.segment is None else 2.0 * decay  # a segment is a small part: it may lose more
    if one.lost < needed or one.z < 0.8 * limit:
        return None
    severity: Severity = "retrain" if one.z >= limit else "watch"
    where = "" if one.segment is None else f" in {one.segment}"
    sentence = (
        f"{_WORDS[one.name].capitalize()}{where} is {one.now:.3f} on matured labels ({one.interval.low:.3f} to "
        f"{one.interval.high:.3f}); the gate promised {one.promised:.3f} ({one.promised_interval.low:.3f} to "
        f"{one.promised_interval.high:.3f}). That is {'decay' if severity == 'retrain' else 'less, and may be decay'}."
    )
    kind = "performance" if one.segment is None else "segment"
    return Finding(kind, one.segment or one.name, severity, sentence, one.now, one.promised * (1.0 - needed))


def _calibration(
    predictions: Predictions, before: tuple[float, float] | None, limit: float, factor: float
) -> tuple[dict[str, float] | None, list[Finding]]:
    found = announced_ratio(predictions)
    if found is None:
        return None, []
    now, error = found
    promised, promised_error = (0.0, 0.0) if before is None else before
    moved, z = now - promised, (now - promised) / max(math.hypot(error, promised_error), 1e-12)
    figures = {"ratio": math.exp(now), "low": math.exp(now - 1.96 * error), "high": math.exp(now + 1.96 * error),
               "promised": math.exp(promised), "z": z}  # fmt: skip
    if abs(moved) < math.log(factor) or abs(z) < 0.8 * limit:
        return figures, []
    severity: Severity = "retrain" if abs(z) >= limit else "watch"
    sentence = (
        f"Probabilities announce {math.exp(now):.2f} times the frauds that came ({figures['low']:.2f} to "
        f"{figures['high']:.2f}); it was {math.exp(promised):.2f} when the model was tested. Amounts and costs weighed "
        "with them are wrong by that."
    )
    return figures, [Finding("calibration", "score", severity, sentence, math.exp(now), factor * math.exp(promised))]


def _weeks(predictions: Predictions, threshold: float, settings: DecaySettings) -> Iterator[dict[str, Any]]:
    """Whole weeks back from the newest row, oldest first: the figures of `OF_WEEKS` with intervals."""
    if not len(predictions):
        return
    end = (int(predictions.occurred_at.max()) // DAY_MS + 1) * DAY_MS
    first = int(predictions.occurred_at.min())
    for start in reversed(range(end - 7 * DAY_MS, first - 1, -7 * DAY_MS)):
        inside = (predictions.occurred_at >= start) & (predictions.occurred_at < start + 7 * DAY_MS)
        week = predictions.of(np.flatnonzero(inside))
        if not week.target.any():
            continue
        known = evaluate(week, threshold, settings.cards_a_day, costs=settings.costs).to_dict()
        spread = intervals(week, threshold, Resamples(week.card, week.occurred_at, _WEEK_RESAMPLES))
        shown = {name: [known[name], *_bounds(spread.get(name))] for name in OF_WEEKS}
        yield {"start": start, "rows": known["rows"], "frauds": known["frauds"], **shown}


def _bounds(interval: Interval | None) -> list[float | None]:
    return [None, None] if interval is None else [interval.low, interval.high]
