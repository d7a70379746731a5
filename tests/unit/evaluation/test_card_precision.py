import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.evaluation.card_precision import RankedCards, card_precision

DAY = 86_400_000


def of(rows, cards_a_day):
    """Rows of (day, card, score, fraud)."""
    day, card, score, fraud = (np.array(column) for column in zip(*rows, strict=True))
    return card_precision(fraud.astype(bool), score.astype(float), card, day * DAY + 5, cards_a_day)


def test_a_card_counts_once_a_day_with_its_highest_score_and_label():
    rows = [(0, 1, 0.9, 0), (0, 1, 0.1, 1), (0, 2, 0.8, 0), (0, 3, 0.7, 1)]
    assert of(rows, 2) == 0.5  # cards 1 (a fraud in its lower transaction) and 2 are looked at


def test_a_detected_card_leaves_the_following_days():
    rows = [(0, 1, 0.9, 1), (0, 2, 0.1, 0), (1, 1, 0.9, 1), (1, 2, 0.5, 0), (1, 3, 0.1, 1)]
    assert of(rows, 1) == 0.5  # day 0 finds card 1; day 1 looks at card 2 and finds nothing
    assert of(rows, 2) == 0.5  # day 0: 1 of 2; day 1: card 1 is gone, card 3 makes it 1 of 2


def test_a_missed_card_and_a_wrongly_suspected_one_stay():
    rows = [(0, 1, 0.9, 0), (0, 2, 0.1, 1), (1, 1, 0.9, 1), (1, 2, 0.1, 0)]
    assert of(rows, 1) == 0.5


def test_fewer_cards_than_k_still_divide_by_k():
    assert of([(0, 1, 0.5, 1)], 4) == 0.25


def test_equal_scores_are_taken_by_card_code():
    assert of([(0, 7, 0.5, 1), (0, 3, 0.5, 0)], 1) == 0.0


def test_rows_without_a_card_are_left_out():
    assert of([(0, -1, 0.9, 1), (0, 1, 0.5, 1)], 1) == 1.0
    assert of([(0, -1, 0.9, 1)], 1) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 9), st.booleans()), min_size=1, max_size=30
    ),
    st.integers(1, 3),
)
def test_against_the_handbooks_own_steps(rows, k):
    detected, daily = [], []
    for day in sorted({row[0] for row in rows}):
        cards = {}
        for _, card, score, fraud in (row for row in rows if row[0] == day and row[1] not in detected):
            best = cards.get(card, (-1, False))
            cards[card] = (max(best[0], score), best[1] or fraud)
        top = sorted(cards, key=lambda card: (-cards[card][0], card))[:k]
        hits = [card for card in top if cards[card][1]]
        detected += hits
        daily.append(len(hits) / k)
    assert of(rows, k) == pytest.approx(sum(daily) / len(daily))


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 9), st.booleans()), min_size=1, max_size=30
    ),
    st.integers(1, 4),
    st.lists(st.integers(0, 3), min_size=5, max_size=5),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
)
def test_a_resample_counts_each_copy_of_a_card_as_a_card(rows, k, copies, day_weight):
    copied = [(day, 10 * card + n, score, fraud) for day, card, score, fraud in rows for n in range(copies[card])]
    detected, hits = set(), dict.fromkeys((row[0] for row in rows), 0)
    for day in sorted(hits):
        today = {}
        for _, card, score, fraud in (row for row in copied if row[0] == day and row[1] not in detected):
            best = today.get(card, (-1, False))
            today[card] = (max(best[0], score), best[1] or fraud)
        found = [card for card in sorted(today, key=lambda card: (-today[card][0], card))[:k] if today[card][1]]
        detected |= set(found)
        hits[day] = len(found)
    drawn_days = sum(day_weight[day] for day in hits)
    expected = sum(hits[day] / k * day_weight[day] for day in hits) / drawn_days if drawn_days else None
    day, card, score, fraud = (np.array(column) for column in zip(*rows, strict=True))
    ranked = RankedCards(fraud.astype(bool), score.astype(float), card, day * DAY)
    assert ranked.precision(k, np.array(copies)[card], np.array(day_weight)[day]) == pytest.approx(expected)
