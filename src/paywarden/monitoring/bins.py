"""Bins: where a value of a feature stands, so that two spans of time can be compared by counts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_NUMBER_BINS: Final = 10
_OFTEN: Final = 0.05
_MOST_CATEGORIES: Final = 200
"""A category that is rarer than the two hundred most frequent ones counts as new where it comes up."""


@dataclass(frozen=True)
class NumberBins:
    """Ten bins of about equal size in the reference, and a last one for absent values.

    `edges` rise; a bin holds its upper edge and nothing of what is at or below its lower one.
    """

    edges: tuple[float, ...]

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]]) -> NumberBins:
        """The bins of these values (float [N], NaN for absent); equal values share one."""
        present = values[~np.isnan(values)]
        if not len(present):
            return cls(())
        inner = np.unique(
            np.quantile(present, np.linspace(0.0, 1.0, _NUMBER_BINS + 1)[1:-1], method="closest_observation")
        )
        # A value that many rows have stands alone, apart from what is below it and above.
        often = [edge for edge in inner if np.mean(present == edge) >= _OFTEN]
        return cls(tuple(float(edge) for edge in np.unique([*inner, *np.nextafter(often, -np.inf)])))

    @property
    def size(self) -> int:
        """How many bins there are."""
        return len(self.edges) + 2

    def place(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """The bin of each value, int64 [N]; `size - 1` for absent."""
        absent = np.isnan(values)
        found = np.searchsorted(np.asarray(self.edges), np.where(absent, 0.0, values), side="left")
        return np.where(absent, self.size - 1, found).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return {"edges": list(self.edges)}


@dataclass(frozen=True)
class CategoryBins:
    """A bin for each category of the reference, then one for categories that were not there, then one for absent."""

    categories: tuple[str, ...]

    @classmethod
    def of(cls, values: NDArray[Any]) -> CategoryBins:
        """The bins of these values (object or float [N]; None or NaN for absent), the most frequent first."""
        names, counts = np.unique(_names(values[~_absent(values)]), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]
        return cls(tuple(str(names[place]) for place in order))

    @property
    def size(self) -> int:
        """How many bins there are."""
        return len(self.categories) + 2

    def place(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """The bin of each value, int64 [N]; `size - 2` for a new category, `size - 1` for absent."""
        found = np.full(len(values), self.size - 1, dtype=np.int64)
        present = np.flatnonzero(~_absent(values))
        names, where = np.unique(_names(values[present]), return_inverse=True)
        known = {name: place for place, name in enumerate(self.categories)}
        places = np.array([known.get(str(name), self.size - 2) for name in names], dtype=np.int64)
        found[present] = places[where]
        return found

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return {"categories": list(self.categories)}


Bins = NumberBins | CategoryBins


def bins_of(values: NDArray[Any], *, categorical: bool) -> Bins:
    """The bins of a feature's values in the reference."""
    return CategoryBins.of(values) if categorical else NumberBins.of(values)


def bins_from_dict(document: Mapping[str, Sequence[Any]]) -> Bins:
    """The bins that `to_dict` wrote."""
    if "categories" in document:
        return CategoryBins(tuple(str(name) for name in document["categories"]))
    return NumberBins(tuple(float(edge) for edge in document["edges"]))


def _absent(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype == object:
        return np.array([value is None for value in values], dtype=bool)
    return np.asarray(np.isnan(values))


def _names(values: NDArray[Any]) -> NDArray[np.str_]:
    """Codes are whole numbers held as float."""
    if values.dtype == object:
        return values.astype(str)
    return values.astype(np.int64).astype(str)
