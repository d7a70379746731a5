"""Choosing the policy's two thresholds on calibration days: by alerts, by precision, or by expected cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError, DataError
from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.predictions import Predictions
from paywarden.scoring.policy import Policy

_FEWEST: Final = 20  # a precision measured on fewer says little, and a wrong decline costs a customer


@dataclass(frozen=True)
class AlertBudget:
    """How many alerts analysts can take: `alerts_per_day`, or else `alert_share` of all transactions.

    With `decline_precision` transactions are declined above the lowest threshold at which at least that share of
    calibration transactions was fraud, if 20 or more of them are; without it, or where no such threshold exists,
    nothing is declined.
    """

    alerts_per_day: float | None = None
    alert_share: float = 0.005
    decline_precision: float | None = None

    def __post_init__(self) -> None:
        if self.alerts_per_day is not None and self.alerts_per_day <= 0.0:
            raise ConfigurationError(f"alerts_per_day is {self.alerts_per_day}. Give a number above 0.")
        _require_share("alert_share", self.alert_share)
        _require_share("decline_precision", self.decline_precision)

    def alerts(self, rows: int, days: float) -> int:
        """The alerts that fit into so many days with so many transactions."""
        return int(self.alert_share * rows if self.alerts_per_day is None else self.alerts_per_day * days)


@dataclass(frozen=True)
class MinimumPrecision:
    """Alerts above the lowest threshold at which at least `review_precision` of the transactions was fraud.

    As many alerts as come; `decline_precision` is the same for declines (None: nothing is declined). A precision
    counts only where 20 or more transactions are flagged; where none reaches the one for review, the highest score
    alone is reviewed.
    """

    review_precision: float = 0.5
    decline_precision: float | None = None

    def __post_init__(self) -> None:
        _require_share("review_precision", self.review_precision)
        _require_share("decline_precision", self.decline_precision)


@dataclass(frozen=True)
class ExpectedCost:
    """The thresholds with the lowest expected cost by the matrix: calibrated probability of fraud × what it would cost.

    Approving costs the expected loss, reviewing the analyst and what a review does not recover, declining the chance
    that it is wrong. Without `declines`, nothing is declined. Where no alert is worth its cost, the review threshold
    lies just above the highest score.
    """

    costs: CostMatrix
    declines: bool = False


ThresholdRule = AlertBudget | MinimumPrecision | ExpectedCost


def choose_policy(predictions: Predictions, days: float, rule: ThresholdRule) -> Policy:
    """The policy for the predictions of `days` days of calibration, by the rule.

    In a precision or a cost a row counts as often as it stands for others; alerts are counted as they are. By a budget
    there are never more alerts than it has: equal scores at its edge all stay below the threshold, unless the highest
    score alone exceeds it. Raises DataError without rows.
    """
    if not len(predictions):
        raise DataError("No calibration transaction is left to choose a threshold on. Widen the calibration window.")
    ladder = _Ladder.of(predictions)
    if isinstance(rule, ExpectedCost):
        return _cheapest(ladder, predictions, rule)
    if isinstance(rule, AlertBudget):
        within = np.flatnonzero(ladder.rows <= rule.alerts(len(predictions), days))
        review = float(ladder.raw[within[-1] if len(within) else 0])
    else:
        found = ladder.lowest(rule.review_precision)
        review = float(ladder.raw[0]) if found is None else found
    decline = None if rule.decline_precision is None else ladder.lowest(rule.decline_precision, review)
    return Policy(review, decline)


def doubts(predictions: Predictions, days: float, rule: ThresholdRule, policy: Policy) -> tuple[str, ...]:
    """What a reader should know of a policy that was chosen so, in sentences; none where all is well."""
    rows = len(predictions)
    found = []
    if isinstance(rule, AlertBudget) and rule.alerts(rows, days) >= rows:
        found.append(
            f"The budget of {rule.alerts(rows, days) / days:,.0f} alerts a day is no smaller than the "
            f"{rows / days:,.0f} transactions a day of the calibration window: everything becomes an alert. Lower it."
        )
    if isinstance(rule, MinimumPrecision) and _Ladder.of(predictions).lowest(rule.review_precision) is None:
        found.append(
            f"No threshold flags {_FEWEST} or more transactions of which {rule.review_precision:.0%} were fraud: only "
            "the highest score is reviewed. Ask for a lower precision, or bring more history."
        )
    if isinstance(rule, ExpectedCost) and not (predictions.raw >= policy.review_threshold).any():
        found.append("By these costs no alert is worth what it takes: everything is approved. Check the cost matrix.")
    return tuple(found)


def rule_to_dict(rule: ThresholdRule) -> dict[str, Any]:
    """The rule as a JSON document."""
    if isinstance(rule, ExpectedCost):
        return {"by": "expected_cost", "costs": rule.costs.to_dict(), "declines": rule.declines}
    if isinstance(rule, MinimumPrecision):
        return {"by": "minimum_precision", **rule.__dict__}
    return {"by": "alert_budget", **rule.__dict__}


@dataclass(frozen=True, eq=False)
class _Ladder:
    """Every distinct raw score from the highest down, with what lies at or above it.

    `rows` int64: how many; `flagged` and `frauds` float64: their weight, and that of the frauds among them. `place`
    int64 [N] is the step of each prediction.
    """

    raw: NDArray[np.float64]
    rows: NDArray[np.int64]
    flagged: NDArray[np.float64]
    frauds: NDArray[np.float64]
    place: NDArray[np.int64]
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, predictions: Predictions) -> _Ladder:
        weights = predictions.weights
        distinct, place = np.unique(-predictions.raw, return_inverse=True)
        rows = np.cumsum(np.bincount(place))
        flagged, frauds = (_running(place, some) for some in (weights, weights * predictions.target))
        return cls(-distinct, rows, flagged, frauds, place, weights)

    def lowest(self, precision: float, least: float = -np.inf) -> float | None:
        """The lowest score, not below `least`, down to which the precision holds."""
        fits = (self.frauds / self.flagged >= precision) & (self.rows >= _FEWEST) & (self.raw >= least)
        return float(self.raw[np.flatnonzero(fits)[-1]]) if fits.any() else None

    def total(self, cost: NDArray[np.float64]) -> NDArray[np.float64]:
        """The cost [N] of all that lies at or above each step, after a first entry for nothing: float64 [steps + 1]."""
        return np.concatenate([[0.0], _running(self.place, self.weight * cost)])


def _running(place: NDArray[np.int64], amount: NDArray[np.float64]) -> NDArray[np.float64]:
    """What has come together at each step, from the first on."""
    return np.cumsum(np.bincount(place, weights=amount), dtype=np.float64)


def _cheapest(ladder: _Ladder, predictions: Predictions, rule: ExpectedCost) -> Policy:
    """Of all pairs of steps, in two passes: what is reviewed lies between what is declined and what is approved."""
    costs, fraud = rule.costs, predictions.score
    loss = fraud * costs.fraud_loss(predictions.amount)
    approve, review = ladder.total(loss), ladder.total(costs.review_cost + loss * (1.0 - costs.recovered_share))
    decline = ladder.total((1.0 - fraud) * costs.false_decline_cost)
    # Declining the first d steps and reviewing on to step r, approving the rest, costs
    # decline[d] + (review[r] - review[d]) + (approve[all] - approve[r]).
    declining = decline - review if rule.declines else np.where(np.arange(len(decline)) == 0, 0.0, np.inf)
    best_decline = np.minimum.accumulate(declining)
    reviewed = int(np.argmin(best_decline + review - approve))
    declined = int(np.argmin(declining[: reviewed + 1]))
    bounds = np.concatenate([[np.nextafter(ladder.raw[0], np.inf)], ladder.raw])
    return Policy(float(bounds[reviewed]), float(bounds[declined]) if declined else None)


def _require_share(name: str, share: float | None) -> None:
    if share is not None and not 0.0 < share <= 1.0:
        raise ConfigurationError(f"{name} is {share}. Give a share above 0 and at most 1.")
