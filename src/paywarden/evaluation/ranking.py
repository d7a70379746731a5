"""What an order of transactions is worth, sorted once and then counted under as many weightings as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

FALSE_POSITIVE_RATES: Final = (0.001, 0.01, 0.05)


@dataclass(frozen=True)
class RankingFigures:
    """Average precision, ROC AUC and the recall at each false-positive rate asked for; None where not defined."""

    average_precision: float | None
    roc_auc: float | None
    recall_at: tuple[float | None, ...]


class Ranking:
    """N transactions from the highest raw score down; equal scores count as one step, whatever their order."""

    def __init__(self, target: NDArray[np.bool_], raw: NDArray[np.float64]) -> None:
        self._order = np.argsort(-raw, kind="stable")
        self._fraud = target[self._order]
        ranked = raw[self._order]
        self._step_ends = np.append(ranked[1:] != ranked[:-1], True)[: len(raw)]

    def figures(
        self, weight: NDArray[np.float64] | None = None, rates: Sequence[float] = FALSE_POSITIVE_RATES
    ) -> RankingFigures:
        """The figures with each transaction counted `weight` (float64 [N], in the order given, default 1) times.

        AP and ROC AUC are scikit-learn's with `sample_weight`. The recall at a rate is the highest one of a threshold
        that flags at most that share of the genuine. AP needs a fraud, the others a genuine transaction too.
        """
        counted = np.ones(len(self._order)) if weight is None else np.asarray(weight, dtype=np.float64)
        found = _count(self._order, self._fraud, self._step_ends, counted, np.asarray(rates, dtype=np.float64))
        shown = [None if np.isnan(figure) else float(figure) for figure in found]
        return RankingFigures(shown[0], shown[1], tuple(shown[2:]))


@numba.njit(cache=True, nogil=True)
def _count(
    order: NDArray[np.int64],
    fraud: NDArray[np.bool_],
    step_ends: NDArray[np.bool_],
    weight: NDArray[np.float64],
    rates: NDArray[np.float64],
) -> NDArray[np.float64]:
    found = np.full(2 + len(rates), np.nan)
    frauds, genuine = _totals(order, fraud, weight)
    if frauds <= 0.0:
        return found
    hits, alarms, hits_before, alarms_before = 0.0, 0.0, 0.0, 0.0
    precision_area, ranking_area = 0.0, 0.0
    found[1:] = 0.0
    for i in range(len(order)):
        if fraud[i]:
            hits += weight[order[i]]
        else:
            alarms += weight[order[i]]
        if step_ends[i]:
            if hits > hits_before:
                precision_area += (hits - hits_before) * (hits / (hits + alarms))
            ranking_area += (alarms - alarms_before) * (hits + hits_before)
            for r in range(len(rates)):
                if genuine > 0.0 and alarms / genuine <= rates[r]:
                    found[2 + r] = hits / frauds
            hits_before, alarms_before = hits, alarms
    found[0] = precision_area / frauds
    if genuine > 0.0:
        found[1] = 0.5 * ranking_area / (frauds * genuine)
    else:
        found[1:] = np.nan
    return found


@numba.njit(cache=True, nogil=True)
def _totals(order: NDArray[np.int64], fraud: NDArray[np.bool_], weight: NDArray[np.float64]) -> tuple[float, float]:
    frauds, genuine = 0.0, 0.0
    for i in range(len(order)):  # in the same order as the figures: the last partial sum is the total, to the bit
        if fraud[i]:
            frauds += weight[order[i]]
        else:
            genuine += weight[order[i]]
    return frauds, genuine
