"""What every library must do for the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from paywarden.scoring.boosters import Booster


@dataclass(frozen=True, eq=False)
class Examples:
    """Vectors with outcomes: `features` float32 [N, F], NaN meaning absent; `target` bool [N], True for fraud."""

    features: NDArray[np.float32]
    target: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained booster, the number of its trees, and validation average precision after each round."""

    booster: Booster
    rounds: int
    validation_average_precision: tuple[float, ...]


class BoosterTrainer(Protocol):
    """A library with its hyperparameters: frozen data that can fit.

    Equal hyperparameters, examples and seed give a booster of equal bytes.
    """

    def fit(self, train: Examples, validation: Examples, seed: int) -> Fitted:
        """The booster fitted on `train`, stopped where average precision on `validation` was best."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Kind and hyperparameters as a JSON document, for the bundle and the registry."""
        ...
