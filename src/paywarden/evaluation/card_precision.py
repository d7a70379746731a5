"""Card precision@k: of the k cards that investigators can check a day, how many are compromised."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.splits import DAY_MS


def card_precision(
    target: NDArray[np.bool_],
    score: NDArray[np.float64],
    card: NDArray[np.int64],
    occurred_at: NDArray[np.int64],
    cards_a_day: int = 100,
) -> float | None:
    """The mean over UTC days of (compromised cards among the day's top k) / k; None where no row has a card.

    Per day each card counts with its highest score and its highest label; cards detected (compromised and in the top k)
    leave the following days. Equal scores are ordered by card code, so that the value is reproducible. Rows whose card
    is below 0 are left out. Source: Fraud Detection Handbook, chapter 4, "Card Precision top-k".
    """
    return RankedCards(target, score, card, occurred_at).precision(cards_a_day)


class RankedCards:
    """Each day's cards from the highest score down, ranked once and then counted in as many resamples as wanted."""

    def __init__(
        self,
        target: NDArray[np.bool_],
        score: NDArray[np.float64],
        card: NDArray[np.int64],
        occurred_at: NDArray[np.int64],
    ) -> None:
        has_card = np.flatnonzero(card >= 0)
        card, day, score = card[has_card], occurred_at[has_card] // DAY_MS, score[has_card]
        order = np.lexsort((-score, card, day))
        starts = np.flatnonzero((np.diff(card[order], prepend=-1) != 0) | (np.diff(day[order], prepend=-1) != 0))
        compromised = np.logical_or.reduceat(target[has_card][order], starts) if len(starts) else np.zeros(0, bool)
        best = order[starts]
        ranked = np.lexsort((card[best], -score[best], day[best]))
        self.first_row = has_card[best[ranked]]
        self._card = np.unique(card[best[ranked]], return_inverse=True)[1].astype(np.int64)
        self._compromised = compromised[ranked]
        self._day_starts = np.flatnonzero(np.diff(day[best[ranked]], prepend=-1) != 0)

    def precision(
        self,
        cards_a_day: int,
        copies: NDArray[np.int64] | None = None,
        day_weight: NDArray[np.int64] | None = None,
    ) -> float | None:
        """Card precision in a resample: `copies` int64 [N] of each row's card, `day_weight` int64 [N] of its day.

        Each copy is a card of its own that pays what its original paid: it takes one of the day's k places, and leaves
        once detected. Work goes on through all days in their order; the mean is over the days drawn. None where no day
        is.
        """
        count = len(self.first_row)
        drawn = np.ones(count, dtype=np.int64) if copies is None else copies[self.first_row]
        days = self.first_row[self._day_starts]
        weight = np.ones(len(days)) if day_weight is None else day_weight[days].astype(np.float64)
        if not weight.sum():
            return None
        hits = _hits(self._card, self._compromised, np.append(self._day_starts, count), drawn, cards_a_day)
        return float((hits / cards_a_day * weight).sum() / weight.sum())


@numba.njit(cache=True, nogil=True)
def _hits(
    card: NDArray[np.int64],
    compromised: NDArray[np.bool_],
    day_starts: NDArray[np.int64],
    copies: NDArray[np.int64],
    cards_a_day: int,
) -> NDArray[np.int64]:
    """The compromised copies among each day's first k that were not detected before."""
    hits = np.zeros(len(day_starts) - 1, np.int64)
    detected = np.zeros(card.max() + 1 if len(card) else 0, np.int64)
    for day in range(len(hits)):
        places = cards_a_day
        for i in range(day_starts[day], day_starts[day + 1]):
            if places == 0:
                break
            seen = min(copies[i] - detected[card[i]], places)
            places -= seen
            if compromised[i]:
                hits[day] += seen
                detected[card[i]] += seen
    return hits
