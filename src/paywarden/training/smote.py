"""Frauds made up between true ones, by imbalanced-learn's SMOTE or SMOTENC.

Both refuse absent values and know nothing of units, so neighbours are sought in other terms than the rows':

- numbers in standard deviations from the median of the training rows;
- an absent number as the median, with a column of its own that says so: absent or present differ by one standard
  deviation. A made-up row is absent where the nearer of the two frauds that it lies between is, and has the present
  one's number where only the other is absent, so that no median enters a row;
- a category by SMOTENC as the most frequent one among the neighbours, absent being a category of its own. A column that
  holds the category's rate of fraud instead gets the mean over the true frauds of that category.

Sources: N. V. Chawla et al., SMOTE: synthetic minority over-sampling technique (2002), sections 4.2 and 6.1.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.training.boosters import Examples

_BYTES_A_PIECE: Final = 1 << 28  # SMOTENC holds all neighbours of what it makes in memory
_ABSENT: Final = -1.0  # the category of an absent one; codes are 0 and above


def synthetic_frauds(
    examples: Examples, categories: Mapping[int, NDArray[np.float32]], count: int, neighbours: int, seed: int
) -> NDArray[np.float32]:
    """So many vectors (float32 [count, F]) between the frauds of the examples and their nearest fellow frauds.

    `categories` gives, by column, the codes (float32 [N], NaN absent) that the column stands for. Raises DataError
    with fewer than two frauds.
    """
    frauds = np.flatnonzero(examples.target)
    if len(frauds) < 2:
        raise DataError(f"SMOTE needs two frauds in training to place one between them; there are {len(frauds)}.")
    places = sorted(categories)
    numbers = _Numbers.of(examples.features, frauds, places)
    codes = np.column_stack([categories[place][frauds] for place in places]) if places else np.empty((len(frauds), 0))
    known = np.column_stack([numbers.table, np.where(np.isnan(codes), _ABSENT, codes)])
    made = _oversampled(known, len(places), count, min(neighbours, len(frauds) - 1), seed)
    vectors = np.empty((count, examples.features.shape[1]), np.float32)
    vectors[:, numbers.places] = numbers.restored(made)
    for column, place in enumerate(places, start=numbers.table.shape[1]):
        vectors[:, place] = _value_of(known[:, column], examples.features[frauds, place], made[:, column])
    return vectors


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The numeric columns of the frauds as they are compared: standardised, then one of absence where it varies."""

    places: NDArray[np.int64]
    middle: NDArray[np.float64]
    scale: NDArray[np.float64]
    maybe_absent: NDArray[np.int64]
    always_absent: NDArray[np.int64]
    table: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float32], frauds: NDArray[np.int64], nominal: list[int]) -> _Numbers:
        places = np.setdiff1d(np.arange(features.shape[1]), nominal)
        middle, scale = np.zeros(len(places)), np.ones(len(places))
        for column, place in enumerate(places):
            present = features[:, place][~np.isnan(features[:, place])].astype(np.float64)
            if len(present):
                middle[column], scale[column] = np.median(present), present.std() or 1.0
        values = (features[np.ix_(frauds, places)] - middle) / scale
        absent = np.isnan(values)
        varies = np.flatnonzero(absent.any(axis=0) & ~absent.all(axis=0))
        table = np.column_stack([np.where(absent, 0.0, values), absent[:, varies]])
        return cls(places, middle, scale, varies, np.flatnonzero(absent.all(axis=0)), table)

    def restored(self, made: NDArray[np.float64]) -> NDArray[np.float64]:
        """The numbers of made-up rows in their own units, NaN where they are absent."""
        width = len(self.places)
        values = made[:, :width].copy()
        absence = made[:, width : width + len(self.maybe_absent)]
        # Between a present number and an absence at 0 lies the number times the share of the present one.
        values[:, self.maybe_absent] /= np.where(absence < 0.5, 1.0 - absence, np.nan)
        values[:, self.always_absent] = np.nan
        return np.asarray(values * self.scale + self.middle)


def _oversampled(known: NDArray[np.float64], nominal: int, count: int, neighbours: int, seed: int) -> Any:  # noqa: ANN401 -- imbalanced-learn is untyped
    """So many rows between those given, of which the last `nominal` columns are categories."""
    first_nominal = known.shape[1] - nominal
    width = first_nominal + sum(len(np.unique(column)) for column in known[:, first_nominal:].T)
    piece = max(_BYTES_A_PIECE // (8 * neighbours * width), 1) if nominal else count
    # The samplers want two classes, of which the other one has no influence: one row stands for all of it.
    rows, fraud = np.concatenate([known, known[:1]]), np.append(np.ones(len(known), np.int64), 0)
    made = []
    for number, begun in enumerate(range(0, count, piece)):
        wanted = {1: len(known) + min(piece, count - begun)}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="After over-sampling, the number of samples")
            sampler = _sampler(first_nominal, nominal, wanted, neighbours, _seed(seed, number))
            made.append(sampler.fit_resample(rows, fraud)[0][len(rows) :])
    return np.concatenate(made)


def _sampler(first_nominal: int, nominal: int, wanted: dict[int, int], neighbours: int, seed: int) -> Any:  # noqa: ANN401 -- imbalanced-learn is untyped
    from imblearn.over_sampling import SMOTE, SMOTENC  # noqa: PLC0415 -- slow to import, and only this strategy needs it

    options = {"sampling_strategy": wanted, "k_neighbors": neighbours, "random_state": seed}
    if not nominal:
        return SMOTE(**options)
    return SMOTENC(list(range(first_nominal, first_nominal + nominal)), **options)


def _seed(seed: int, piece: int) -> int:
    return int(np.random.SeedSequence([seed, piece]).generate_state(1)[0])


def _value_of(
    code: NDArray[np.float64], value: NDArray[np.float32], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What a column holds for the wanted codes: the mean of its values over the rows of that code."""
    codes, place = np.unique(code, return_inverse=True)
    mean = np.bincount(place, value.astype(np.float64)) / np.bincount(place)
    return np.asarray(np.where(wanted == _ABSENT, np.nan, mean[np.searchsorted(codes, wanted)]))
