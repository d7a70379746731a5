import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.evaluation.labels import NEVER, fraud_known_at, known_compromised, labels_known_at, verdicts_at

DAY = 86_400_000
SCHEMA = pa.schema(
    {
        "transaction_id": pa.string(),
        "labelled_at": pa.int64(),
        "received_at": pa.int64(),
        "is_fraud": pa.bool_(),
        "source": pa.string(),
        "pattern": pa.string(),
    }
)


def label_table(*rows):
    """Rows of (transaction_id, labelled_at, received_at, is_fraud, source)."""
    records = [dict(zip(SCHEMA.names, (*row, "cloned" if row[3] else None), strict=True)) for row in rows]
    return pa.Table.from_pylist(records, schema=SCHEMA)


def ids(*names):
    return pa.chunked_array([pa.array(names, pa.string())])


def resolved(table, as_of=100):
    return {row["transaction_id"]: row["is_fraud"] for row in labels_known_at(table, as_of).to_pylist()}


def test_a_label_counts_from_the_millisecond_of_its_arrival():
    labels = label_table(("a", 1, 50, True, "chargeback"))
    assert resolved(labels, 49) == {}
    assert resolved(labels, 50) == {"a": True}


@pytest.mark.parametrize(
    ("rows", "fraud"),
    [
        ([("a", 1, 1, False, "analyst"), ("a", 9, 9, True, "chargeback")], False),
        ([("a", 9, 9, False, "chargeback"), ("a", 1, 1, True, "issuer_report")], True),
        ([("a", 9, 9, False, "rumour"), ("a", 1, 1, True, "chargeback")], True),
        (
            [("a", 5, 9, False, "analyst"), ("a", 6, 7, True, "analyst")],
            True,
        ),  # judged later, though it arrived earlier
        ([("a", 5, 9, True, "analyst"), ("a", 5, 7, False, "analyst")], True),  # judged together: the later arrival
        ([("a", 5, 5, True, "analyst"), ("a", 5, 5, False, "analyst")], False),  # all equal: the later row
        ([("a", 5, 5, True, "chargeback"), ("a", 7, 101, False, "analyst")], True),  # the verdict is still on its way
    ],
)
def test_contradictions_are_resolved_by_source_then_by_time(rows, fraud):
    assert resolved(label_table(*rows)) == {"a": fraud}


def test_each_transaction_gets_one_label():
    labels = label_table(*[(name, 1, i, True, "chargeback") for i, name in enumerate("bacabc")])
    assert labels_known_at(labels, 100)["transaction_id"].to_pylist() == ["a", "b", "c"]


LABELS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 20),
        st.integers(0, 20),
        st.booleans(),
        st.sampled_from(["analyst", "issuer_report", "chargeback", "other"]),
    ),
    max_size=12,
)


@given(rows=LABELS, as_of=st.integers(-1, 21))
def test_the_rule_against_a_plain_oracle(rows, as_of):
    weight = {"analyst": 3, "issuer_report": 2, "chargeback": 1, "other": 0}
    best = {}
    for place, (name, labelled_at, received_at, is_fraud, source) in enumerate(rows):
        rank = (weight[source], labelled_at, received_at, place)
        if received_at <= as_of and (name not in best or rank > best[name][0]):
            best[name] = (rank, is_fraud)
    assert resolved(label_table(*rows), as_of) == {name: is_fraud for name, (_, is_fraud) in best.items()}


@given(early=LABELS, late=LABELS)
def test_labels_that_arrive_later_change_nothing(early, late):
    before = label_table(*early)
    after = label_table(*early, *[(name, at, 21 + seen, *rest) for name, at, seen, *rest in late])
    arguments = (ids("a", "b", "c", "d"), np.array([0, 5, 10, 20]))
    for field in ("fraud", "labelled", "mature", "known", "pattern"):
        expected = getattr(verdicts_at(*arguments, before, 20, 7), field)
        assert np.array_equal(getattr(verdicts_at(*arguments, after, 20, 7), field), expected)


def test_silence_is_a_negative_only_after_maturity_and_never_after_a_decline():
    labels = label_table(("fraud", 95, 96, True, "analyst"), ("genuine", 95, 96, False, "analyst"))
    verdicts = verdicts_at(
        ids("old", "at_the_edge", "young", "fraud", "genuine", "declined", "declined_fraud"),
        np.array([10, 90, 91, 95, 95, 10, 10]),
        pa.concat_tables([labels, label_table(("declined_fraud", 20, 30, True, "issuer_report"))]),
        as_of=100,
        label_delay_ms=10,
        censored=np.array([False, False, False, False, False, True, True]),
    )
    assert verdicts.fraud.tolist() == [False, False, False, True, False, False, True]
    assert verdicts.labelled.tolist() == [False, False, False, True, True, False, True]
    assert verdicts.mature.tolist() == [True, True, False, False, False, True, True]
    assert verdicts.known.tolist() == [True, True, False, True, True, False, True]
    assert verdicts.pattern.tolist() == [None, None, None, "cloned", None, None, "cloned"]


def test_the_first_fraud_label_dates_the_knowledge():
    labels = label_table(("a", 1, 40, True, "chargeback"), ("a", 2, 30, True, "analyst"), ("b", 1, 5, False, "analyst"))
    assert fraud_known_at(ids("b", "a", "c"), labels).tolist() == [NEVER, 30, NEVER]


def test_without_labels_nothing_is_known():
    nothing = label_table()
    assert verdicts_at(ids("a"), np.array([0]), nothing, 100, 10).labelled.tolist() == [False]
    assert fraud_known_at(ids("a"), nothing).tolist() == [NEVER]


def test_a_card_is_compromised_from_the_day_after_its_label_arrived():
    card = np.array([0, 0, 0, 0, 1, -1, 2, 2])
    occurred_at = np.array([1, 3 * DAY, 4 * DAY - 1, 4 * DAY, 4 * DAY, 4 * DAY, 0, 4 * DAY])
    known_at = np.array([3 * DAY, NEVER, NEVER, NEVER, NEVER, 0, 0, NEVER])
    # Card 0: the label arrives at the first moment of day 3, so day 3 goes on and day 4 is left out. Card 2's fraud
    # lies before `since`; a row without a card is never left out.
    expected = [False, False, False, True, False, False, False, False]
    assert known_compromised(card, occurred_at, known_at, since=1).tolist() == expected
    assert known_compromised(card, occurred_at, known_at, since=0)[-1]


def test_no_cards_at_all_leave_everything_in():
    nothing = known_compromised(np.array([-1, -1]), np.array([0, DAY]), np.array([0, NEVER]), since=0)
    assert nothing.tolist() == [False, False]
