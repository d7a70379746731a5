from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.errors import ConfigurationError
from paywarden.events.currency import CurrencyTable, DatedRate

DAY = 86_400_000


def rates(*pairs):
    return [DatedRate(moment, Decimal(rate)) for moment, rate in pairs]


def convert(table, amount, currency, occurred_at=0):
    base, known = table.to_base(np.array([amount]), pa.array([currency], pa.string()), np.array([occurred_at]))
    return (int(base[0]), bool(known[0]))


def test_the_base_currency_passes_exactly():
    assert convert(CurrencyTable("EUR"), 10**18 + 1, "EUR") == (10**18 + 1, True)


def test_minor_units_of_both_currencies_count():
    table = CurrencyTable("EUR", {"JPY": rates((0, "0.0061")), "KWD": rates((0, "3")), "USD": rates((0, "0.9"))})
    assert convert(table, 1_000, "JPY") == (610, True)  # 1000 yen are 6.10 euro
    assert convert(table, 1_500, "KWD") == (450, True)  # 1.500 dinar are 4.50 euro
    assert convert(table, 1_000, "USD") == (900, True)
    assert convert(CurrencyTable("JPY", {"EUR": rates((0, "160"))}), 250, "EUR") == (400, True)


def test_exponents_can_be_set():
    table = CurrencyTable("EUR", {"USD": rates((0, "1"))}, exponents={"USD": 4})
    assert convert(table, 10_000, "USD") == (100, True)


def test_halves_round_to_even():
    table = CurrencyTable("EUR", {"USD": rates((0, "0.5"))})
    assert [convert(table, amount, "USD")[0] for amount in (1, 3, 5, 7)] == [0, 2, 2, 4]


def test_a_rate_holds_from_its_moment_to_the_next_one():
    table = CurrencyTable("EUR", {"USD": rates((2 * DAY, "0.5"), (DAY, "2"))})
    at = [DAY - 1, DAY, 2 * DAY - 1, 2 * DAY, 900 * DAY]
    assert [convert(table, 100, "USD", moment) for moment in at] == [
        (0, False),
        (200, True),
        (200, True),
        (50, True),
        (50, True),
    ]


def test_unknown_and_missing_currencies_are_not_guessed():
    table = CurrencyTable("EUR", {"USD": rates((0, "1"))})
    amounts, currencies = np.array([1, 2, 3, 4]), pa.array(["EUR", None, "XXX", "USD"])
    base, known = table.to_base(amounts, currencies, np.zeros(4, dtype=np.int64))
    assert base.tolist() == [1, 0, 0, 4]
    assert known.tolist() == [True, False, False, True]


@given(st.integers(0, 10**12), st.decimals("0.0001", "1000", places=4))
def test_a_conversion_is_within_one_unit_of_exact_decimals(amount, rate):
    table = CurrencyTable("EUR", {"USD": [DatedRate(0, rate)]})
    exact = (amount * rate).to_integral_value(ROUND_HALF_EVEN)
    assert abs(convert(table, amount, "USD")[0] - exact) <= max(1, exact * Decimal("2e-16"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (("eur",), "ISO 4217"),
        (("EUR", {"US": rates((0, "1"))}), "ISO 4217"),
        (("EUR", {"EUR": rates((0, "1"))}), "base currency"),
        (("EUR", {"USD": []}), "at least one"),
        (("EUR", {"USD": rates((0, "0"))}), "positive"),
        (("EUR", {"USD": rates((0, "NaN"))}), "positive"),
        (("EUR", {"USD": rates((0, "1e9"))}), "at most"),
        (("EUR", {"USD": rates((0, "1"), (0, "2"))}), "same moment"),
    ],
)
def test_a_bad_table_is_refused(table, message):
    with pytest.raises(ConfigurationError, match=message):
        CurrencyTable(*table)
