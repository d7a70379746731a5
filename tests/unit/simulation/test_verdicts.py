from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from paywarden.simulation import World
from paywarden.simulation.draft import DAY_MS, HOUR_MS
from paywarden.simulation.verdicts import LONGEST_MS, Reporting


@pytest.fixture(scope="module")
def told():
    """Labels of a month beside the truth and their transactions, row by row."""
    days = list(World(seed=3, cards=4_000, merchants=300, fraud_rate=0.05).days(0, 30))
    transactions, truth, labels = (
        pa.concat_tables([getattr(day, kind) for day in days]) for kind in ("transactions", "truth", "labels")
    )
    rows = pc.index_in(labels["transaction_id"], truth["transaction_id"].combine_chunks())
    return labels, truth.take(rows), transactions.take(rows), truth


def test_about_eight_percent_of_fraud_is_never_reported(told):
    labels, true_of_label, _, truth = told
    reported = pc.sum(pc.and_(labels["is_fraud"], true_of_label["is_fraud"])).as_py()
    assert 1 - reported / pc.sum(truth["is_fraud"]).as_py() == pytest.approx(0.08, abs=0.015)


def test_a_transaction_has_one_label_at_most(told):
    labels = told[0]
    assert pc.count_distinct(labels["transaction_id"]).as_py() == labels.num_rows


def test_few_labels_are_wrong_and_honest_payments_are_cleared_by_analysts(told):
    labels, true_of_label, _, truth = told
    wrong = pc.xor(labels["is_fraud"], true_of_label["is_fraud"]).to_numpy()
    assert 0 < wrong.mean() < 0.004
    cleared = labels.filter(pc.invert(labels["is_fraud"]))
    assert set(cleared["source"].to_pylist()) == {"analyst"}
    assert cleared.num_rows / truth.num_rows == pytest.approx(0.003, rel=0.25)


def test_wrong_labels_can_be_many():
    day = next(World(seed=3, cards=2_000, merchants=100, reporting=Reporting(wrong=0.5)).days(0, 1))
    rows = pc.index_in(day.labels["transaction_id"], day.truth["transaction_id"].combine_chunks())
    wrong = pc.xor(day.labels["is_fraud"], day.truth["is_fraud"].take(rows)).to_numpy()
    assert 0.25 < wrong.mean() < 0.75


def test_the_pattern_is_told_with_a_true_fraud_only(told):
    labels, true_of_label, _, _ = told
    expected = pc.if_else(labels["is_fraud"], true_of_label["pattern"], pa.scalar(None, pa.string()))
    assert labels["pattern"].to_pylist() == expected.to_pylist()


def test_a_label_names_its_transaction(told):
    labels, _, transactions, _ = told
    for column in ("transaction_id", "occurred_at", "routing_key", "entity_card", "entity_merchant"):
        assert labels[column].to_pylist() == transactions[column].to_pylist()


@pytest.mark.parametrize(
    ("source", "shortest", "median_days", "longest"),
    [
        ("chargeback", DAY_MS, (5, 9), 45 * DAY_MS),
        ("analyst", HOUR_MS, (0.1, 0.5), DAY_MS),
        ("issuer_report", DAY_MS, (1.5, 2.5), 3 * DAY_MS),
    ],
)
def test_each_source_takes_its_time(told, source, shortest, median_days, longest):
    labels, _, transactions, _ = told
    mine = pc.equal(labels["source"], source).to_numpy()
    delay = (labels["labelled_at"].to_numpy() - transactions["received_at"].to_numpy())[mine]
    assert delay.min() >= shortest
    assert delay.max() <= longest
    assert median_days[0] < np.median(delay) / DAY_MS < median_days[1]


def test_labels_are_received_soon_after_the_verdict(told):
    labels, _, transactions, _ = told
    transport = labels["received_at"].to_numpy() - labels["labelled_at"].to_numpy()
    assert transport.min() > 0
    assert transport.max() < HOUR_MS
    assert (labels["received_at"].to_numpy() - transactions["received_at"].to_numpy()).max() <= LONGEST_MS


def test_nobody_charges_back_what_was_declined(told):
    labels, _, transactions, _ = told
    chargeback = pc.equal(labels["source"], "chargeback")
    assert set(transactions.filter(chargeback)["auth_result"].to_pylist()) == {"approved"}
