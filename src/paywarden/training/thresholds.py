"""Choosing the policy's thresholds on validation days: an alert budget for review, a precision for decline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError, DataError
from paywarden.scoring.policy import Policy

_FEWEST_DECLINES: Final = 20  # a precision measured on fewer says little, and a wrong decline costs a customer


@dataclass(frozen=True)
class AlertBudget:
    """How many alerts analysts can take: `alerts_per_day`, or else `alert_share` of all transactions.

    With `decline_precision` transactions are declined above the lowest threshold at which at least that share of
    validation transactions was fraud, if 20 or more of them are; without it, or where no such threshold exists, nothing
    is declined.
    """

    alerts_per_day: float | None = None
    alert_share: float = 0.005
    decline_precision: float | None = None

    def __post_init__(self) -> None:
        if self.alerts_per_day is not None and self.alerts_per_day <= 0.0:
            raise ConfigurationError(f"alerts_per_day is {self.alerts_per_day}. Give a number above 0.")
        if not 0.0 < self.alert_share <= 1.0:
            raise ConfigurationError(f"alert_share is {self.alert_share}. Give a share above 0 and at most 1.")
        if self.decline_precision is not None and not 0.0 < self.decline_precision <= 1.0:
            raise ConfigurationError(f"decline_precision is {self.decline_precision}. Give a share above 0, at most 1.")


def choose_policy(raw: NDArray[np.float64], target: NDArray[np.bool_], days: float, budget: AlertBudget) -> Policy:
    """The policy for raw scores (float64 [N]) and outcomes (bool [N]) of `days` days of validation.

    Never more alerts than the budget: equal scores at its edge all stay below the threshold, unless the highest score
    alone exceeds it. Raises DataError without rows.
    """
    if not len(raw):
        raise DataError("No validation transaction is left to choose a threshold on. Widen the validation window.")
    a_day = budget.alerts_per_day
    review = _threshold_for(raw, int(budget.alert_share * len(raw) if a_day is None else a_day * days))
    return Policy(review, _decline_threshold(raw, target, review, budget.decline_precision))


def _threshold_for(raw: NDArray[np.float64], alerts: int) -> float:
    distinct, counts = np.unique(-raw, return_counts=True)  # from the highest score down
    within = np.flatnonzero(np.cumsum(counts) <= alerts)
    return float(-distinct[within[-1] if len(within) else 0])


def _decline_threshold(
    raw: NDArray[np.float64], target: NDArray[np.bool_], review: float, precision: float | None
) -> float | None:
    if precision is None:
        return None
    distinct, position = np.unique(-raw, return_inverse=True)
    flagged = np.cumsum(np.bincount(position))
    hits = np.cumsum(np.bincount(position, weights=target))
    fits = (hits / flagged >= precision) & (flagged >= _FEWEST_DECLINES) & (-distinct >= review)
    return float(-distinct[np.flatnonzero(fits)[-1]]) if fits.any() else None
