import numpy as np
import pytest

from paywarden.evaluation.metrics import average_precision as reported
from paywarden.training.boosters import Examples
from paywarden.training.boosters.stopping import ValidationCurve, average_precision

TARGET = np.array([True, False, True, False])
GOOD, FAIR, POOR = (np.array(score, dtype=np.float32) for score in ([4, 1, 3, 2], [4, 3, 2, 1], [1, 4, 2, 3]))


def examples(target=TARGET, weight=None):
    return Examples(np.zeros((len(target), 1), np.float32), target, weight)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_average_precision_that_is_reported(seed):
    random = np.random.default_rng(seed)
    target = random.random(200) < 0.1
    score = np.round(random.random(200), 1).astype(np.float32)  # many ties
    assert average_precision(target, score) == pytest.approx(reported(target, score.astype(np.float64)), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_a_weight_counts_as_so_many_rows(seed):
    random = np.random.default_rng(seed)
    target, score = random.random(60) < 0.3, np.round(random.random(60), 1)
    weight = random.integers(0, 4, 60)
    repeated = reported(np.repeat(target, weight), np.repeat(score, weight))
    assert average_precision(target, score, weight.astype(np.float32)) == pytest.approx(repeated, abs=1e-12)


def test_without_a_fraud_it_is_zero():
    assert average_precision(np.zeros(4, dtype=bool), GOOD) == 0.0
    assert average_precision(TARGET, GOOD, np.zeros(4, np.float32)) == 0.0


def test_it_ends_when_patience_does_and_keeps_up_to_the_best():
    curve = ValidationCurve(examples(), patience=2)
    assert [curve.ends_with(score) for score in (POOR, GOOD, FAIR, GOOD)] == [False, False, False, True]
    assert curve.rounds == 2  # the first of equals


def test_without_patience_it_never_ends_and_keeps_all():
    curve = ValidationCurve(examples(), patience=0)
    assert not any(curve.ends_with(POOR) for _ in range(9))
    assert curve.rounds == 9


def test_who_is_told_may_end_it():
    told = []
    curve = ValidationCurve(examples(), 50, lambda number, reached: told.append((number, reached)) or number == 1)
    assert [curve.ends_with(score) for score in (GOOD, POOR)] == [False, True]
    assert told == list(enumerate(curve.average_precision))
    assert curve.rounds == 1
