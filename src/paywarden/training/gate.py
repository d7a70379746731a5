"""The promotion gate: whether later traffic shows that a challenger is better than what serves.

Both models are scored on the same rows and given thresholds for the same number of alerts a day. The gain's interval
comes from resampling cards and days, one draw for both. A model is promoted only if the gain's lower bound is above the
margin and nothing speaks against it; where the window holds too few frauds to tell, the gate abstains. An equal model
is promoted about as often as the level leaves room for (1 % at 0.99), and less with a margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError, DataError
from paywarden.evaluation.bootstrap import Resamples
from paywarden.evaluation.costs import CostMatrix, major_units
from paywarden.evaluation.predictions import Predictions
from paywarden.training.paired_gain import (
    MEASURES,
    Gains,
    Measure,
    MeasureName,
    Ratio,
    measure_of,
    paired_gains,
    threshold_for_alerts,
)
from paywarden.training.thresholds import AlertBudget

Decision = Literal["promote", "refuse", "abstain"]
_ALL: Final = ""
_ANNOUNCED: Final = "announced"
_BRIER: Final = "brier"


@dataclass(frozen=True)
class GateSettings:
    """What the gate asks for.

    `measure` is what the gain is counted in; `margin` is the share of the opponent's own figure that the gain's lower
    bound must exceed; `level` that bound's confidence, one-sided. Money is counted with `costs`; both models
    alert as often as the `budget` allows. Below `fewest_positives` frauds the gate abstains. Segments of
    `fewest_segment_frauds` or more are judged by intervals that hold for all of them together with `segment_level`.
    The frauds that the probabilities announce must be within a factor of `calibration_factor` of those that came.
    `latency_microseconds` bounds the time to score a row. Raises ConfigurationError for what makes no sense.
    """

    measure: MeasureName = "money_saved"
    margin: float = 0.01
    level: float = 0.99
    budget: AlertBudget = field(default_factory=AlertBudget)
    costs: CostMatrix = field(default_factory=CostMatrix)
    fewest_positives: int = 200
    segment_level: float = 0.95
    fewest_segment_frauds: int = 20
    calibration_factor: float = 2.0
    latency_microseconds: float = 500.0
    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = {
            "measure": self.measure not in MEASURES,
            "margin": not 0.0 <= self.margin < math.inf,
            "level": not 0.5 <= self.level < 1.0,
            "segment_level": not 0.5 <= self.segment_level < 1.0,
            "calibration_factor": self.calibration_factor < 1.0,
            "fewest_positives": self.fewest_positives < 1,
            "fewest_segment_frauds": self.fewest_segment_frauds < 1,
            "latency_microseconds": self.latency_microseconds <= 0.0,
            "resamples": self.resamples * (1.0 - self.level) < 5.0,
        }
        for name in [name for name, is_wrong in wrong.items() if is_wrong]:
            raise ConfigurationError(
                f"gate.{name} is {getattr(self, name)!r}. The measure is one of {', '.join(MEASURES)}; levels lie from "
                "0.5 to below 1, shares and counts above 0, and so many resamples are needed that five of them lie "
                "beyond the level."
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as a JSON document."""
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """One question, and what the answer rests on: a figure, its interval where it has one, and the bound it must keep.

    `sentence` says it in words. `blocking` "refuse" or "abstain" is the decision where the check fails.
    """

    name: str
    passed: bool
    sentence: str
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    blocking: Literal["refuse", "abstain"] = "refuse"


@dataclass(frozen=True)
class GateVerdict:
    """The decision on a challenger, with every check it rests on.

    `opponent` names what it was compared with. `figures` holds both models' figures in the measure and their
    thresholds, `segments` the gain of each segment that was judged, `notes` what a reader should know besides.
    """

    decision: Decision
    opponent: str
    checks: tuple[Check, ...]
    figures: Mapping[str, Any]
    segments: tuple[Check, ...]
    settings: GateSettings
    notes: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was not promoted: a sentence for each check that failed, those that make it abstain first."""
        failed = [check for check in self.checks if not check.passed]
        return tuple(check.sentence for check in sorted(failed, key=lambda check: check.blocking != "abstain"))

    def check(self, name: str) -> Check:
        """The check of that name."""
        return next(check for check in self.checks if check.name == name)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as a JSON document, None for what is not defined."""
        return {
            "decision": self.decision,
            "opponent": self.opponent,
            "reasons": list(self.reasons),
            "checks": [asdict(check) for check in self.checks],
            "figures": dict(self.figures),
            "segments": [asdict(check) for check in self.segments],
            "settings": self.settings.to_dict(),
            "notes": list(self.notes),
        }


def judge(
    champion: Predictions,
    challenger: Predictions,
    settings: GateSettings | None = None,
    *,
    days: float,
    microseconds_per_row: float,
    opponent: str = "champion",
    notes: Sequence[str] = (),
) -> GateVerdict:
    """The verdict on a challenger by its predictions and those of its opponent on the same rows, in the same order.

    The rows cover `days` days; `microseconds_per_row` is how long the challenger takes. `opponent` names the other
    model: the champion, or the floor where there is none. Raises DataError where the rows differ or there are none.
    """
    settings = settings or GateSettings()
    _require_equal_rows(champion, challenger)
    alerts = settings.budget.alerts(len(challenger), days)
    thresholds = [threshold_for_alerts(scored.raw, alerts) for scored in (champion, challenger)]
    segments = _segments(challenger, settings.fewest_segment_frauds)
    gains = _gains(champion, challenger, thresholds, segments, settings)
    judged = _segment_checks({name: gains[name] for name in segments if name != _ALL}, settings)
    checks = (
        _positives(challenger, settings),
        _gain(gains[_ALL], settings),
        _harm(judged),
        _calibration(gains[_ANNOUNCED], settings),
        _brier(gains[_BRIER], settings),
        _latency(microseconds_per_row, settings),
    )
    failed = {check.blocking for check in checks if not check.passed}
    decision: Decision = "abstain" if "abstain" in failed else "refuse" if failed else "promote"
    figures = {
        "measure": settings.measure,
        "rows": len(challenger),
        "positives": int(challenger.target.sum()),
        "days": days,
        "alerts": alerts,
        "champion": _defined(gains[_ALL].champion),
        "challenger": _defined(gains[_ALL].challenger),
        "thresholds": {"champion": thresholds[0], "challenger": thresholds[1]},
    }
    return GateVerdict(decision, opponent, checks, figures, judged, settings, tuple(notes))


def unjudged(opponent: str, reason: str, settings: GateSettings | None = None) -> GateVerdict:
    """The gate abstains without having compared anything, for this reason (a sentence)."""
    check = Check("opponent", passed=False, sentence=reason, blocking="abstain")
    return GateVerdict("abstain", opponent, (check,), {}, (), settings or GateSettings())


def _require_equal_rows(champion: Predictions, challenger: Predictions) -> None:
    for name in ("target", "occurred_at", "card", "amount"):
        if not np.array_equal(getattr(champion, name), getattr(challenger, name)):
            raise DataError(
                f"The gate compares models on the same rows, but their {name} differs. Score both on the rows known to "
                "both, in one order."
            )
    if not len(challenger):
        raise DataError("No row of the test window is known to both models. Bring more history.")


def _segments(predictions: Predictions, fewest_frauds: int) -> dict[str, NDArray[np.int64]]:
    """The rows of every segment that holds enough frauds, by "segmentation: label"; all rows under `_ALL`."""
    found = {_ALL: np.arange(len(predictions))}
    for name in sorted(predictions.segments):
        labels = np.asarray([str(label) for label in predictions.segments[name]])
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            if label != "None" and int(predictions.target[rows].sum()) >= fewest_frauds:
                found[f"{name}: {label}"] = rows
    return found


def _gains(
    champion: Predictions,
    challenger: Predictions,
    thresholds: Sequence[float],
    segments: Mapping[str, NDArray[np.int64]],
    settings: GateSettings,
) -> dict[str, Gains]:
    value = settings.costs.review_gain(challenger.target, challenger.amount)
    both: list[dict[str, Measure]] = [
        {name: measure_of(settings.measure, scored, threshold, value, rows) for name, rows in segments.items()}
        for scored, threshold in zip((champion, challenger), thresholds, strict=True)
    ]
    # Not gains, but taken from the same draws: frauds announced for each that came, and the Brier score beside that of
    # giving every row the window's own rate of fraud.
    rows, came = segments[_ALL], challenger.target.astype(np.float64)
    both[0][_ANNOUNCED], both[1][_ANNOUNCED] = Ratio(rows, 0.0 * came, came), Ratio(rows, challenger.score, came)
    one, rate = np.ones(len(challenger)), np.full(len(challenger), challenger.target.mean())
    both[0][_BRIER], both[1][_BRIER] = (Ratio(rows, (score - came) ** 2, one) for score in (rate, challenger.score))
    draws = Resamples(challenger.card, challenger.occurred_at, settings.resamples, settings.seed)
    return paired_gains(both[0], both[1], draws, challenger.weights)


def _positives(challenger: Predictions, settings: GateSettings) -> Check:
    frauds = int(challenger.target.sum())
    return Check(
        "positives",
        passed=frauds >= settings.fewest_positives,
        sentence=f"The window holds {frauds:,} mature frauds; {settings.fewest_positives:,} are needed to tell models "
        "apart.",
        figure=float(frauds),
        bound=float(settings.fewest_positives),
        blocking="abstain",
    )


def _gain(gain: Gains, settings: GateSettings) -> Check:
    low, high = gain.bound(1.0 - settings.level), gain.bound(settings.level)
    margin = settings.margin * abs(gain.champion) if math.isfinite(gain.champion) else 0.0
    passed = math.isfinite(gain.gain) and low > margin  # NaN is never above
    amount = _amount_of(settings.measure)
    return Check(
        "gain",
        passed=passed,
        sentence=f"{settings.measure.replace('_', ' ')} is {amount(gain.challenger)} against {amount(gain.champion)}: "
        f"a gain of {amount(gain.gain)}, at the {settings.level:.0%} bounds from {amount(low)} to {amount(high)}; the "
        f"lower one must exceed {amount(margin)}.",
        figure=_defined(gain.gain),
        low=_defined(low),
        high=_defined(high),
        bound=margin,
    )


def _segment_checks(gains: Mapping[str, Gains], settings: GateSettings) -> tuple[Check, ...]:
    """The gain of each segment with an interval that holds for all segments together.

    The intervals' half-widths are the segments' own deviations times one factor: the level's quantile of the largest
    studentised deviation over segments in a resample (Romano and Wolf, Exact and approximate stepdown methods, 2005;
    single step), so that thirty segments do not give thirty chances of a false alarm.
    """
    if not gains:
        return ()
    deviations = {name: gain.deviation for name, gain in gains.items()}
    # NaN (an undefined figure, or no deviation) never is the largest.
    drawn = np.zeros(next(iter(gains.values())).resampled.shape)
    for name, gain in gains.items():
        if deviations[name] > 0.0:
            drawn = np.fmax(drawn, np.abs(gain.resampled - gain.gain) / deviations[name])
    factor = float(np.quantile(drawn, settings.segment_level, axis=1).max())
    return tuple(_segment_check(name, gain, factor * deviations[name], settings) for name, gain in gains.items())


def _segment_check(name: str, gain: Gains, half_width: float, settings: GateSettings) -> Check:
    low, high = gain.gain - half_width, gain.gain + half_width
    amount = _amount_of(settings.measure)
    return Check(
        name,
        passed=not high < 0.0,
        sentence=f"{name}: a gain of {amount(gain.gain)}, from {amount(low)} to {amount(high)}.",
        figure=_defined(gain.gain),
        low=_defined(low),
        high=_defined(high),
        bound=0.0,
    )


def _harm(segments: Sequence[Check]) -> Check:
    harmed = [check for check in segments if not check.passed]
    if harmed:
        sentence = "Harm in " + "; ".join(check.sentence.rstrip(".") for check in harmed) + "."
    elif segments:
        sentence = f"None of {len(segments)} segments shows harm."
    else:
        sentence = "No segment holds enough frauds to be judged by itself."
    return Check("segments", passed=not harmed, sentence=sentence, figure=float(len(harmed)), bound=0.0)


def _calibration(announced: Gains, settings: GateSettings) -> Check:
    ratio, factor = announced.gain, settings.calibration_factor
    low, high = announced.bound(1.0 - settings.level), announced.bound(settings.level)
    return Check(
        "calibration",
        passed=low <= factor and high >= 1.0 / factor,
        sentence=f"The probabilities announce {ratio:.2f} frauds for each that came, from {low:.2f} to {high:.2f}; "
        f"this must reach into the span from {1.0 / factor:.2f} to {factor:.2f}.",
        figure=_defined(ratio),
        low=_defined(low),
        high=_defined(high),
        bound=factor,
    )


def _brier(brier: Gains, settings: GateSettings) -> Check:
    low, high = brier.bound(1.0 - settings.level), brier.bound(settings.level)
    return Check(
        "brier",
        passed=low < 0.0 or brier.gain <= 0.0,
        sentence=f"The Brier score is {brier.challenger:.6f}; that of giving every transaction the window's rate of "
        f"fraud is {brier.champion:.6f}. It must not be worse for certain: the difference is {low:.6f} to {high:.6f}.",
        figure=brier.challenger,
        low=_defined(low),
        high=_defined(high),
        bound=brier.champion,
    )


def _latency(microseconds: float, settings: GateSettings) -> Check:
    return Check(
        "latency",
        passed=microseconds <= settings.latency_microseconds,
        sentence=f"Scoring takes {microseconds:.1f} µs a row; the budget is {settings.latency_microseconds:g} µs.",
        figure=microseconds,
        bound=settings.latency_microseconds,
    )


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _amount_of(measure: MeasureName) -> Callable[[float], str]:
    show = major_units if measure == "money_saved" else "{:.4f}".format
    return lambda value: show(value) if math.isfinite(value) else "undefined"
