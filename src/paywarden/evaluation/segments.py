"""Segments: parts of the traffic on which figures are given beside those of the whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.evaluation.splits import DAY_MS

NEW_CARD_DAYS: Final = 30
AMOUNT_EDGES: Final = (1_000, 5_000, 10_000, 50_000, 100_000)
"""Where amount bands begin, in minor units of the base currency; each band holds its lower edge."""
LARGEST_CATEGORIES: Final = 10
_ABSENT: Final = "none"


def segments_of(transactions: pa.Table, card: NDArray[np.int64]) -> Mapping[str, NDArray[np.object_]]:
    """The label of each canonical transaction (N rows) in each segmentation: object [N], never None.

    "channel" as it stands; "category", where the ten most frequent keep their names and all else is "other";
    "amount_band" by `AMOUNT_EDGES`; "new_card" by :func:`card_ages`, of `card` codes (int64 [N], below 0 for none). An
    absent value is "none". A segmentation with only one label is left out: it says nothing.
    """
    found = {
        "amount_band": amount_bands(transactions["amount_base"].to_numpy().astype(np.int64)),
        "category": _largest(_words(transactions, "category")),
        "channel": _words(transactions, "channel"),
        "new_card": card_ages(card, transactions["occurred_at"].to_numpy().astype(np.int64)),
    }
    return {name: labels for name, labels in found.items() if len(labels) and (labels != labels[0]).any()}


def in_order(labels: Iterable[str]) -> list[str]:
    """Each label once, as tables list them: amount bands from the lowest up, others by name, "other", "none" last."""
    rank = {label: place for place, label in enumerate(_bands())}
    last = {"other": 1, _ABSENT: 2}
    return sorted(set(labels), key=lambda label: (last.get(label, 0), rank.get(label, -1), label))


def _bands() -> list[str]:
    inner = [f"{low:,} to {high - 1:,}" for low, high in itertools.pairwise(AMOUNT_EDGES)]
    return [f"below {AMOUNT_EDGES[0]:,}", *inner, f"{AMOUNT_EDGES[-1]:,} and above"]


def amount_bands(amount: NDArray[np.int64]) -> NDArray[np.object_]:
    """The band of each amount (int64 [N], minor units of the base currency): "below 1,000", "1,000 to 4,999", ..."""
    names = np.array(_bands(), dtype=object)
    return np.asarray(names[np.searchsorted(AMOUNT_EDGES, amount, side="right")], dtype=object)


def card_ages(card: NDArray[np.int64], occurred_at: NDArray[np.int64]) -> NDArray[np.object_]:
    """Whether each card (codes int64 [N], below 0 for none) was new when it paid (epoch ms int64 [N]): object [N].

    "new" if its first payment in the data is less than 30 days ago or this one; "known" if it is older; "unclear" in
    the first 30 days of the data, where every card would look new; "none" for no card.
    """
    month = NEW_CARD_DAYS * DAY_MS
    first = np.full(int(card.max(initial=-1)) + 2, np.iinfo(np.int64).max, dtype=np.int64)  # the last is "no card"
    np.minimum.at(first, card, occurred_at)
    age = np.where(occurred_at - first[card] < month, "new", "known").astype(object)
    age[occurred_at - occurred_at.min(initial=np.iinfo(np.int64).max) < month] = "unclear"
    age[card < 0] = _ABSENT
    return np.asarray(age, dtype=object)


def _words(transactions: pa.Table, column: str) -> NDArray[np.object_]:
    if column not in transactions.column_names:
        return np.full(transactions.num_rows, _ABSENT, dtype=object)
    return np.asarray(
        pc.fill_null(transactions[column].cast(pa.string()), _ABSENT).to_numpy(zero_copy_only=False), dtype=object
    )


def _largest(labels: NDArray[np.object_]) -> NDArray[np.object_]:
    """The most frequent labels as they are, equal counts by name, and "other" for the rest."""
    names, place, count = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    kept = np.argsort(-count, kind="stable")[:LARGEST_CATEGORIES]
    shown = np.full(len(names), "other", dtype=object)
    shown[kept] = names[kept]
    return np.asarray(shown[place], dtype=object)
