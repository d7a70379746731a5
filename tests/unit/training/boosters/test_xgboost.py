import json

import numpy as np
import pytest

from paywarden.evaluation.metrics import average_precision
from paywarden.training.boosters import Examples, XGBoostTrainer

TRAINER = XGBoostTrainer(max_depth=3, max_rounds=60, early_stopping_rounds=5, learning_rate=0.3, threads=1)


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(2)
    features = random.normal(size=(4000, 3)).astype(np.float32)
    target = features[:, 0] + 0.5 * random.normal(size=4000) > 2
    return Examples(features[:2500], target[:2500]), Examples(features[2500:], target[2500:])


def test_equal_runs_give_equal_bytes_and_another_seed_does_not(examples):
    sampled = XGBoostTrainer(max_depth=3, max_rounds=20, subsample=0.5, threads=2)
    first = sampled.fit(*examples, seed=1).booster.to_bytes()
    assert sampled.fit(*examples, seed=1).booster.to_bytes() == first
    assert sampled.fit(*examples, seed=2).booster.to_bytes() != first


def test_the_trees_after_the_best_round_are_dropped(examples):
    fitted = TRAINER.fit(*examples, seed=0)
    curve = fitted.validation_average_precision
    assert fitted.rounds == int(np.argmax(curve)) + 1 < len(curve) <= 60
    validation = examples[1]
    reached = average_precision(validation.target, fitted.booster.predict_margin(validation.features))
    assert reached == pytest.approx(max(curve), abs=1e-6)  # XGBoost keeps six digits
    assert reached > 0.6


def test_without_early_stopping_every_round_is_kept(examples):
    fitted = XGBoostTrainer(max_rounds=7, early_stopping_rounds=0, threads=1).fit(*examples, seed=0)
    assert fitted.rounds == len(fitted.validation_average_precision) == 7


def test_exact_trees_can_be_asked_for(examples):
    fitted = XGBoostTrainer(max_rounds=5, tree_method="exact", max_depth=3, threads=1).fit(*examples, seed=0)
    assert fitted.booster.feature_count == 3


def test_the_hyperparameters_are_json():
    document = json.loads(json.dumps(TRAINER.to_dict()))
    assert document["kind"] == "xgboost"
    assert document["max_depth"] == 3
