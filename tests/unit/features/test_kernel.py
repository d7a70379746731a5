"""What the fold reads and notes, by examples worked out by hand: the naive oracle is not asked."""

import math
import statistics

import numpy as np
import pytest
from tests.parity.streams import START_MS, Draft, build
from tests.parity.xxh64 import xxh64

from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.events import Verdict, from_tables
from paywarden.features.feature import Feature
from paywarden.features.kernel import is_idle
from paywarden.features.replay import replay
from paywarden.features.windows import DAY, DAY_MS, HOUR, MINUTE_MS, MONTH, QUARTER, SECOND_MS, WEEK, Window

NAN = math.nan
PARIS, SYDNEY, NOWHERE = (48.8566, 2.3522), (-33.8688, 151.2093), (0.0, 0.0)
PARIS_TO_SYDNEY_KM = 16_960


def at(day, **changes):
    """An authorisation of card a this many days after the start; arrives at once."""
    return day, {"card": "a", "merchant": "m", "amount": 100, "transaction_type": "authorisation"} | changes


def values(feature, *events):
    """The feature before each of these events, in the order in which they are given: that of arrival."""
    catalogue = Catalogue(("card", "merchant"), (feature,))
    arrived, drafts, before = 0, [], 0
    for day, fields in events:
        occurred = round(day * DAY_MS)
        arrived = max(arrived + 1, occurred)
        drafts.append(Draft(gap_ms=occurred - before, delay_ms=arrived - occurred, **fields))
        before = occurred
    stream = build(drafts)
    return replay(stream.transactions, stream.labels, catalogue).features[:, 0].tolist()


def same(found, expected, rel=1e-6):
    assert found == pytest.approx(expected, rel=rel, nan_ok=True)


def test_speed_is_that_from_the_latest_place():
    speed = Feature("card", "speed_kmh")
    hour = 1 / 24
    found = values(
        speed,
        at(0),
        at(1, place=PARIS),
        at(1 + hour, place=PARIS),
        at(1 + 3 * hour, place=SYDNEY),
        at(1 + 4 * hour, place=NOWHERE),
        at(1 + 5 * hour),
        at(1 + 13 * hour, place=PARIS),
    )
    same(found, [NAN, NAN, 0, PARIS_TO_SYDNEY_KM / 2, NAN, NAN, PARIS_TO_SYDNEY_KM / 10], rel=1e-3)


def test_speed_counts_at_least_a_minute():
    second = SECOND_MS / DAY_MS
    for gap, minutes in ((0, 1), (second, 1), (60 * second, 1), (120 * second, 2)):
        found = values(Feature("card", "speed_kmh"), at(1, place=PARIS), at(1 + gap, place=SYDNEY))
        same(found, [NAN, PARIS_TO_SYDNEY_KM * 60 / minutes], rel=1e-3)


def test_a_place_that_arrives_late_is_read_both_ways_and_not_kept():
    found = values(
        Feature("card", "speed_kmh"), at(2, place=PARIS), at(1, place=SYDNEY), at(3, place=PARIS), at(3, place=SYDNEY)
    )
    same(found, [NAN, PARIS_TO_SYDNEY_KM / 24, 0, PARIS_TO_SYDNEY_KM * 60], rel=1e-3)


def test_of_two_places_at_one_time_the_one_that_arrived_last_is_kept():
    found = values(Feature("card", "speed_kmh"), at(1, place=PARIS), at(1, place=SYDNEY), at(2, place=SYDNEY))
    assert found[2] == 0


@pytest.mark.parametrize("kind", ["refund", "reversal"])
def test_only_authorisations_place_a_card(kind):
    there = at(1, place=SYDNEY, transaction_type=kind)
    found = values(Feature("card", "speed_kmh"), at(0, place=PARIS), there, at(2, place=PARIS))
    same(found, [NAN, PARIS_TO_SYDNEY_KM / 24, 0], rel=1e-3)
    assert values(Feature("card", "seconds_since_last"), at(0), at(1, transaction_type=kind), at(2))[1:] == [
        *(86_400, 2 * 86_400),
    ]


def labelled(day, *days):
    """A transaction with a fraud label that arrives so many days after the start."""
    return at(day, labels=tuple((round((arrival - day) * DAY_MS), True) for arrival in days))


def test_a_run_of_frauds_begins_with_its_first_report_and_ends_a_week_after_its_last():
    events = [labelled(0, 1), labelled(0.5, 5), labelled(0.75, 13), at(0.9), at(1), at(6), at(12), at(12.001), at(14)]
    days = [NAN, NAN, NAN, NAN, 0, 5, 11, NAN, 1]
    same(values(Feature("card", "fraud_run_seconds"), *events), [day * 86_400 for day in days])
    since = [NAN, NAN, NAN, NAN, 0, 1, 7, 7.001, 1]
    same(values(Feature("card", "seconds_since_fraud"), *events), [day * 86_400 for day in since])


def test_a_report_a_week_after_the_last_prolongs_the_run_and_a_later_one_begins_another():
    run = Feature("card", "fraud_run_seconds")
    same(values(run, labelled(0, 1), labelled(0.5, 8), at(9))[2:], [8 * 86_400])
    same(values(run, labelled(0, 1), labelled(0.5, 8.001), at(9))[2:], [0.999 * 86_400])


def test_only_reports_of_fraud_are_frauds():
    honest = at(0, labels=((DAY_MS, False),))
    assert math.isnan(values(Feature("card", "seconds_since_fraud"), honest, at(2))[1])
    assert math.isnan(values(Feature("card", "fraud_run_seconds"), honest, at(2))[1])


HISTORY = [at(day, amount=amount) for day, amount in enumerate((98, 102, 98, 102))]


@pytest.mark.parametrize(("amount", "anomalies"), [(106, 0), (107, 1), (10**6, 1), (94, 0), (0, 0)])
def test_an_anomaly_is_more_than_three_deviations_above_the_mean(amount, anomalies):
    counted = values(Feature("card", "count_of", "anomaly", WEEK), *HISTORY, at(4, amount=amount), at(4.5))
    assert counted == [0, 0, 0, 0, 0, anomalies]


@pytest.mark.parametrize("changes", [{"transaction_type": "refund"}, {"transaction_type": "reversal"}])
def test_only_authorisations_are_anomalies(changes):
    odd = at(4, amount=10**6, **changes)
    assert values(Feature("card", "count_of", "anomaly", WEEK), *HISTORY, odd, at(4.5))[-1] == 0


def test_an_anomaly_needs_a_history():
    few = HISTORY[:2]
    assert values(Feature("card", "count_of", "anomaly", WEEK), *few, at(4, amount=10**6), at(4.5))[-1] == 0
    forgotten = [*HISTORY, at(64, amount=10**6), at(64.5)]
    assert values(Feature("card", "count_of", "anomaly", WEEK), *forgotten)[-1] == 0


def test_a_repeat_of_an_anomaly_is_none():
    odd = at(4, amount=10**6, repeats=((1, 10**6), (2, 10**6)))
    counted = values(Feature("card", "count_of", "anomaly", WEEK), *HISTORY, odd, at(4.5))
    same(counted, [0, 0, 0, 0, 0, NAN, NAN, 1])


def test_shares_are_of_the_transactions_that_were_observed():
    events = [at(0, amount=499), at(0.01, amount=500), at(0.02, amount=1_000), at(0.03, amount=0), at(0.04)]
    same(values(Feature("card", "share", "small", DAY), *events), [NAN, 1, 1 / 2, 1 / 3, 2 / 4])
    same(values(Feature("card", "share", "round", DAY), *events), [NAN, 0, 0, 1 / 3, 1 / 4])


def test_refunds_are_counted_apart():
    events = [at(0), at(0.1, transaction_type="refund"), at(0.2, transaction_type="refund"), at(0.3)]
    assert values(Feature("card", "refund_count", None, MONTH), *events) == [0, 0, 1, 2]
    assert values(Feature("card", "count", None, MONTH), *events) == [0, 1, 1, 1]
    assert values(Feature("card", "sum", "amount", MONTH), *events) == [0, 100, 100, 100]


def test_declines_are_counted_and_are_transactions():
    events = [at(0, declined=True), at(0.1, declined=None), at(0.2, declined=True), at(0.21)]
    assert values(Feature("card", "count_of", "declined", DAY), *events) == [0, 1, 1, 2]
    assert values(Feature("card", "count", None, DAY), *events) == [0, 1, 2, 3]


def test_a_burst_is_held_against_what_the_longer_window_expects():
    minute = 1 / 24 / 60
    events = [*(at(day) for day in range(6)), at(6 - 2 * minute), at(6 - minute), at(6), at(6 + minute)]
    before_in_an_hour = [0] * 7 + [1, 2, 3]
    before_in_a_week = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    expected = [(hour + 1) / (week / 168 + 1) for hour, week in zip(before_in_an_hour, before_in_a_week, strict=True)]
    same(values(Feature("card", "burst", None, HOUR, WEEK), *events), expected)


def test_the_first_time_of_a_value_is_remembered_for_the_window():
    categories = ("cash", "cash", None, "travel", "cash")
    events = [at(day, category=category) for day, category in enumerate(categories)]
    first = Feature("card", "first_time_of", "category", QUARTER)
    same(values(first, *events), [1, 0, NAN, 1, 0])
    weekly = Feature("card", "first_time_of", "category", WEEK)
    assert values(weekly, at(0, category="cash"), at(6.9, category="cash"), at(14, category="cash")) == [1, 0, 1]


def test_hours_of_the_day_are_told_apart():
    hour = 1 / 24
    events = [at(h * hour) for h in range(24)] + [at(1 + h * hour) for h in range(24)]
    assert values(Feature("card", "first_time_of", "hour", QUARTER), *events) == [1] * 24 + [0] * 24
    same(values(Feature("card", "distinct_few", "hour", QUARTER), *events)[-1:], [-64 * math.log(40 / 64)])


def test_rings_of_every_length_forget_on_their_own():
    """One a day for forty days: windows of unequal tiles each hold what falls into them."""
    windows = (Window(3 * DAY_MS, DAY_MS, "3d"), WEEK, MONTH, QUARTER)
    days = [at(day) for day in range(100)]
    for window in windows:
        tile = window.tile_ms // DAY_MS
        start = START_MS // DAY_MS
        expected = []
        for day in range(100):
            oldest = ((start + day) // tile - window.tiles + 1) * tile - start
            expected.append(day - max(oldest, 0))
        assert values(Feature("card", "count", None, window), *days) == expected, window.name


THREE_DAYS = Window(3 * DAY_MS, DAY_MS, "3d")


@pytest.mark.parametrize(
    ("days", "counts"),
    [
        ((5, 4, 5), (0, 0, 2)),
        ((5, 3, 5), (0, 0, 2)),
        ((5, 2, 5.5), (0, 0, 1)),
        ((5, 1, 5.5), (0, 0, 1)),
        ((1, 5, 3), (0, 0, 0)),
        ((3, 5, 3.5), (0, 1, 1)),
        ((4, 5, 3.5, 3.7), (0, 1, 0, 1)),
    ],
)
def test_what_comes_late_is_read_at_its_own_time_and_kept_if_the_ring_still_reaches_it(days, counts):
    assert values(Feature("card", "count", None, THREE_DAYS), *map(at, days)) == list(counts)


def test_what_comes_late_does_not_set_the_latest_time_back():
    found = values(Feature("card", "seconds_since_last"), *map(at, (0, 5, 3, 6)))
    same(found, [NAN, 5 * 86_400, 0, 86_400])


AMOUNTS = (7, 500, 3, 81, 81, 2_000, 40, 9, 650, 12, 12, 5, 90, 1_000, 33)
CATEGORIES = [f"c{day * day % 11}" for day in range(len(AMOUNTS))]


def bits(texts):
    return len({xxh64(text.encode()) % 64 for text in texts})


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        ("count", None, lambda amounts, _: len(amounts)),
        ("sum", "amount", lambda amounts, _: sum(amounts)),
        ("max", "amount", lambda amounts, _: max(amounts, default=NAN)),
        ("std", "amount", lambda amounts, _: statistics.pstdev(amounts) if len(amounts) > 1 else NAN),
        ("distinct_few", "category", lambda _, texts: -64 * math.log(1 - bits(texts) / 64)),
    ],
)
@pytest.mark.parametrize("tiles", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("step", [1, 2])
def test_a_window_slides_over_its_ring(name, field, expected, tiles, step):
    """One transaction every ``step`` days; before each, the window covers its day and those before it."""
    feature = Feature("card", name, field, Window(tiles * DAY_MS, DAY_MS, "x"))
    events = [
        at(step * i, amount=amount, category=category)
        for i, (amount, category) in enumerate(zip(AMOUNTS, CATEGORIES, strict=True))
    ]
    covered = [range(max(0, math.ceil((step * i - tiles + 1) / step)), i) for i in range(len(events))]
    wanted = [expected([AMOUNTS[i] for i in past], [CATEGORIES[i] for i in past]) for past in covered]
    same(values(feature, *events), wanted)


def test_rows_that_are_not_in_the_order_are_left_alone():
    catalogue = Catalogue(("card",), (Feature("card", "count", None, DAY),))
    engine = Engine(catalogue)
    stream = build([Draft(MINUTE_MS, "a", "m", 100, "authorisation", 0) for _ in range(4)])
    events = from_tables(stream.transactions, stream.labels, catalogue.inputs)
    vectors = np.full((4, engine.width), -7, np.float32)
    states = np.zeros((1, engine.words("card")), np.int64)
    verdicts = np.full(4, Verdict.SCORED, np.int8)
    engine.fold("card", events, np.array([1, 3]), verdicts, states, np.zeros(4, np.int64), vectors)
    assert vectors[:, 0].tolist() == [-7, 0, -7, 1]


@pytest.mark.parametrize(
    ("clocks", "as_of", "idle"),
    [
        ((1_000, 0), 1_100, False),
        ((1_000, 0), 1_101, True),
        ((0, 1_000), 1_100, False),
        ((900, 1_000), 1_101, True),
        ((1_000, 900), 1_100, False),
        ((1_000, 0), 5, False),
        ((0, 0), 101, True),
    ],
)
def test_a_record_is_idle_by_the_later_of_its_clocks(clocks, as_of, idle):
    assert is_idle(np.array([*clocks, 5], np.int64), as_of, 100) == idle
