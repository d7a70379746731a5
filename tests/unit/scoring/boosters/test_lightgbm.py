import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import pytest

from paywarden.errors import BundleError
from paywarden.scoring.boosters import load_booster
from paywarden.scoring.boosters.lightgbm import LightGBMBooster

QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}


@pytest.fixture(scope="module")
def target(vectors):
    return (vectors[:, 0] + np.nan_to_num(vectors[:, 1], nan=1.0) > 1.5).astype(np.float32)


@pytest.fixture(scope="module")
def model(vectors, target):
    rows = lightgbm.Dataset(vectors, target, params=QUIET)
    return lightgbm.train({**QUIET, "objective": "binary", "num_leaves": 8}, rows, 12)


@pytest.fixture(scope="module")
def booster(model):
    return LightGBMBooster(model.model_to_string().encode())


@pytest.fixture(scope="module")
def by_category(vectors, target):
    categories = np.random.default_rng(3).integers(0, 40, len(vectors))
    columns = np.column_stack([vectors[:, :2], categories]).astype(np.float32)
    rows = lightgbm.Dataset(columns, (categories % 3 == 0) * target, categorical_feature=[2], params=QUIET)
    return lightgbm.train({**QUIET, "objective": "binary", "num_leaves": 8, "min_data_per_group": 5}, rows, 12)


def test_native_bytes_come_back_as_the_same_model(booster, vectors):
    read_back = load_booster("lightgbm", booster.to_bytes(), threads=2)
    assert read_back.to_bytes() == booster.to_bytes()
    assert np.array_equal(read_back.predict_margin(vectors), booster.predict_margin(vectors))
    assert read_back.kind == "lightgbm"
    assert read_back.feature_count == 3


def test_a_model_with_categories_comes_back(by_category, vectors):
    content = by_category.model_to_string().encode()
    assert b"cat_threshold=" in content
    assert np.array_equal(
        load_booster("lightgbm", content).predict_margin(vectors), by_category.predict(vectors, raw_score=True)
    )


@pytest.mark.parametrize("size", [1, 7, 64, 999])
def test_any_cut_into_batches_gives_the_same_margins(booster, vectors, size):
    cut = [booster.predict_margin(vectors[start : start + size]) for start in range(0, len(vectors), size)]
    whole = booster.predict_margin(vectors)
    assert whole.dtype == np.float64
    assert np.array_equal(np.concatenate(cut), whole)


def test_contributions_sum_to_the_margin(booster, vectors):
    contributions = booster.contributions(vectors[:50])
    assert contributions.shape == (50, 4)
    assert contributions.dtype == np.float64
    assert contributions.sum(axis=1) == pytest.approx(booster.predict_margin(vectors[:50]), abs=1e-9)


def test_no_rows_give_no_results(booster):
    nothing = np.empty((0, 3), dtype=np.float32)
    assert booster.predict_margin(nothing).shape == (0,)
    assert booster.contributions(nothing).shape == (0, 4)


def test_an_infinite_feature_scores_as_the_largest_finite_one(booster):
    infinite = np.array([[np.inf, -np.inf, 0.0]], dtype=np.float32)
    finite = np.array([[3e38, -3e38, 0.0]], dtype=np.float32)
    assert booster.predict_margin(infinite) == booster.predict_margin(finite)
    assert np.array_equal(booster.contributions(infinite), booster.contributions(finite))
    assert np.isinf(infinite[0, 0])


def test_an_absent_feature_is_not_a_zero(booster, vectors):
    absent = vectors[:300].copy()
    absent[:, 1] = np.nan
    assert not np.array_equal(booster.predict_margin(absent), booster.predict_margin(np.nan_to_num(absent)))


def test_threads_may_share_a_model(booster, vectors):
    expected, explained = booster.predict_margin(vectors), booster.contributions(vectors[:20])
    with ThreadPoolExecutor(4) as pool:
        margins = list(pool.map(booster.predict_margin, [vectors] * 40))
        contributions = list(pool.map(booster.contributions, [vectors[:20]] * 40))
    assert all(np.array_equal(margin, expected) for margin in margins)
    assert all(np.array_equal(contribution, explained) for contribution in contributions)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"garbage" * 9, b"\x80\x04.", b"tree\nversion=v4\n\n", "träg".encode()]
)
def test_bytes_that_are_no_model_are_refused(content):
    with pytest.raises(BundleError, match=r"booster\.txt"):
        load_booster("lightgbm", content)


DAMAGED = [
    (b"version=v4", b"version=v3"),
    (b"num_class=1", b"num_class=2"),
    (b"objective=binary sigmoid:1", b"objective=regression"),
    (b"max_feature_idx=2", b"max_feature_idx=1"),
    (b"Tree=3\n", b"Tree=4\n"),
    (b"tree_sizes=", b"tree_sizes=9"),
    (b"end of trees", b"end of treez"),
    (b"feature_importances", b"feature_importance_"),
    (b"num_leaves=8", b"num_leaves=9"),
    (b"\nleaf_value=", b"\nleaf_valuf="),
    (rb"left_child=-?\d+", b"left_child=0"),  # a node that is its own child: a walk without end
    (rb"left_child=-?\d+", b"left_child=9"),
    (b"split_feature=0", b"split_feature=7"),
    (b"num_cat=0", b"num_cat=1"),
    (b"is_linear=0", b"is_linear=1"),
    (b"shrinkage=", b"shrinkage=x"),
]


@pytest.mark.parametrize(("good", "bad"), DAMAGED)
def test_a_damaged_model_is_refused(booster, good, bad):
    content = booster.to_bytes()
    assert re.search(good, content)
    with pytest.raises(BundleError, match=r"booster\.txt"):
        load_booster("lightgbm", re.sub(good, bad, content, count=1))


def test_categories_without_their_bits_are_refused(by_category):
    content = by_category.model_to_string().encode()
    start = content.index(b"cat_boundaries=") + len(b"cat_boundaries=0 ")
    with pytest.raises(BundleError, match=r"booster\.txt"):
        load_booster("lightgbm", content[:start] + b"7" + content[start + 1 :])


DAMAGE_ANYWHERE = """
import sys
import numpy as np
from paywarden.errors import BundleError
from paywarden.scoring.boosters import load_booster
content, random, ends = sys.stdin.buffer.read(), np.random.default_rng(0), {"read": 0, "refused": 0}
for place in random.integers(0, len(content), 200):
    damaged = bytearray(content)
    damaged[place] = random.choice(list(b"0123456789 -.=e:"))
    try:
        booster = load_booster("lightgbm", bytes(damaged))
        booster.predict_margin(np.ones((9, 3), np.float32))
    except BundleError:
        ends["refused"] += 1
    else:
        ends["read"] += 1
print(ends["read"], ends["refused"])
"""


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_no_damaged_byte_ends_the_process(model, by_category, kind):
    """It is read, with another number in it, or refused."""
    content = {"numeric": model, "categorical": by_category}[kind].model_to_string().encode()
    run = subprocess.run([sys.executable, "-c", DAMAGE_ANYWHERE], input=content, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    read, refused = map(int, run.stdout.split()[-2:])  # LightGBM may say something before
    assert read > 50
    assert refused > 50


def test_a_model_without_its_last_line_is_refused(booster):
    content = booster.to_bytes()
    with pytest.raises(BundleError, match="cut short"):
        load_booster("lightgbm", content[: content.index(b"pandas_categorical")])
