import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.evaluation.test_labels import DAY, ids, label_table

from paywarden.evaluation.labels import verdicts_at
from paywarden.evaluation.maturity import (
    ALL_SOURCES,
    KeptScores,
    count_maturity,
    delay_distribution,
    label_maturity,
)


def truncated(rng, count, scale_days, horizon_days):
    """Delays (exponential) and ages of transactions spread evenly over the horizon; only what has arrived is seen."""
    delay = (rng.exponential(scale_days, count) * DAY).astype(np.int64)
    age = (rng.random(count) * horizon_days * DAY).astype(np.int64)
    seen = delay <= age
    return delay[seen], age[seen]


def test_recent_transactions_do_not_make_labels_look_fast():
    delay, age = truncated(np.random.default_rng(3), 40_000, scale_days=20, horizon_days=60)
    found = delay_distribution(delay, age)
    within_horizon = 1 - np.exp(-60 / 20)
    for days in (2, 10, 20, 40):
        expected = (1 - np.exp(-days / 20)) / within_horizon
        assert found.share_arrived_by(days * DAY) == pytest.approx(expected, abs=0.02)
        naive = (delay <= days * DAY).mean()
        assert naive - expected > 0.04 or days == 40  # what is corrected is no trifle


def naive_product_limit(delay, age):
    """The estimator in plain words, over every pair."""
    seen = sorted(set(delay))
    arrived = {}
    for x in seen:
        share = 1.0
        for u in (other for other in seen if other > x):
            died = sum(d == u for d in delay)
            at_risk = sum(d <= u <= t for d, t in zip(delay, age, strict=True))
            share *= 1 - died / at_risk
        arrived[x] = share
    return arrived


@given(pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_the_estimate_against_a_plain_oracle(pairs):
    delay, age = [d for d, _ in pairs], [d + extra for d, extra in pairs]
    found = delay_distribution(np.array(delay), np.array(age))
    expected = naive_product_limit(delay, age)
    assert found.delay_ms.tolist() == list(expected)
    assert found.arrived.tolist() == pytest.approx(list(expected.values()))
    assert found.arrived[-1] == 1.0
    assert (np.diff(found.arrived) >= 0).all()


def test_where_all_have_arrived_it_is_the_plain_share():
    found = delay_distribution(np.array([1, 2, 2, 4, 10]) * DAY, np.full(5, 100 * DAY))
    assert [found.share_arrived_by(days * DAY) for days in (0, 1, 2, 9, 10)] == pytest.approx([0, 0.2, 0.6, 0.8, 1])
    assert [found.quantile(share) for share in (0.2, 0.5, 0.8, 0.95)] == [DAY, 2 * DAY, 4 * DAY, 10 * DAY]
    assert found.to_dict()["p50_days"] == 2.0


def test_without_labels_there_is_no_distribution():
    nothing = delay_distribution(np.array([], np.int64), np.array([], np.int64))
    assert nothing.quantile(0.5) is None
    assert nothing.share_arrived_by(DAY) == 0.0
    assert nothing.to_dict()["p95_days"] is None


def maturity(*labels, as_of=10 * DAY, delay=5 * DAY, occurred=(0, 0, DAY, 8 * DAY), censored=(0, 0, 0, 0)):
    names = ids(*"abcdefgh"[: len(occurred)])
    declined = np.array(censored, dtype=bool)
    return label_maturity(names, np.array(occurred, np.int64), label_table(*labels), as_of, delay, declined)


def test_each_source_has_its_own_delays_and_the_first_label_counts_for_all():
    found = maturity(
        ("a", 0, DAY, True, "analyst"),
        ("a", 0, 3 * DAY, True, "chargeback"),
        ("a", 0, 4 * DAY, True, "chargeback"),  # said again
        ("b", 0, 7 * DAY, True, "chargeback"),
        ("c", 0, 2 * DAY, False, "analyst"),  # no fraud
        ("d", 0, 12 * DAY, True, "analyst"),  # not here yet
        ("elsewhere", 0, DAY, True, "analyst"),
    )
    assert set(found.delays) == {"analyst", "chargeback", ALL_SOURCES}
    assert found.delays["analyst"].delay_ms.tolist() == [DAY]
    assert found.delays["chargeback"].delay_ms.tolist() == [3 * DAY, 7 * DAY]
    assert found.delays[ALL_SOURCES].delay_ms.tolist() == [DAY, 7 * DAY]
    assert found.suggested_delay_ms() is None  # two frauds tell nothing
    assert "suggested" in str(found.to_dict())


def test_a_label_delay_is_suggested_and_the_present_one_judged():
    rows = [(name, 0, day * DAY, True, "chargeback") for name, day in zip("abcdefgh" * 3, range(24), strict=True)]
    names = pa.chunked_array([pa.array([f"t{i}" for i in range(24)], pa.string())])
    labels = label_table(*[(f"t{i}", *row[1:]) for i, row in enumerate(rows)])
    found = label_maturity(names, np.zeros(24, np.int64), labels, 100 * DAY, 5 * DAY, np.zeros(24, bool))
    assert found.suggested_delay_ms() == 22 * DAY
    assert found.suggested_delay_ms(0.5) == 11 * DAY
    said = " ".join(found.sentences())
    assert "25% are after the label delay of 5 days" in said
    assert "95% after 22 days" in said


def test_every_row_is_mature_immature_or_censored():
    judged = ("b", 0, DAY, True, "analyst")
    found = maturity(judged, censored=(1, 1, 0, 0))  # a: declined, unjudged; b: declined, judged; c: old; d: young
    assert (found.counts.mature, found.counts.immature, found.counts.censored) == (2, 1, 1)
    verdicts = verdicts_at(ids("a", "b"), np.array([0, 9]), label_table(), 10, 5, np.zeros(2, bool))
    some = count_maturity(verdicts, np.zeros(2, bool), np.array([False, True]))
    assert (some.mature, some.immature, some.censored) == (0, 1, 0)


def test_late_labels_correct_earlier_figures():
    kept = KeptScores(
        transaction_ids=ids("a", "b", "c", "d"),
        raw=np.array([3.0, 1.0, 2.0, 0.0]),
        score=np.array([0.9, 0.7, 0.8, 0.5]),
        occurred_at=np.array([0, 0, 0, 8 * DAY]),
        card=np.arange(4),
        amount=np.array([1, 2, 3, 4]),
        censored=np.array([False, False, True, False]),
    )
    labels = label_table(
        ("a", 0, DAY, True, "analyst"),
        ("b", 0, 20 * DAY, True, "chargeback"),
        ("c", 0, 21 * DAY, True, "issuer_report"),
        ("a", 0, 22 * DAY, False, "analyst"),
    )
    early = kept.judged_at(labels, 10 * DAY, 5 * DAY)
    assert (early.amount.tolist(), early.target.tolist()) == ([1, 2], [True, False])
    late = kept.judged_at(labels, 30 * DAY, 5 * DAY)
    assert (late.amount.tolist(), late.target.tolist()) == ([1, 2, 3, 4], [False, True, True, False])
    assert late.raw.tolist() == [3.0, 1.0, 2.0, 0.0]
