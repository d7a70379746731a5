from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xgboost

from paywarden.errors import BundleError
from paywarden.scoring.boosters import load_booster
from paywarden.scoring.boosters.compiled_trees import DEEPEST
from paywarden.scoring.boosters.xgboost import XGBoostBooster


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
    assert contributions.dtype == np.float64
    assert contributions.sum(axis=1) == pytest.approx(booster.predict_margin(vectors[:50]), abs=1e-5)


@pytest.mark.parametrize("size", [1, 3, 4, 49])
def test_any_cut_into_batches_gives_the_same_contributions(booster, vectors, size):
    cut = [booster.contributions(vectors[start : start + size]) for start in range(0, 100, size)]
    assert np.array_equal(np.concatenate(cut)[:100], booster.contributions(vectors[:100]))


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


MODELS = {
    "usual": {},
    "estimated intercept": {"base_score": 0.0173},
    "one leaf a tree": {"gamma": 1e9},
    "one level": {"max_depth": 1},
    "grown by loss": {"tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 9, "max_depth": 8},
    "several trees a round": {"num_parallel_tree": 3, "subsample": 0.7},
    "signed to one side": {"monotone_constraints": "(1,0,-1)"},
    "deeper than is compiled": {"max_depth": DEEPEST + 8, "min_child_weight": 0, "reg_lambda": 0},
    "trees that drop out": {"booster": "dart", "rate_drop": 0.5},
    "another objective": {"objective": "reg:squarederror", "base_score": 0.3},
}
NOT_COMPILED = {"deeper than is compiled", "trees that drop out", "another objective"}


@pytest.mark.parametrize("name", MODELS)
def test_margins_have_the_bits_of_xgboost(vectors, name):
    noise = np.random.default_rng(2).random(len(vectors))
    target = np.nan_to_num(vectors).sum(axis=1) + 4 * noise > 3
    parameters = {"objective": "binary:logistic", "base_score": 0.5, "nthread": 1, "seed": 1, **MODELS[name]}
    model = xgboost.train(parameters, xgboost.DMatrix(vectors, target), 15)
    booster = XGBoostBooster(model)
    expected = model.predict(xgboost.DMatrix(vectors), output_margin=True)
    assert np.array_equal(booster.predict_margin(vectors), expected.astype(np.float64))
    assert (booster.compiled is None) == (name in NOT_COMPILED)
    explained = model.predict(xgboost.DMatrix(vectors[:200]), pred_contribs=True)
    assert booster.contributions(vectors[:200]) == pytest.approx(explained, abs=1e-5, rel=1e-5)


def test_values_at_a_split_go_the_way_of_xgboost():
    """Few distinct values, each of them a split, and absent ones that go left at one split and right at another."""
    random = np.random.default_rng(6)
    vectors = random.integers(-3, 4, (3000, 4)).astype(np.float32)
    vectors[random.random(vectors.shape) < 0.3] = np.nan
    target = np.nan_to_num(vectors[:, 0] * vectors[:, 1], nan=2.0) + np.nan_to_num(vectors[:, 2], nan=-2.0) > 1
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(vectors, target), 30)
    booster = XGBoostBooster(model)
    assert booster.compiled is not None
    expected = model.predict(xgboost.DMatrix(vectors), output_margin=True)
    assert np.array_equal(booster.predict_margin(vectors), expected.astype(np.float64))
    explained = model.predict(xgboost.DMatrix(vectors[:300]), pred_contribs=True)
    assert booster.contributions(vectors[:300]) == pytest.approx(explained, abs=1e-5, rel=1e-5)


def test_an_unknown_library_is_refused():
    with pytest.raises(BundleError, match="known are"):
        load_booster("sklearn", b"{}")
