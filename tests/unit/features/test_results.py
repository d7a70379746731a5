"""From merged cells to values: the small formulas against exact arithmetic and at their edges."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paywarden.features.aggregations import ALL
from paywarden.features.cells import SQUARES_CAP
from paywarden.features.results import (
    FIRST_KNOWN,
    KNOWN,
    RATE_PRIOR,
    RATE_STRENGTH,
    RESULTS,
    Result,
    burst,
    finalise,
    fraud_rate,
    matured_fraud_rate,
    maximum,
    mean,
    ratio_to_mean,
    share,
    std,
    zscore,
)

NAN = math.nan
many = settings(max_examples=200, deadline=None)
whole = st.integers(-(2**40), 2**40)
groups = st.lists(st.tuples(st.integers(-SQUARES_CAP, SQUARES_CAP), st.integers(1, 500)), min_size=1, max_size=4)


def same(found, expected):
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


def cells_of(pairs):
    """Count, sum and sum of squares of values that occur so many times."""
    return tuple(sum(value**power * times for value, times in pairs) for power in (0, 1, 2))


@many
@given(groups)
@example([(SQUARES_CAP, 500), (SQUARES_CAP - 1, 1)])
@example([(7, 1)])
@example([(-5, 2)])
def test_a_deviation_is_that_of_exact_arithmetic(pairs):
    count, total, squares = cells_of(pairs)
    variance = Fraction(squares, count) - Fraction(total, count) ** 2
    same(std(count, total, squares), math.sqrt(variance) if count > 1 else NAN)


@many
@given(groups, whole)
@example([(SQUARES_CAP, 500), (SQUARES_CAP - 1, 1)], SQUARES_CAP)
def test_a_zscore_is_that_of_exact_arithmetic(pairs, value):
    count, total, squares = cells_of(pairs)
    variance = Fraction(squares, count) - Fraction(total, count) ** 2
    expected = float(value - Fraction(total, count)) / math.sqrt(variance) if count >= 3 and variance else NAN
    same(zscore(count, total, squares, float(value)), expected)


@pytest.mark.parametrize("value", [0, 1, 999, 33_333_333, SQUARES_CAP, -SQUARES_CAP])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 500, 2_048])
def test_equal_values_have_no_spread(value, count):
    cells = cells_of([(value, count)])
    same(std(*cells), 0.0 if count > 1 else NAN)
    same(zscore(*cells, value + 5.0), NAN)


def test_squares_that_stay_at_their_cap_have_no_spread_below_nothing():
    count, total = 1_000, 1_000 * 10**12
    assert std(count, total, 2**63 - 1) == 0
    assert math.isnan(zscore(count, total, 2**63 - 1, 10.0**12))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (mean(0, 0), NAN),
        (mean(0, 5), NAN),
        (mean(4, -10), -2.5),
        (maximum(0), NAN),
        (maximum(1), 0.0),
        (maximum(2**32 - 1), 2.0**32 - 2),
        (ratio_to_mean(0, 0, 5.0), NAN),
        (ratio_to_mean(2, 0, 5.0), NAN),
        (ratio_to_mean(2, -8, 5.0), NAN),
        (ratio_to_mean(2, 8, 0.0), 0.0),
        (ratio_to_mean(2, 8, -6.0), -1.5),
        (share(0, 0), NAN),
        (share(0, 3), 0.0),
        (share(3, 4), 0.75),
        (share(4, 4), 1.0),
        (matured_fraud_rate(0, 5, 5), NAN),
        (matured_fraud_rate(0, 9, 5), 0.0),
        (matured_fraud_rate(1, 9, 5), 0.25),
        (matured_fraud_rate(4, 6, 5), 1.0),
        (matured_fraud_rate(2, 5, 5), 1.0),
        (burst(0, 0, 168), 1.0),
        (burst(0, 168, 168), 0.5),
        (burst(3, 168, 168), 2.0),
        (burst(1, 1, 1), 1.0),
        (burst(9, 1, 0), 5.0),
        (std(0, 0, 0), NAN),
        (std(1, 5, 25), NAN),
        (std(2, 10, 52), 1.0),
        (zscore(2, 10, 52, 7.0), NAN),
        (zscore(4, 20, 104, 7.0), 2.0),
        (zscore(4, 20, 104, 4.0), -1.0),
    ],
)
def test_formulas_at_their_edges(value, expected):
    same(value, expected)


@many
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_rate_lies_between_its_prior_and_what_was_seen(frauds, count):
    rate = fraud_rate(frauds, count)
    assert rate == pytest.approx((frauds + RATE_PRIOR * RATE_STRENGTH) / (count + RATE_STRENGTH), rel=1e-12)
    if count:
        low, high = sorted((RATE_PRIOR, frauds / count))
        assert low * (1 - 1e-12) <= rate <= high * (1 + 1e-12)
    assert fraud_rate(0, 0) == pytest.approx(RATE_PRIOR)


@many
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.integers(1, 2_000))
def test_a_burst_is_positive_and_one_where_as_much_came_as_was_expected(short, extra, windows):
    assert burst(short, short * windows, windows) == pytest.approx(1.0)
    assert burst(short, short + extra, windows) > 0


@many
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_a_share_lies_between_nothing_and_all(part, rest):
    found = share(part, part + rest)
    assert math.isnan(found) if part + rest == 0 else 0 <= found <= 1


def read(result, words, value=0, places=(0, 1, 2)):
    return finalise(int(result), np.array([*words, 0, 0, 0], np.int64), *places, np.int64(value))


@pytest.mark.parametrize(
    ("result", "words", "expected"),
    [
        (Result.COUNT, (7,), 7.0),
        (Result.SUM, (-7,), -7.0),
        (Result.MEAN, (4, 10), 2.5),
        (Result.MAX, (8,), 7.0),
        (Result.RATIO_TO_MEAN, (4, 10), 5 / 2.5),
        (Result.ZSCORE, (4, 20, 104), 0.0),
        (Result.STD, (4, 20, 104), 1.0),
        (Result.FRAUD_RATE, (1, 10), 1.1 / 20),
        (Result.SHARE, (1, 4), 0.25),
        (Result.BURST, (3, 4), 4 / 3),
        (Result.DISTINCT, (1, 0, 0, 0), -256 * math.log(255 / 256)),
        (Result.DISTINCT_FEW, (3,), -64 * math.log(62 / 64)),
        (Result.FIRST_TIME, (0,), 1.0),
        (Result.FIRST_TIME, (2,), 0.0),
        (Result.FIRST_TIME_OF, (1 << 5,), 0.0),
        (Result.FIRST_TIME_OF, (1 << 6,), 1.0),
    ],
    ids=str,
)
def test_every_result_reads_its_words(result, words, expected):
    same(read(result, words, value=5), expected)
    words = [0] * 9 + list(words)
    same(read(result, words, value=5, places=(9, 10, 2 if result == Result.BURST else 11)), expected)


def test_what_the_header_tells_is_not_in_the_cells():
    known = list(Result)[FIRST_KNOWN:]
    assert [result.name for result in known] == [
        *("SECONDS_SINCE_LAST", "SECONDS_SINCE_FRAUD", "FRAUD_RUN_SECONDS", "SPEED_KMH"),
    ]
    assert len(known) == KNOWN
    assert all(math.isnan(read(result, (1, 1, 1))) for result in known)


def test_every_result_is_read_by_some_aggregation_and_numbered_without_a_gap():
    assert {aggregation.reads for aggregation in ALL.values()} == set(Result)
    assert [int(result) for result in Result] == list(range(RESULTS))
