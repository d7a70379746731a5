"""What every trained booster can do for the scorer."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Booster(Protocol):
    """A trained model over float32 features [N, F] in contract order, NaN meaning absent.

    Implementations are safe to call from several threads, and a row's result does not depend on which rows travel
    with it, so that any cut of the stream into batches gives the same scores.
    """

    @property
    def kind(self) -> str:
        """The name under which `load_booster` finds the library: "xgboost", …."""
        ...

    @property
    def feature_count(self) -> int:
        """F, the number of columns that the model expects."""
        ...

    def predict_margin(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores in log-odds of fraud, float64 [N]."""
        ...

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """TreeSHAP contributions in log-odds, float64 [n, F+1]; the last is the bias, and a row sums to its margin."""
        ...

    def to_bytes(self) -> bytes:
        """The model in its library's native format; equal models give equal bytes."""
        ...
