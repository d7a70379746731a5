"""What decisions cost: the matrix that thresholds and money saved are computed from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError
from paywarden.evaluation.predictions import Predictions


def major_units(minor: float) -> str:
    """An amount in minor units as it is read: 123456.0 is "1,234.56"."""
    return f"{minor / 100.0:,.2f}"


@dataclass(frozen=True)
class CostMatrix:
    """Costs in minor units of the base currency; what a fraud costs depends on its amount.

    `review_cost` is an analyst's time for one alert, `false_decline_cost` a genuine payment declined. A fraud that
    passes costs `loss_share` of its amount and the `chargeback_fee`; of that a review prevents `recovered_share`.
    Raises ConfigurationError for costs below 0 and shares beyond 0 and 1.
    """

    review_cost: float = 500.0
    false_decline_cost: float = 5000.0
    loss_share: float = 1.0
    chargeback_fee: float = 2000.0
    recovered_share: float = 1.0

    def __post_init__(self) -> None:
        costs = (self.review_cost, self.false_decline_cost, self.chargeback_fee)
        if not all(0.0 <= cost < math.inf for cost in costs):
            raise ConfigurationError(f"Costs must be 0 or more: got {self}. Correct the cost matrix.")
        if not all(0.0 <= share <= 1.0 for share in (self.loss_share, self.recovered_share)):
            raise ConfigurationError(f"Shares must lie within 0 and 1: got {self}. Correct the cost matrix.")

    def fraud_loss(self, amount: NDArray[np.int64]) -> NDArray[np.float64]:
        """What frauds of these amounts (int64 [N]) cost where they pass: float64 [N]."""
        return np.asarray(amount * self.loss_share + self.chargeback_fee, dtype=np.float64)

    def review_gain(self, target: NDArray[np.bool_], amount: NDArray[np.int64]) -> NDArray[np.float64]:
        """What reviewing each transaction saves against approving it: float64 [N], below 0 where it only costs."""
        return np.where(target, self.fraud_loss(amount) * self.recovered_share, 0.0) - self.review_cost

    def decline_gain(self, target: NDArray[np.bool_], amount: NDArray[np.int64]) -> NDArray[np.float64]:
        """What declining each transaction saves against approving it: float64 [N], below 0 where it only costs."""
        return np.where(target, self.fraud_loss(amount), -self.false_decline_cost)

    def to_dict(self) -> dict[str, Any]:
        """The matrix as a JSON document."""
        return asdict(self)


def money_saved(
    predictions: Predictions,
    threshold: float,
    costs: CostMatrix,
    weight: NDArray[np.float64] | None = None,
    decline_threshold: float | None = None,
) -> float:
    """What alerts at raw scores of `threshold` and above save against approving everything, in minor units.

    Alerts are reviewed; from `decline_threshold` on they are declined. `weight` float64 [N] is how often each
    transaction counts, besides the predictions' own weight.
    """
    gain = gains(predictions, threshold, costs, decline_threshold)
    counted = gain * predictions.weights
    return float(np.sum(counted if weight is None else counted * weight))


def gains(
    predictions: Predictions, threshold: float, costs: CostMatrix, decline_threshold: float | None = None
) -> NDArray[np.float64]:
    """What the decision on each transaction saves against approving it, in minor units: float64 [N]."""
    reviewed = costs.review_gain(predictions.target, predictions.amount)
    gain = np.where(predictions.raw >= threshold, reviewed, 0.0)
    if decline_threshold is None:
        return gain
    declined = costs.decline_gain(predictions.target, predictions.amount)
    return np.where(predictions.raw >= decline_threshold, declined, gain)
