from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.events.value_readers import (
    cast_or_null,
    distance_km,
    labels,
    minor_units,
    numbers,
    renamed,
    texts,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_times_and_booleans_are_no_numbers():
    assert numbers(pa.array([EPOCH])).to_pylist() == [None]
    assert numbers(pa.array([True])).to_pylist() == [None]


def test_plain_decimals_are_numbers():
    assert numbers(pa.array([" 1.50 ", "-2e3", ".5", "1,5", "nan", "inf", "1e999", "0x1", ""])).to_pylist() == [
        1.5,
        -2000.0,
        0.5,
        *[None] * 6,
    ]
    assert numbers(pa.array([Decimal("12.34")])).to_pylist() == [12.34]


def test_major_units_are_scaled_and_rounded_half_to_even():
    values = pa.array([57.16, 0.125, 0.375, -1.0, 1e300, None])
    assert minor_units(values, "major", 2).to_pylist() == [5716, 12, 38, -100, 10**15, None]
    assert minor_units(pa.array(["12.34"] * 3), "major", np.array([0, 2, 3])).to_pylist() == [12, 1234, 12340]


def test_minor_units_must_be_whole():
    assert minor_units(pa.array(["1250", "12.5", "x"]), "minor", 2).to_pylist() == [1250, None, None]


@given(st.integers(0, 10**12))
def test_cents_written_in_euro_come_back(cents):
    assert minor_units(pa.array([cents / 100]), "major", 2).to_pylist() == [cents]
    assert minor_units(pa.array([f"{cents // 100}.{cents % 100:02}"]), "major", 2).to_pylist() == [cents]


@pytest.mark.parametrize(
    "values", [[1, 0, 2, None], ["1", " 0 ", "?", None], ["1.0", "0.00", "1.5", None], [1.0, 0.0, 0.5, None]]
)
def test_labels_are_read_whatever_their_type(values):
    assert labels(pa.array(values), ["1", "true"], ["0", "false"]).to_pylist() == [True, False, None, None]
    assert labels(pa.array([True, False]), ["1", "true"], ["0", "false"]).to_pylist() == [True, False]


def test_values_are_renamed():
    assert renamed(pa.array([1, 0, None, 2]), {"1": "a", "2": "b"}).to_pylist() == ["a", None, None, "b"]
    assert renamed(pa.array([1, None]), {}).to_pylist() == ["1", None]


def test_distances_are_kilometres_along_the_sphere():
    paris, london, nowhere = (48.8566, 2.3522), (51.5074, -0.1278), (None, 0.0)
    pairs = [(*paris, *london), (*paris, *paris), (*paris, *nowhere), (90, 0, -90, 77), (*nowhere, *paris)]
    apart = distance_km([pa.array(values, pa.float64()) for values in zip(*pairs, strict=True)]).to_pylist()
    assert apart == [pytest.approx(343.557, abs=0.01), 0.0, None, pytest.approx(20015.11, abs=0.01), None]


def test_whole_numbers_are_text_without_a_fraction():
    assert texts(pa.array([596.0, None])).to_pylist() == ["596", None]


@given(st.lists(st.sampled_from(["1", "2", "x", None]), max_size=20))
def test_a_refused_value_is_null_and_no_other(values):
    expected = [int(value) if value in {"1", "2"} else None for value in values]
    assert cast_or_null(pa.array(values, pa.string()), pa.int64()).to_pylist() == expected
