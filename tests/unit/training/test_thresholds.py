import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.errors import ConfigurationError, DataError
from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.predictions import Predictions
from paywarden.training.thresholds import (
    AlertBudget,
    ExpectedCost,
    MinimumPrecision,
    choose_policy,
    doubts,
    rule_to_dict,
)


def judged(raw, target, score=None, amount=None):
    """Predictions of these raw scores; what thresholds do not look at is empty or 0."""
    raw, rows = np.asarray(raw, dtype=float), len(raw)
    return Predictions(
        target=np.asarray(target, dtype=bool),
        raw=raw,
        score=np.zeros(rows) if score is None else score,
        occurred_at=np.zeros(rows, np.int64),
        card=np.zeros(rows, np.int64),
        amount=np.zeros(rows, np.int64) if amount is None else amount,
        pattern=np.full(rows, None, dtype=object),
    )


def test_alerts_a_day_times_days_are_flagged():
    raw = np.arange(100.0)
    policy = choose_policy(judged(raw, raw > 90), 2.0, AlertBudget(alerts_per_day=5))
    assert policy.review_threshold == 90.0
    assert (policy.decide(raw) > 0).sum() == 10
    assert policy.decline_threshold is None


def test_a_share_of_transactions_is_flagged():
    raw = np.arange(1000.0)
    assert (choose_policy(judged(raw, raw > 0), 1.0, AlertBudget(alert_share=0.02)).decide(raw) > 0).sum() == 20


@given(raw=st.lists(st.integers(-5, 5), min_size=1, max_size=60), alerts=st.integers(1, 80))
def test_the_budget_is_never_exceeded_but_by_the_highest_score_alone(raw, alerts):
    scores = np.array(raw, dtype=float)
    policy = choose_policy(judged(scores, scores > 0), 1.0, AlertBudget(alerts_per_day=alerts))
    flagged = (policy.decide(scores) > 0).sum()
    assert flagged <= max(alerts, (scores == scores.max()).sum())
    lower = scores[scores < policy.review_threshold]
    if len(lower):  # the threshold could not have been lower
        assert (scores >= lower.max()).sum() > alerts


def test_declines_keep_the_precision_asked_for():
    raw = np.arange(200.0)
    target = (raw >= 180) | ((raw >= 150) & (raw % 2 == 0))
    policy = choose_policy(judged(raw, target), 1.0, AlertBudget(alerts_per_day=100, decline_precision=0.9))
    declined = raw >= policy.decline_threshold
    assert target[declined].mean() >= 0.9
    assert target[raw >= policy.decline_threshold - 1].mean() < 0.9
    assert policy.decline_threshold > policy.review_threshold


def test_too_few_sure_frauds_decline_nothing():
    raw = np.arange(200.0)
    policy = choose_policy(judged(raw, raw >= 185), 1.0, AlertBudget(alerts_per_day=100, decline_precision=0.99))
    assert policy.decline_threshold is None


@pytest.mark.parametrize(
    "budget", [{"alerts_per_day": 0}, {"alert_share": 0.0}, {"alert_share": 1.1}, {"decline_precision": 0.0}]
)
def test_impossible_budgets_are_refused(budget):
    with pytest.raises(ConfigurationError):
        AlertBudget(**budget)


def test_nothing_to_choose_from_is_said():
    with pytest.raises(DataError, match="Widen"):
        choose_policy(judged(np.empty(0), np.empty(0)), 1.0, AlertBudget())


@pytest.mark.parametrize("wrong", [{"review_precision": 0.0}, {"decline_precision": 1.5}])
def test_impossible_precisions_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        MinimumPrecision(**wrong)


scores = st.lists(st.tuples(st.integers(-6, 6), st.booleans(), st.integers(1, 4)), min_size=1, max_size=80)


@given(rows=scores, review=st.sampled_from([0.2, 0.5, 0.8]), decline=st.sampled_from([None, 0.5, 0.9]))
def test_precisions_are_those_of_a_naive_search(rows, review, decline):
    raw, target, weight = (np.array(column) for column in zip(*rows, strict=True))
    policy = choose_policy(
        replace(judged(raw, target), weight=weight.astype(np.float32)), 1.0, MinimumPrecision(review, decline)
    )

    def lowest(precision, least):
        holds = [
            score
            for score in np.unique(raw)
            if score >= least
            and (raw >= score).sum() >= 20
            and weight[(raw >= score) & target].sum() / weight[raw >= score].sum() >= precision
        ]
        return min(holds, default=None)

    expected = lowest(review, -np.inf)
    assert policy.review_threshold == (raw.max() if expected is None else expected)
    assert policy.decline_threshold == (None if decline is None else lowest(decline, policy.review_threshold))


costs = st.builds(
    CostMatrix,
    review_cost=st.integers(0, 40),
    false_decline_cost=st.integers(0, 100),
    loss_share=st.sampled_from([0.5, 1.0]),
    chargeback_fee=st.integers(0, 20),
    recovered_share=st.sampled_from([0.3, 0.9, 1.0]),
)
risks = st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 300), st.integers(1, 3)), min_size=1, max_size=25)


@given(rows=risks, matrix=costs, declines=st.booleans())
def test_expected_costs_are_those_of_a_naive_search(rows, matrix, declines):
    raw, amount, weight = (np.array(column) for column in zip(*rows, strict=True))
    fraud = 1 / (1 + np.exp(-raw / 2))
    loss = fraud * (amount * matrix.loss_share + matrix.chargeback_fee)

    def cost(review, decline):
        reviewed, declined = (raw >= review) & (raw < decline), raw >= decline
        each = np.where(reviewed, matrix.review_cost + loss * (1 - matrix.recovered_share), loss)
        return weight @ np.where(declined, (1 - fraud) * matrix.false_decline_cost, each)

    steps = [*np.unique(raw), np.inf]
    pairs = [(r, d) for r in steps for d in (steps if declines else [np.inf]) if d >= r]
    rule = ExpectedCost(matrix, declines=declines)
    policy = choose_policy(replace(judged(raw, raw > 0, fraud, amount), weight=weight.astype(np.float32)), 1.0, rule)
    chosen = cost(policy.review_threshold, np.inf if policy.decline_threshold is None else policy.decline_threshold)
    assert chosen == pytest.approx(min(cost(*pair) for pair in pairs))


def test_what_is_doubtful_of_a_policy_is_said():
    raw, fraud = np.arange(100.0), np.full(100, 0.5)
    predictions = judged(raw, raw > 97, fraud, np.full(100, 10))
    for rule, words in [
        (AlertBudget(alerts_per_day=60), "60 alerts a day is no smaller than the 50 transactions a day"),
        (MinimumPrecision(0.9), "No threshold flags 20 or more transactions of which 90%"),
        (ExpectedCost(CostMatrix(review_cost=10_000)), "no alert is worth what it takes"),
    ]:
        policy = choose_policy(predictions, 2.0, rule)
        assert words in " ".join(doubts(predictions, 2.0, rule, policy))
    fine = AlertBudget(alerts_per_day=5)
    assert doubts(predictions, 2.0, fine, choose_policy(predictions, 2.0, fine)) == ()


def test_rules_are_told_apart_in_json():
    rules = [AlertBudget(), MinimumPrecision(), ExpectedCost(CostMatrix())]
    assert [rule_to_dict(rule)["by"] for rule in rules] == ["alert_budget", "minimum_precision", "expected_cost"]
    assert json.loads(json.dumps(rule_to_dict(rules[2]))) == rule_to_dict(rules[2])
