"""What may be done about rare fraud, to training rows only, and what it does to probabilities.

Whatever makes frauds weigh more makes the booster believe in more fraud than there is. Each treatment therefore comes
with the offset that puts its log-odds back to the prior of the rows as they were. Sources: C. Elkan, The foundations of
cost-sensitive learning (2001), theorem 2; A. Dal Pozzolo et al., Calibrating probability with undersampling for
unbalanced classification (2015), for undersampling, where it is the logarithm of the share of genuine rows kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError, DataError
from paywarden.training.boosters import Examples
from paywarden.training.smote import synthetic_frauds

Strategy = Literal["none", "class_weight", "undersampling", "smote"]
STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)
"""From the least to the most that is done; of equally good ones the earlier is taken."""


@dataclass(frozen=True)
class Resampling:
    """How far rows are resampled: `ratio` is that of frauds to genuine transactions afterwards.

    One fraud to ten genuine keeps most of what undersampling would throw away, and SMOTE from drowning the true frauds;
    1.0 is the full balance of many tutorials. `neighbours` are SMOTE's k. Raises ConfigurationError for others than
    positive numbers.
    """

    ratio: float = 0.1
    neighbours: int = 5

    def __post_init__(self) -> None:
        if not (0.0 < self.ratio < math.inf and self.neighbours >= 1):
            raise ConfigurationError(f"Resampling needs a ratio above 0 and 1 neighbour or more, got {self}.")


@dataclass(frozen=True, eq=False)
class Treated:
    """Training rows after a treatment, and the `prior_offset` to add to the log-odds of what is fitted on them."""

    examples: Examples
    prior_offset: float


def treat(
    strategy: Strategy,
    examples: Examples,
    categories: Mapping[int, NDArray[np.float32]],
    resampling: Resampling,
    seed: int,
) -> Treated:
    """The training rows under a strategy; equal arguments give equal rows.

    "class_weight" makes both classes weigh the same, "undersampling" drops genuine rows at random, "smote" adds frauds
    made up between true ones: by SMOTE, or by SMOTENC where there are `categories`, which are the codes (float32 [N],
    NaN absent) behind each column that stands for one. Row weights given keep their meaning. Raises DataError where
    fraud is already as frequent as the ratio asks, or too rare to have neighbours.
    """
    if strategy == "none":
        return Treated(examples, 0.0)
    if strategy == "class_weight":
        weight = weights_of(examples) * np.where(examples.target, 1.0 / _odds(examples), 1.0).astype(np.float32)
        return _corrected(examples, replace(examples, weight=weight))
    frauds = int(examples.target.sum())
    genuine = len(examples.target) - frauds
    if frauds >= resampling.ratio * genuine:
        raise DataError(
            f"There are {frauds} frauds to {genuine} genuine transactions in training, no fewer than the ratio "
            f"{resampling.ratio:g} asks for: there is nothing to resample. Raise the ratio, or leave {strategy} out."
        )
    if strategy == "undersampling":
        return _corrected(examples, _undersampled(examples, round(frauds / resampling.ratio), seed))
    wanted = round(resampling.ratio * genuine) - frauds
    added = synthetic_frauds(examples, categories, wanted, resampling.neighbours, seed)
    return _corrected(examples, _with_frauds(examples, added))


def weights_of(examples: Examples) -> NDArray[np.float32]:
    """The rows' weights, 1 where none are given: float32 [N]."""
    return np.ones(len(examples.target), np.float32) if examples.weight is None else examples.weight


def _undersampled(examples: Examples, genuine: int, seed: int) -> Examples:
    of_genuine = np.flatnonzero(~examples.target)
    chosen = np.random.default_rng(seed).choice(of_genuine, genuine, replace=False)
    rows = np.union1d(np.flatnonzero(examples.target), chosen)
    weight = None if examples.weight is None else examples.weight[rows]
    return replace(examples, features=examples.features[rows], target=examples.target[rows], weight=weight)


def _with_frauds(examples: Examples, added: NDArray[np.float32]) -> Examples:
    weight = examples.weight
    if weight is not None:  # what is made up is worth what a true fraud is, on average
        weight = np.concatenate([weight, np.full(len(added), weight[examples.target].mean(), np.float32)])
    return replace(
        examples,
        features=np.concatenate([examples.features, added]),
        target=np.concatenate([examples.target, np.ones(len(added), dtype=bool)]),
        weight=weight,
    )


def _corrected(before: Examples, after: Examples) -> Treated:
    return Treated(after, math.log(_odds(before) / _odds(after)))


def _odds(examples: Examples) -> float:
    """The weight of frauds to that of genuine rows."""
    weight = weights_of(examples).astype(np.float64)
    return float(weight[examples.target].sum() / weight[~examples.target].sum())
