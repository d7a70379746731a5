import numpy as np
import pytest

from paywarden.errors import DataError
from paywarden.training import smote
from paywarden.training.boosters import Examples
from paywarden.training.smote import synthetic_frauds

ROWS = 400


@pytest.fixture
def examples():
    """Frauds around 10 and 20, an absent number here and there, one that all frauds lack, and one that none does."""
    random = np.random.default_rng(4)
    target = np.arange(ROWS) % 10 == 0
    features = random.normal(size=(ROWS, 4)).astype(np.float32)
    features[:, 0] = np.where(target, np.where(random.random(ROWS) < 0.5, 10, 20), 0) + features[:, 0] / 10
    features[:, 1] = features[:, 1] * 1e6 + 5e7
    features[random.random(ROWS) < 0.4, 1] = np.nan
    features[target, 2] = np.nan
    return Examples(features, target)


def test_what_is_made_up_lies_between_frauds(examples):
    made = synthetic_frauds(examples, {}, 500, 3, seed=1)
    frauds = examples.features[examples.target]
    assert made.shape == (500, 4)
    assert made.dtype == np.float32
    for column in (0, 3):
        assert made[:, column].min() >= frauds[:, column].min()
        assert made[:, column].max() <= frauds[:, column].max()
    near_ten, near_twenty = made[:, 0] < 12, made[:, 0] > 18
    assert (near_ten | near_twenty).mean() > 0.9  # neighbours are near
    assert min(near_ten.sum(), near_twenty.sum()) > 50


def test_absence_is_kept_and_no_median_enters_a_row(examples):
    made = synthetic_frauds(examples, {}, 500, 3, seed=1)
    frauds = examples.features[examples.target]
    present = frauds[~np.isnan(frauds[:, 1]), 1]
    absent = np.isnan(made[:, 1])
    assert absent.mean() == pytest.approx(np.isnan(frauds[:, 1]).mean(), abs=0.15)
    assert made[~absent, 1].min() >= present.min() * (1 - 1e-6)
    assert made[~absent, 1].max() <= present.max() * (1 + 1e-6)
    assert np.isnan(made[:, 2]).all()


def test_beside_an_absent_number_the_present_one_is_taken_as_it_is():
    """Two frauds, one with a number and one without: what is made has that number or none."""
    features = np.array([[0.0, 7.0], [1.0, np.nan], [0.5, 3.0], [0.5, 4.0]], np.float32)
    made = synthetic_frauds(Examples(features, np.array([True, True, False, False])), {}, 200, 5, seed=1)
    absent = np.isnan(made[:, 1])
    assert made[~absent, 1] == pytest.approx(np.full((~absent).sum(), 7.0), rel=1e-6)
    assert 60 < absent.sum() < 140


def test_a_category_is_one_that_frauds_have(examples):
    random = np.random.default_rng(5)
    codes = random.integers(0, 50, ROWS).astype(np.float32)
    codes[examples.target] = np.where(examples.features[examples.target, 0] < 15, 7, 33)
    codes[np.flatnonzero(examples.target)[:2]] = np.nan
    with_codes = Examples(np.column_stack([codes, examples.features]), examples.target)
    made = synthetic_frauds(with_codes, {0: codes}, 300, 3, seed=1)
    assert set(made[~np.isnan(made[:, 0]), 0]) <= {7.0, 33.0}
    assert ((made[:, 0] == 7) == (made[:, 1] < 15))[~np.isnan(made[:, 0])].mean() > 0.9


def test_a_rate_is_the_mean_of_its_category(examples):
    codes = np.where(examples.features[:, 0] < 15, 1, 2).astype(np.float32)
    rates = codes / 100 + np.linspace(0, 0.001, ROWS, dtype=np.float32)
    with_rates = Examples(np.column_stack([rates, examples.features]), examples.target)
    made = synthetic_frauds(with_rates, {0: codes}, 100, 3, seed=1)
    means = [rates[examples.target & (codes == code)].astype(float).mean() for code in (1, 2)]
    assert set(made[:, 0]) == {np.float32(mean) for mean in means}


def test_pieces_are_as_good_as_one(examples, monkeypatch):
    codes = (np.arange(ROWS) % 3).astype(np.float32)
    monkeypatch.setattr(smote, "_BYTES_A_PIECE", 8 * 3 * 9 * 40)  # 40 rows with three neighbours of nine columns each
    made = synthetic_frauds(
        Examples(np.column_stack([codes, examples.features]), examples.target), {0: codes}, 101, 3, seed=1
    )
    assert len(made) == 101
    assert len(np.unique(made[:, 1])) == 101  # every piece draws anew


def test_one_fraud_has_no_neighbour():
    with pytest.raises(DataError, match="two frauds"):
        synthetic_frauds(Examples(np.zeros((3, 1), np.float32), np.array([True, False, False])), {}, 5, 5, 0)
