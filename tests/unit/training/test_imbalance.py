import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from paywarden.errors import ConfigurationError, DataError
from paywarden.training.boosters import Examples
from paywarden.training.imbalance import STRATEGIES, Resampling, treat, weights_of

RATIO = Resampling(ratio=0.25)


def simulated(rows, seed=1):
    """Rows whose true log-odds of fraud are 1.5 × the first number − 4, some five in a hundred frauds."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 2)).astype(np.float32)
    log_odds = 1.5 * features[:, 0] - 4.0
    return Examples(features, random.random(rows) < expit(log_odds)), log_odds


@pytest.fixture(scope="module")
def sample():
    return simulated(40_000)


def fitted_log_odds(treated, features):
    weight = weights_of(treated.examples)
    model = LogisticRegression(C=1e6).fit(treated.examples.features, treated.examples.target, weight)
    return model.decision_function(features) + treated.prior_offset


@pytest.mark.parametrize("strategy", ["none", "class_weight", "undersampling"])
def test_the_correction_recovers_the_true_probabilities(sample, strategy):
    examples, log_odds = sample
    treated = treat(strategy, examples, {}, RATIO, seed=3)
    corrected = fitted_log_odds(treated, examples.features)
    assert corrected == pytest.approx(log_odds, abs=0.35)
    assert expit(corrected).mean() == pytest.approx(examples.target.mean(), rel=0.05)


def test_smote_is_corrected_for_its_prior_and_for_nothing_else(sample):
    """What lies between frauds is no fraud's likeness: the mean is near, the shape is not, so it is calibrated too."""
    examples, _ = sample
    treated = treat("smote", examples, {}, RATIO, seed=3)
    assert expit(fitted_log_odds(treated, examples.features)).mean() == pytest.approx(examples.target.mean(), rel=0.3)


@pytest.mark.parametrize("strategy", ["undersampling", "smote"])
def test_the_ratio_asked_for_is_reached(sample, strategy):
    target = treat(strategy, sample[0], {}, RATIO, seed=3).examples.target
    assert target.sum() / (~target).sum() == pytest.approx(0.25, rel=1e-3)


def test_undersampling_keeps_every_fraud_and_the_order_of_rows(sample):
    examples, _ = sample
    kept = treat("undersampling", examples, {}, RATIO, seed=3).examples
    assert kept.target.sum() == examples.target.sum()
    place = {row.tobytes(): number for number, row in enumerate(examples.features)}
    places = [place[row.tobytes()] for row in kept.features]
    assert places == sorted(places)


def test_classes_weigh_the_same_under_class_weight(sample):
    examples, _ = sample
    weight = np.random.default_rng(2).uniform(1, 5, len(examples.target)).astype(np.float32)
    treated = treat("class_weight", Examples(examples.features, examples.target, weight), {}, RATIO, 3).examples
    assert treated.weight[examples.target].sum() == pytest.approx(treated.weight[~examples.target].sum(), rel=1e-4)
    assert np.array_equal(treated.weight[~examples.target], weight[~examples.target])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_stay_beside_their_rows_and_count_in_the_prior(sample, strategy):
    """Every genuine row stands for two: the same as without weights, but at half the odds."""
    examples, _ = sample
    weight = np.where(examples.target, 1, 2).astype(np.float32)
    treated = treat(strategy, Examples(examples.features, examples.target, weight), {}, RATIO, 3)
    kept = treated.examples
    assert kept.features.dtype == weights_of(kept).dtype == np.float32
    assert len(kept.features) == len(kept.target) == len(kept.weight)
    assert (kept.weight[~kept.target] == 2).all()
    plain = treat(strategy, examples, {}, RATIO, 3)
    extra = np.log(0.5) if strategy == "class_weight" else 0.0
    assert treated.prior_offset == pytest.approx(plain.prior_offset + extra, abs=1e-6)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equal_seeds_give_equal_rows(sample, strategy):
    first, again, other = (treat(strategy, sample[0], {}, RATIO, seed).examples for seed in (3, 3, 4))
    assert np.array_equal(first.features, again.features)
    assert np.array_equal(first.features, other.features) == (strategy in ("none", "class_weight"))


def test_what_needs_no_resampling_is_said(sample):
    for strategy in ("undersampling", "smote"):
        with pytest.raises(DataError, match="no fewer than the ratio"):
            treat(strategy, sample[0], {}, Resampling(ratio=0.01), 3)


@pytest.mark.parametrize("wrong", [{"ratio": 0.0}, {"ratio": float("nan")}, {"neighbours": 0}])
def test_impossible_resampling_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        Resampling(**wrong)
