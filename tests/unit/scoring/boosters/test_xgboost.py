from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from paywarden.errors import BundleError
from paywarden.scoring.boosters import load_booster


def test_native_bytes_come_back_as_the_same_model(booster, vectors):
    read_back = load_booster("xgboost", booster.to_bytes(), threads=2)
    assert read_back.to_bytes() == booster.to_bytes()
    assert np.array_equal(read_back.predict_margin(vectors), booster.predict_margin(vectors))
    assert read_back.kind == "xgboost"
    assert read_back.feature_count == 3


@pytest.mark.parametrize("size", [1, 7, 64, 512, 999])
def test_any_cut_into_batches_gives_the_same_margins(booster, vectors, size):
    cut = [booster.predict_margin(vectors[start : start + size]) for start in range(0, len(vectors), size)]
    whole = booster.predict_margin(vectors)
    assert whole.dtype == np.float64
    assert np.array_equal(np.concatenate(cut), whole)


def test_contributions_sum_to_the_margin(booster, vectors):
    contributions = booster.contributions(vectors[:50])
    assert contributions.shape == (50, 4)
    assert contributions.sum(axis=1) == pytest.approx(booster.predict_margin(vectors[:50]), abs=1e-5)


def test_no_rows_give_no_results(booster):
    nothing = np.empty((0, 3), dtype=np.float32)
    assert booster.predict_margin(nothing).shape == (0,)
    assert booster.contributions(nothing).shape == (0, 4)


def test_an_infinite_feature_scores_as_the_largest_finite_one(booster):
    infinite = np.array([[np.inf, -np.inf, 0.0]], dtype=np.float32)
    finite = np.array([[3e38, -3e38, 0.0]], dtype=np.float32)
    assert booster.predict_margin(infinite) == booster.predict_margin(finite)
    assert np.array_equal(booster.contributions(infinite), booster.contributions(finite))
    assert np.isinf(infinite[0, 0])  # the caller's vectors, logged with the decision, stay as they were


def test_an_absent_feature_is_not_a_zero(booster, vectors):
    absent = vectors[:300].copy()
    absent[:, 1] = np.nan
    zero = np.nan_to_num(absent)
    assert not np.array_equal(booster.predict_margin(absent), booster.predict_margin(zero))


def test_threads_may_share_a_model(booster, vectors):
    expected = booster.predict_margin(vectors)
    explained = booster.contributions(vectors[:20])
    with ThreadPoolExecutor(4) as pool:
        margins = list(pool.map(booster.predict_margin, [vectors] * 40))
        contributions = list(pool.map(booster.contributions, [vectors[:20]] * 40))
    assert all(np.array_equal(margin, expected) for margin in margins)
    assert all(np.array_equal(contribution, explained) for contribution in contributions)


@pytest.mark.parametrize("content", [b"", b"{}", b"garbage" * 9, b"\x80\x04."])
def test_bytes_that_are_no_model_are_refused(content):
    with pytest.raises(BundleError, match=r"booster\.ubj"):
        load_booster("xgboost", content)


def test_a_model_cut_short_is_refused(booster):
    with pytest.raises(BundleError, match=r"booster\.ubj"):
        load_booster("xgboost", booster.to_bytes()[:-40])


def test_an_unknown_library_is_refused():
    with pytest.raises(BundleError, match="known are"):
        load_booster("sklearn", b"{}")
