import json

import pyarrow as pa
import pytest

from paywarden.jobs.scorecard import scorecard

DAY = 86_400_000


def decisions(*rows):
    """Each row: id, decision, raw score, amount, card."""
    ids, decision, raw, amount, card = zip(*rows, strict=True)
    return pa.table(
        {
            "transaction_id": ids,
            "decision": decision,
            "raw_score": pa.array(raw, pa.float64()),
            "score": pa.array([0.5] * len(rows), pa.float64()),
            "amount_base": pa.array(amount, pa.int64()),
            "entity_card": pa.array(card, pa.string()),
            "occurred_at": pa.array([DAY] * len(rows), pa.int64()),
        }
    )


DECIDED = decisions(
    ("a", "review", 2.0, 100, "c1"),
    ("b", "decline", 3.0, 1_000, "c2"),
    ("c", "approve", -1.0, 10_000, "c3"),
    ("d", "review", 1.5, 7, "c4"),
    ("e", "approve", -2.0, 9, None),
)
TRUTH = pa.table(
    {
        "transaction_id": ["e", "d", "c", "b", "a", "never decided"],
        "is_fraud": [False, False, True, True, True, True],
        "pattern": [None, None, "testing", "testing", None, "testing"],
    }
)


def test_what_was_caught_and_missed_and_what_it_was_worth():
    card = scorecard(DECIDED, TRUTH, "card", 1.0)
    assert (card.transactions, card.frauds, card.caught, card.missed, card.false_alerts) == (5, 3, 2, 1, 1)
    assert card.precision == pytest.approx(2 / 3)
    assert card.recall == pytest.approx(2 / 3)
    assert (card.value_saved, card.value_of_fraud) == (1_100, 11_100)
    assert card.caught_by_pattern == {"testing": 1, "unnamed": 1}
    assert card.missed_by_pattern == {"testing": 1}
    assert card.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)


def test_a_decision_without_a_known_truth_is_left_out():
    known = TRUTH.filter(pa.array([True, True, True, False, True, True]))
    card = scorecard(DECIDED, known, "card", 1.0)
    assert (card.transactions, card.caught, card.value_saved) == (4, 1, 100)


def test_the_order_and_chunks_of_the_decisions_do_not_matter():
    shuffled = pa.concat_tables([DECIDED.slice(3), DECIDED.slice(0, 3)])
    truth = pa.concat_tables([TRUTH.slice(2), TRUTH.slice(0, 2)])
    assert scorecard(shuffled, truth, "card", 1.0) == scorecard(DECIDED, TRUTH, "card", 1.0)


def test_without_frauds_or_alerts_no_figure_is_made_up():
    genuine = TRUTH.set_column(1, "is_fraud", pa.array([False] * 6))
    card = scorecard(DECIDED.filter(pa.array([False, False, True, False, True])), genuine, "card", 1.0)
    assert (card.frauds, card.caught, card.precision, card.recall, card.value_of_fraud) == (0, 0, 0.0, 0.0, 0)
    assert card.average_precision is None
    assert card.caught_by_pattern == {}


def test_it_is_a_json_document():
    document = scorecard(DECIDED, TRUTH, "card", 1.0).to_dict()
    assert json.loads(json.dumps(document)) == document
