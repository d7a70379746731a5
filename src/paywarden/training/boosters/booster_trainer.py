"""What every library must do for the trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from paywarden.scoring.boosters import Booster

OnRound: TypeAlias = Callable[[int, float], bool]
"""Told after each round (counted from 0) the average precision on validation so far; True stops the fit."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Vectors with outcomes: `features` float32 [N, F], NaN meaning absent; `target` bool [N], True for fraud.

    `weight` float32 [N] says how many transactions each stands for, None that all weigh the same. `categorical` are the
    columns that hold indices of categories, 0 and up with NaN for none: only boosters with `native_categories` take
    such. `training/encoding.py` makes both kinds of columns.
    """

    features: NDArray[np.float32]
    target: NDArray[np.bool_]
    weight: NDArray[np.float32] | None = None
    categorical: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained booster, the number of its rounds, and validation average precision after each round."""

    booster: Booster
    rounds: int
    validation_average_precision: tuple[float, ...]


@dataclass(frozen=True)
class Range:
    """Between which values a hyperparameter is looked for, both included; `log` where only ratios matter."""

    low: float
    high: float
    log: bool = False
    integer: bool = False


class BoosterTrainer(Protocol):
    """A library with its hyperparameters: frozen data that can fit; make one with :func:`trainer_of`.

    Equal hyperparameters, examples and seed give a booster of equal bytes.
    """

    @property
    def kind(self) -> str:
        """The kind of booster that comes out: "xgboost", …."""
        ...

    @property
    def native_categories(self) -> bool:
        """Whether `Examples.categorical` may name columns."""
        ...

    def fit(self, train: Examples, validation: Examples, seed: int, *, on_round: OnRound | None = None) -> Fitted:
        """The booster fitted on `train`, with the rounds after the best average precision on `validation` dropped.

        `on_round` may stop it earlier, as a tuner's pruning does. Raises ConfigurationError where the device is absent
        or columns are categorical that may not be.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """Kind and hyperparameters as a JSON document, for the bundle and the registry."""
        ...

    def search_space(self) -> Mapping[str, Range]:
        """The hyperparameters worth tuning, by name, with their ranges."""
        ...

    def with_parameters(self, **hyperparameters: float | str) -> BoosterTrainer:
        """The same with other values. Raises ConfigurationError for an unknown name or a value of the wrong type."""
        ...
