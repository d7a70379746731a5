"""What decisions cost: the matrix that thresholds and money saved are computed from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError


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

    def to_dict(self) -> dict[str, Any]:
        """The matrix as a JSON document."""
        return asdict(self)
