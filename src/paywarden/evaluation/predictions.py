"""Scored transactions with their outcome: what every metric and plot is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Predictions:
    """N scored transactions whose outcome is known, as aligned arrays.

    `target` bool [N]: fraud. `raw` float64 [N]: log-odds. `score` float64 [N]: calibrated probability.
    `occurred_at` int64 [N]: epoch ms. `card` int64 [N]: codes, below 0 for no card. `amount` int64 [N]: minor units of
    the base currency. `pattern` object [N]: the fraud pattern's name or None. `segments`: by the name of a segmentation
    ("channel", "new_card") the label of each row, object [N]. `weight` float32 [N]: for how many transactions each
    stands, None where each stands for itself.
    """

    target: NDArray[np.bool_]
    raw: NDArray[np.float64]
    score: NDArray[np.float64]
    occurred_at: NDArray[np.int64]
    card: NDArray[np.int64]
    amount: NDArray[np.int64]
    pattern: NDArray[np.object_]
    segments: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    weight: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def weights(self) -> NDArray[np.float64]:
        """For how many transactions each stands, 1 where nothing else is said: float64 [N]."""
        return np.ones(len(self)) if self.weight is None else self.weight.astype(np.float64)

    def of(self, rows: NDArray[np.int64]) -> Predictions:
        """Only these rows (int64 [n], indices), in this order."""
        arrays = ("target", "raw", "score", "occurred_at", "card", "amount", "pattern")
        return Predictions(
            **{name: getattr(self, name)[rows] for name in arrays},
            segments={name: labels[rows] for name, labels in self.segments.items()},
            weight=None if self.weight is None else self.weight[rows],
        )
