"""Card precision@k: of the k cards that investigators can check a day, how many are compromised."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_DAY_MS: Final = 86_400_000


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
    has_card = card >= 0
    target, score, card = target[has_card], score[has_card], card[has_card]
    day = occurred_at[has_card] // _DAY_MS
    if not len(card):
        return None
    detected = np.zeros(int(card.max()) + 1, dtype=bool)
    daily = []
    for today in np.unique(day):
        rows = np.flatnonzero(day == today)
        rows = rows[~detected[card[rows]]]
        hits = _hits(target[rows], score[rows], card[rows], cards_a_day)
        detected[hits] = True
        daily.append(len(hits) / cards_a_day)
    return float(np.mean(daily))


def _hits(
    target: NDArray[np.bool_], score: NDArray[np.float64], card: NDArray[np.int64], cards_a_day: int
) -> NDArray[np.int64]:
    """The compromised cards among the day's top k."""
    cards, position = np.unique(card, return_inverse=True)
    highest = np.full(len(cards), -np.inf)
    np.maximum.at(highest, position, score)
    compromised = np.zeros(len(cards), dtype=bool)
    np.logical_or.at(compromised, position, target)
    top = np.argsort(-highest, kind="stable")[:cards_a_day]
    return np.asarray(cards[top[compromised[top]]], dtype=np.int64)
