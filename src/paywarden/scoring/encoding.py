"""From the code of a category to its fraud rate: tables learnt in training, applied before a booster.

A code is a name without order, so a tree could only cut it at random; the rate of fraud says what the name is worth.
Source: D. Micci-Barreca, A preprocessing scheme for high-cardinality categorical attributes (2001). Fitting is the
training room's work.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import BundleError
from paywarden.features.request import code_source
from paywarden.scoring.canonical import require_keys

CODE_END: Final = 1 << 24
"""Codes lie in 0 up to but not including this: the integers that float32 tells apart."""


def is_code(name: str) -> bool:
    """Whether the feature of this name is the code of a category (`category_code`, `extra_browser_code`)."""
    return code_source(name) is not None


@dataclass(frozen=True)
class RateTable:
    """One column's fraud rate by code, and the `prior` for codes that training never saw.

    `codes` rise; `rates` are aligned with them; rates and prior are shares within 0 and 1 that float32 holds exactly.
    Raises BundleError where they are not.
    """

    prior: float
    codes: tuple[int, ...] = field(repr=False)
    rates: tuple[float, ...] = field(repr=False)

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in itertools.pairwise((-1, *self.codes, CODE_END)))
        shares = np.array((self.prior, *self.rates), dtype=np.float64)
        sound = bool(((shares >= 0.0) & (shares <= 1.0) & (shares == shares.astype(np.float32))).all())
        if not (rising and sound and len(self.codes) == len(self.rates)):
            raise BundleError(
                f"A table of rates needs rising codes below {CODE_END} and as many float32 shares. Train again."
            )

    def apply(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The rates (float32 [n]) of codes (float32 [n]): absent (NaN) stays absent, an unknown code has the prior."""
        known, rates = self._arrays
        # The last entry stands for what lies beyond every known code: its code is infinite, its rate the prior.
        place = np.searchsorted(known, codes)
        place[place == len(known)] = len(known) - 1
        found = np.where(known[place] == codes, rates[place], rates[-1])
        return np.where(np.isnan(codes), np.float32(math.nan), found)

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.array((*self.codes, math.inf), np.float32), np.array((*self.rates, self.prior), np.float32)


@dataclass(frozen=True)
class IndexTable:
    """One column's place by code, for boosters that split categories themselves: 0 for the first of `codes`, and so on.

    Raises BundleError unless the codes are distinct and below CODE_END.
    """

    codes: tuple[int, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if len(set(self.codes)) != len(self.codes) or not all(0 <= code < CODE_END for code in self.codes):
            raise BundleError(f"A table of categories needs distinct codes below {CODE_END}. Train again.")

    def apply(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The places (float32 [n]) of codes (float32 [n]); what is absent (NaN) or not in the table has none: NaN."""
        known, index = self._arrays
        place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        return np.where(known[place] == codes, index[place], np.float32(math.nan))

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        codes = np.array(self.codes, dtype=np.float32)
        order = np.argsort(codes)
        return np.append(codes[order], np.float32(math.inf)), np.append(order, math.nan).astype(np.float32)


@dataclass(frozen=True)
class TargetEncoder:
    """Tables of rates or places by the name of the code feature; without any, vectors stay as they are."""

    tables: Mapping[str, RateTable | IndexTable] = field(default_factory=dict)

    def apply(self, names: Sequence[str], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors (float32 [n, F], columns as in `names`) with each code replaced by its rate or place, in its column.

        The vectors given are left untouched; they themselves come back where no column has a table. A row's outcome
        does not depend on the other rows.
        """
        columns = [(place, self.tables[name]) for place, name in enumerate(names) if name in self.tables]
        if not columns:
            return vectors
        encoded = vectors.copy()
        for place, table in columns:
            encoded[:, place] = table.apply(vectors[:, place])
        return encoded

    def to_dict(self) -> dict[str, Any]:
        """The encoder as a JSON document."""
        return {"tables": {name: _document(table) for name, table in self.tables.items()}}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> TargetEncoder:
        """The encoder that `to_dict` wrote. Raises BundleError where it cannot be read."""
        require_keys("encoders.json", document, {"tables"})
        try:
            return cls({str(name): _table(**entry) for name, entry in document["tables"].items()})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(f"The bundle's encoder cannot be read ({error!r}). Train the model again.") from error


def _document(table: RateTable | IndexTable) -> dict[str, Any]:
    if isinstance(table, IndexTable):
        return {"places_of_codes": list(table.codes)}
    return {"codes": list(table.codes), "prior": table.prior, "rates": list(table.rates)}


def _table(**entry: Any) -> RateTable | IndexTable:  # noqa: ANN401 -- JSON; what does not fit is refused
    if entry.keys() == {"places_of_codes"}:
        return IndexTable(tuple(map(int, entry["places_of_codes"])))
    return _rates(**entry)


def _rates(codes: Sequence[int], prior: float, rates: Sequence[float]) -> RateTable:
    return RateTable(float(prior), tuple(int(code) for code in codes), tuple(float(rate) for rate in rates))
