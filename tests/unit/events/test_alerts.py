"""What an alert says in one line, and what it counts in the queue."""

import pytest

from paywarden.events.alert_notes import AlertNotes
from paywarden.events.alerts import AssumedProbability, headline

REASONS = (("CARD_VELOCITY", "9 payments of the card in 1h"), ("OTHER", "another"))


@pytest.mark.parametrize(
    ("decision", "score", "reasons", "said"),
    [
        ("review", 0.5, REASONS, "9 payments of the card in 1h"),
        ("review", 0.5, (), "review at score 0.500"),
        ("decline", None, (("FALLBACK_STATE", "it is gone"),), "no score, decline by amount alone: it is gone"),
        ("review", None, (), "no score, review by amount alone"),
    ],
)
def test_the_headline_is_the_first_reason_or_what_was_decided(decision, score, reasons, said):
    assert headline(decision, score, reasons) == said


@pytest.mark.parametrize(
    ("decision", "score", "amount", "loss"),
    [
        ("decline", 0.25, 10_000, 2_500),
        ("decline", None, 10_000, 4_000),
        ("review", None, 10_000, 2_000),
        ("review", 0.0, 10_000, 0),
        ("decline", None, -500, 0),
    ],
)
def test_the_expected_loss_is_the_scores_or_what_is_assumed_where_there_is_none(decision, score, amount, loss):
    assert AssumedProbability(review=0.2, decline=0.4).expected_loss(decision, score, amount) == loss


LISTED, LARGE = ("stolen-cards", "block list by card"), ("large", "review where transaction.amount > 1000")


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        (AlertNotes((LISTED,), "approve"), "stolen-cards: block list by card"),
        (AlertNotes((LISTED, LARGE), "approve"), "stolen-cards: block list by card; also large"),
        (AlertNotes((LISTED, LARGE)), "9 payments of the card in 1h; also stolen-cards, large"),
        (AlertNotes((("old", ""),), "approve"), "decline by old"),
    ],
)
def test_the_headline_names_the_list_or_rule_that_decided_and_what_fired_besides(notes, said):
    assert headline("decline", 0.5, REASONS, notes) == said


def test_a_long_headline_is_cut():
    line = headline("review", 0.5, (), AlertNotes((("large", "x" * 500),), "approve"))
    assert len(line) == 160
    assert line.endswith("…")


@pytest.mark.parametrize(
    ("decision", "score", "loss"),
    [("decline", 0.001, 4_000), ("decline", 0.9, 9_000), ("review", 0.001, 2_000), ("decline", None, 4_000)],
)
def test_what_a_rule_decided_counts_at_least_what_is_assumed(decision, score, loss):
    assumed = AssumedProbability(review=0.2, decline=0.4)
    assert assumed.expected_loss(decision, score, 10_000, by_rule=True) == loss
