import math

import numpy as np
import pytest
from scipy.stats import ks_2samp

from paywarden.monitoring.distances import kolmogorov_smirnov, psi, usual_psi, wasserstein


def test_equal_shares_are_at_no_distance():
    assert psi(np.array([10, 20, 30]), np.array([10, 20, 30])) == 0
    assert kolmogorov_smirnov(np.array([1, 2, 3]), np.array([10, 20, 30])) == 0
    assert wasserstein(np.array([1, 2, 3]), np.array([10, 20, 30])) == pytest.approx(0)


def test_psi_is_its_formula_with_half_a_row_in_every_bin():
    shares, before = np.array([30.5, 70.5]) / 101, np.array([50.5, 50.5]) / 101
    expected = sum((a - b) * math.log(a / b) for a, b in zip(shares, before, strict=True))
    assert psi(np.array([30, 70]), np.array([50, 50])) == pytest.approx(expected)


def test_the_gap_of_cumulated_shares_is_that_of_the_values():
    left, right = np.array([0] * 3 + [1] * 5 + [2] * 2), np.array([0] * 6 + [1] * 2 + [2] * 2)
    counts = [np.append(np.bincount(side, minlength=3), 0) for side in (left, right)]
    assert kolmogorov_smirnov(*counts) == pytest.approx(ks_2samp(left, right).statistic)


def test_how_far_values_move_is_counted_in_bins():
    assert wasserstein(np.array([0, 10, 0, 0]), np.array([10, 0, 0, 0])) == pytest.approx(1)
    assert wasserstein(np.array([0, 0, 0, 5]), np.array([10, 0, 0, 0])) == 0  # all absent


def test_restless_days_and_few_merchants_make_a_column_restless():
    random = np.random.default_rng(1)
    day = np.repeat(np.arange(20), 200)
    calm = random.integers(0, 4, len(day))
    nobody = [np.full(len(day), -1)]
    usual = usual_psi(calm, 6, day, nobody)
    assert set(usual) == {1, 7}
    assert usual[7] < usual[1] < 0.2
    weekly = np.where(day % 7 < 2, 0, calm)
    assert usual_psi(weekly, 6, day, nobody)[1] > 10 * usual[1]
    merchant = random.integers(0, 8, len(day))
    assert usual_psi(merchant % 4, 6, day, [merchant])[7] > 10 * usual[7]


def test_a_reference_that_is_too_short_says_nothing_of_a_week():
    day = np.repeat(np.arange(5), 50)
    assert set(usual_psi(np.zeros(250, np.int64), 3, day, [])) == {1}
