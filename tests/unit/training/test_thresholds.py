import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.errors import ConfigurationError, DataError
from paywarden.training.thresholds import AlertBudget, choose_policy


def test_alerts_a_day_times_days_are_flagged():
    raw = np.arange(100.0)
    policy = choose_policy(raw, raw > 90, days=2.0, budget=AlertBudget(alerts_per_day=5))
    assert policy.review_threshold == 90.0
    assert (policy.decide(raw) > 0).sum() == 10
    assert policy.decline_threshold is None


def test_a_share_of_transactions_is_flagged():
    raw = np.arange(1000.0)
    assert (choose_policy(raw, raw > 0, 1.0, AlertBudget(alert_share=0.02)).decide(raw) > 0).sum() == 20


@given(raw=st.lists(st.integers(-5, 5), min_size=1, max_size=60), alerts=st.integers(1, 80))
def test_the_budget_is_never_exceeded_but_by_the_highest_score_alone(raw, alerts):
    scores = np.array(raw, dtype=float)
    policy = choose_policy(scores, scores > 0, 1.0, AlertBudget(alerts_per_day=alerts))
    flagged = (policy.decide(scores) > 0).sum()
    assert flagged <= max(alerts, (scores == scores.max()).sum())
    lower = scores[scores < policy.review_threshold]
    if len(lower):  # the threshold could not have been lower
        assert (scores >= lower.max()).sum() > alerts


def test_declines_keep_the_precision_asked_for():
    raw = np.arange(200.0)
    target = (raw >= 180) | ((raw >= 150) & (raw % 2 == 0))
    policy = choose_policy(raw, target, 1.0, AlertBudget(alerts_per_day=100, decline_precision=0.9))
    declined = raw >= policy.decline_threshold
    assert target[declined].mean() >= 0.9
    assert target[raw >= policy.decline_threshold - 1].mean() < 0.9
    assert policy.decline_threshold > policy.review_threshold


def test_too_few_sure_frauds_decline_nothing():
    raw = np.arange(200.0)
    policy = choose_policy(raw, raw >= 185, 1.0, AlertBudget(alerts_per_day=100, decline_precision=0.99))
    assert policy.decline_threshold is None


@pytest.mark.parametrize(
    "budget", [{"alerts_per_day": 0}, {"alert_share": 0.0}, {"alert_share": 1.1}, {"decline_precision": 0.0}]
)
def test_impossible_budgets_are_refused(budget):
    with pytest.raises(ConfigurationError):
        AlertBudget(**budget)


def test_nothing_to_choose_from_is_said():
    with pytest.raises(DataError, match="Widen"):
        choose_policy(np.empty(0), np.empty(0, dtype=bool), 1.0, AlertBudget())
