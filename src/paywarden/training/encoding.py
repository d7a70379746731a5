"""Learning the fraud rates of categories in time order: no row is encoded by its own outcome, or by a later one.

Smoothing: D. Micci-Barreca, A preprocessing scheme for high-cardinality categorical attributes (2001). Why the order:
L. Prokhorenkova et al., CatBoost: unbiased boosting with categorical features (2018), sections 3.2 and 3.3; the order
here is not a random one but time, and a row's outcome enters when it was known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError, DataError
from paywarden.scoring.encoding import CODE_END, IndexTable, RateTable, TargetEncoder, is_code
from paywarden.training.dataset import Dataset
from paywarden.training.verdict_changes import VerdictChanges, verdict_changes

STRENGTH: Final = 100.0
"""How many transactions the prior weighs: at one fraud in a hundred, so many hold one."""
FEWEST_OF_A_CATEGORY: Final = 20
"""Training rows that a category needs for a place of its own: of fewer, a split would learn single rows."""
MOST_CATEGORIES: Final = 254
"""Places in a column at most, by frequency: the boosters' histograms take few more."""


@dataclass(frozen=True)
class Smoothing:
    """The rate of a category of which nothing is known, and the number of transactions that it weighs.

    Raises ConfigurationError unless that number is above 0.
    """

    prior: float
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        if not 0.0 < self.strength < math.inf:
            raise ConfigurationError(f"The strength of smoothing must be a number above 0, got {self.strength}.")

    def rates(self, frauds: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rates (float32 [n]) of `frauds` among `known` transactions (int64 [n])."""
        return ((frauds + self.prior * self.strength) / (known + self.strength)).astype(np.float32)


def overall_smoothing(dataset: Dataset, as_of: int, strength: float = STRENGTH) -> Smoothing:
    """The smoothing whose prior is the rate over all that is mature and known at `as_of` (epoch ms), 0 if nothing is.

    One number for all rows tells nothing of any, so training rows may share it although it looks ahead of them.
    """
    verdicts = dataset.verdicts_at(as_of)
    frauds = verdicts.fraud[verdicts.mature & verdicts.known]
    return Smoothing(float(np.float32(frauds.mean())) if len(frauds) else 0.0, strength)


def fit_encoder(dataset: Dataset, as_of: int, smoothing: Smoothing) -> TargetEncoder:
    """A table for each code feature: the rates over all transactions mature and known at `as_of` (epoch ms).

    Raises DataError where a feature that ends in _code holds anything but codes.
    """
    verdicts = dataset.verdicts_at(as_of)
    usable = np.flatnonzero(verdicts.mature & verdicts.known)
    return TargetEncoder(
        {
            name: _fit_table(_codes(dataset, place)[usable], verdicts.fraud[usable], smoothing)
            for place, name in enumerate(dataset.feature_names)
            if is_code(name)
        }
    )


def fit_places(dataset: Dataset, rows: NDArray[np.int64]) -> TargetEncoder:
    """A table for each code feature with places by falling frequency among these training rows (int64 [n]).

    For boosters with `native_categories`; no outcome is looked at, so that one table does for all windows. Rare codes
    have no place, and so train what is done with codes never seen. Raises DataError as `fit_encoder` does.
    """
    tables = {}
    for name, place in code_columns(dataset).items():
        codes, counts = np.unique(_codes(dataset, place)[rows], return_counts=True)
        frequent = np.flatnonzero((codes >= 0) & (counts >= FEWEST_OF_A_CATEGORY))
        order = frequent[np.argsort(-counts[frequent], kind="stable")][:MOST_CATEGORIES]
        tables[name] = IndexTable(tuple(codes[order].tolist()))
    return TargetEncoder(tables)


def code_columns(dataset: Dataset) -> dict[str, int]:
    """The code features by name, with their columns: those of `Examples.categorical` where places were fitted."""
    return {name: place for place, name in enumerate(dataset.feature_names) if is_code(name)}


def encode_in_time_order(dataset: Dataset, rows: NDArray[np.int64], smoothing: Smoothing) -> NDArray[np.float32]:
    """The vectors (float32 [n, F]) of these rows, with each code replaced by its rate as known before the row occurred.

    A row's rate is what `fit_encoder` would have given one millisecond earlier: only labels that had arrived and
    silences that had matured count. So a category never seen has the prior, and an absent one (NaN) stays absent.
    """
    encoded = dataset.features[rows]
    places = [place for place, name in enumerate(dataset.feature_names) if is_code(name)]
    if places:
        changes = verdict_changes(dataset)
        for place in places:
            known, frauds = _counts_before(dataset, changes, rows, _codes(dataset, place))
            encoded[:, place] = np.where(np.isnan(encoded[:, place]), np.nan, smoothing.rates(frauds, known))
    return encoded


def _fit_table(column: NDArray[np.int64], fraud: NDArray[np.bool_], smoothing: Smoothing) -> RateTable:
    codes, index = np.unique(column, return_inverse=True)
    known, frauds = (np.bincount(index, weights, len(codes)).astype(np.int64) for weights in (None, fraud))
    rates = smoothing.rates(frauds, known)
    present = codes >= 0
    return RateTable(smoothing.prior, tuple(codes[present].tolist()), tuple(rates[present].tolist()))


def _codes(dataset: Dataset, place: int) -> NDArray[np.int64]:
    """A column's codes as integers, -1 for absent ones."""
    column = dataset.features[:, place]
    absent = np.isnan(column)
    if not (absent | ((column >= 0) & (column < CODE_END) & (column == np.floor(column)))).all():
        raise DataError(
            f"The feature {dataset.feature_names[place]!r} ends in _code, but its values are not all integers from 0 "
            f"to {CODE_END - 1}. Rename it in the mapping, or leave it out."
        )
    return np.where(absent, -1.0, column).astype(np.int64)


def _counts_before(
    dataset: Dataset, changes: VerdictChanges, rows: NDArray[np.int64], codes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of each row's code were known, and how many of them as frauds, before the row occurred."""
    code = np.concatenate([codes[rows], codes[changes.row]])
    at = np.concatenate([dataset.occurred_at[rows], changes.at])
    # At equal times a row stands before the change, which it did not know of.
    is_change = np.arange(len(code)) >= len(rows)
    order = np.lexsort((is_change, at, code))
    first = np.flatnonzero(np.diff(code[order], prepend=-2))
    group_began = np.repeat(first, np.diff(first, append=len(order)))
    asked = order < len(rows)
    counts = []
    for added in (changes.known, changes.fraud):
        total = np.cumsum(np.concatenate([np.zeros(len(rows), np.int64), added])[order])
        before_group = np.concatenate([[0], total])[group_began]
        count = np.empty(len(rows), np.int64)
        count[order[asked]] = (total - before_group)[asked]
        counts.append(count)
    return counts[0], counts[1]
