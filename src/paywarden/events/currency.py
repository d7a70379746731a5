"""Amounts in the base currency: dated exchange rates and the number of minor units of each currency."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS = "CLF UYW"

MINOR_UNIT_EXPONENTS: Mapping[str, int] = {
    code: exponent
    for exponent, codes in ((0, _NO_DECIMALS), (3, _THREE_DECIMALS), (4, _FOUR_DECIMALS))
    for code in codes.split()
}
"""Decimal places of the minor unit where they are not 2 (ISO 4217, list one)."""

USUAL_EXPONENT = 2
MAX_FACTOR = 1e6  # an amount of 10**12 times this still fits int64
_CODE = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class DatedRate:
    """From ``valid_from_ms`` on (epoch ms) one major unit is worth ``rate`` major units of the base currency."""

    valid_from_ms: int
    rate: Decimal


@dataclass(frozen=True)
class CurrencyTable:
    """Turns minor units of any listed currency into minor units of ``base``; others are refused, never guessed.

    ``rates`` maps an ISO 4217 code to its dated rates, in any order; a rate holds until the next one. ``exponents``
    overrides or adds to :data:`MINOR_UNIT_EXPONENTS`. The base currency needs no rate. A bad code, a rate that is not
    positive and finite, or two rates of one moment raise :class:`~paywarden.errors.ConfigurationError`.

    >>> CurrencyTable("EUR", {"JPY": [DatedRate(0, Decimal("0.0061"))]}).currencies
    ('EUR', 'JPY')
    """

    base: str
    rates: Mapping[str, Sequence[DatedRate]] = field(default_factory=dict)
    exponents: Mapping[str, int] = field(default_factory=dict)
    _factors: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for code in (self.base, *self.rates, *self.exponents):
            if not isinstance(code, str) or not _CODE.fullmatch(code):
                raise ConfigurationError(f"currency {code!r} is no ISO 4217 code; write three capital letters")
        if self.base in self.rates:
            raise ConfigurationError(f"the base currency {self.base} has rates; remove them, its rate is 1")
        object.__setattr__(self, "_factors", {code: self._factors_of(code) for code in self.rates})

    @property
    def currencies(self) -> tuple[str, ...]:
        """The codes that are known, the base currency first."""
        return (self.base, *sorted(self._factors))

    def exponent(self, currency: str) -> int:
        """Decimal places of the currency's minor unit: 2 for EUR, 0 for JPY, 3 for KWD."""
        return self.exponents.get(currency, MINOR_UNIT_EXPONENTS.get(currency, USUAL_EXPONENT))

    def to_base(
        self, amount: NDArray[np.int64], currency: pa.StringArray, occurred_at: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Amounts in minor units of the base currency, int64 [N], and a mask of the rows that could be converted.

        ``amount`` is in minor units of ``currency``, at most :data:`~paywarden.events.limits.MAX_AMOUNT` in size;
        ``occurred_at`` is epoch ms. The base currency passes unchanged. Others are multiplied in float64 by their
        rate of the moment and rounded half to even. Where the mask is false (currency null or unknown, or no rate
        yet), the amount is 0.
        """
        codes = pc.dictionary_encode(currency)
        index = pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False)
        result = np.zeros(len(amount), dtype=np.int64)
        known = np.zeros(len(amount), dtype=np.bool_)
        for position, code in enumerate(codes.dictionary.to_pylist()):
            if code != self.base and code not in self._factors:
                continue
            rows = np.flatnonzero(index == position)
            if code == self.base:
                result[rows], known[rows] = amount[rows], True
            else:
                result[rows], known[rows] = _convert(amount[rows], occurred_at[rows], *self._factors[code])
        return result, known

    def _factors_of(self, code: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        rates = sorted(self.rates[code], key=lambda dated: dated.valid_from_ms)
        shift = Decimal(10) ** (self.exponent(self.base) - self.exponent(code))
        moments = np.array([dated.valid_from_ms for dated in rates], dtype=np.int64)
        factors = np.array([float(Decimal(dated.rate) * shift) for dated in rates], dtype=np.float64)
        if not rates or not np.all((factors > 0) & (factors <= MAX_FACTOR)):
            raise ConfigurationError(
                f"rates of {code}: each must be positive and, in minor units of {self.base} a minor unit, "
                f"at most {MAX_FACTOR:.0f}; give at least one"
            )
        if np.any(np.diff(moments) == 0):
            raise ConfigurationError(f"rates of {code}: two are valid from the same moment; remove one")
        return moments, factors


def _convert(
    amount: NDArray[np.int64],
    occurred_at: NDArray[np.int64],
    moments: NDArray[np.int64],
    factors: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    which = np.searchsorted(moments, occurred_at, side="right") - 1
    known = which >= 0
    converted = np.rint(amount * factors[np.maximum(which, 0)])
    return np.where(known, converted, 0).astype(np.int64), known
