import numpy as np
import pyarrow as pa

from paywarden.evaluation.segments import AMOUNT_EDGES, amount_bands, card_ages, in_order, segments_of

DAY = 86_400_000


def table(**columns):
    rows = len(next(iter(columns.values())))
    given = {
        "amount_base": [100] * rows,
        "occurred_at": [0] * rows,
        "category": [None] * rows,
        "channel": [None] * rows,
    }
    return pa.table({**given, **columns})


def test_a_band_holds_its_lower_edge():
    amount = np.array([0, 999, 1_000, 4_999, 5_000, 10_000, 50_000, 99_999, 100_000, 10**9])
    assert amount_bands(amount).tolist() == [
        "below 1,000",
        "below 1,000",
        "1,000 to 4,999",
        "1,000 to 4,999",
        "5,000 to 9,999",
        "10,000 to 49,999",
        "50,000 to 99,999",
        "50,000 to 99,999",
        "100,000 and above",
        "100,000 and above",
    ]


def test_labels_are_listed_in_their_own_order():
    bands = amount_bands(np.array([0, *AMOUNT_EDGES])).tolist()
    assert in_order(reversed(bands + bands)) == bands
    assert in_order(["none", "travel", "other", "pharmacy", "none"]) == ["pharmacy", "travel", "other", "none"]


def test_a_card_is_new_for_thirty_days_from_its_first_payment():
    rows = [(0, 0), (0, 29), (0, 30), (1, 40), (1, 69), (1, 70), (-1, 71), (-1, 1)]
    card, day = np.array(rows).T
    ages = ["unclear", "unclear", "known", "new", "new", "known", "none", "none"]
    assert card_ages(card, day * DAY).tolist() == ages
    assert card_ages(card[::-1].copy(), day[::-1] * DAY).tolist() == ages[::-1]


def test_only_the_most_frequent_categories_keep_their_names():
    category = [name for place in range(12) for name in [f"c{place:02}"] * (2 if place < 9 else 1)] + [None] * 5
    labels = segments_of(table(category=category), np.full(len(category), -1))["category"]
    assert sorted(set(labels)) == [*(f"c{place:02}" for place in range(9)), "none", "other"]
    assert (labels == "other").sum() == 3


def test_a_segmentation_with_one_label_is_left_out():
    found = segments_of(table(channel=["online", None, "online"]), np.full(3, -1))
    assert {name: labels.tolist() for name, labels in found.items()} == {"channel": ["online", "none", "online"]}
    assert segments_of(table(channel=[]), np.zeros(0, np.int64)) == {}
