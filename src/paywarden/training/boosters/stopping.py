"""When to stop adding trees: one measure and one rule for every library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.training.boosters.booster_trainer import Examples, OnRound


class ValidationCurve:
    """Average precision on validation, round by round; the libraries' own ("aucpr") interpolate, and differ.

    It ends `patience` rounds after the best one (0: never) or where `on_round` says so.
    """

    def __init__(self, validation: Examples, patience: int, on_round: OnRound | None = None) -> None:
        self.average_precision: list[float] = []
        self._validation = validation
        self._patience = patience
        self._on_round = on_round

    def ends_with(self, score: NDArray[np.floating]) -> bool:
        """Whether the round that gave these scores (float [N], higher is worse) is the last."""
        reached = average_precision(self._validation.target, score, self._validation.weight)
        self.average_precision.append(reached)
        number = len(self.average_precision) - 1
        pruned = self._on_round is not None and self._on_round(number, reached)
        return pruned or bool(self._patience and number - self._best >= self._patience)

    @property
    def rounds(self) -> int:
        """How many rounds to keep: up to the first of the best; all, where nothing may stop early."""
        return self._best + 1 if self._patience else len(self.average_precision)

    @property
    def _best(self) -> int:
        return int(np.argmax(self.average_precision))


def average_precision(
    target: NDArray[np.bool_], score: NDArray[np.floating], weight: NDArray[np.float32] | None = None
) -> float:
    """The AP that is reported, to rounding, 0 without a fraud; computed from one sort, for it is wanted every round.

    Only a fraud's score can raise recall, so precision is looked up there and nowhere else.
    """
    if not target.any():
        return 0.0
    order = np.argsort(score, kind="stable") if weight is not None else None
    ascending = score[order] if order is not None else np.sort(score)
    weights = weight[order].astype(np.float64) if weight is not None and order is not None else None
    below = np.arange(len(score) + 1.0) if weights is None else np.concatenate([[0.0], np.cumsum(weights)])
    steps, place = np.unique(score[target], return_inverse=True)
    frauds = np.bincount(place, None if weight is None else weight[target].astype(np.float64))
    found = np.cumsum(frauds[::-1])[::-1]
    flagged = below[-1] - below[np.searchsorted(ascending, steps)]
    return (
        float((frauds * found / np.maximum(flagged, np.finfo(np.float64).tiny)).sum() / found[0]) if found[0] else 0.0
    )
