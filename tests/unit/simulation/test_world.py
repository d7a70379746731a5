from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from paywarden.errors import ConfigurationError
from paywarden.events.schema import EventSchema
from paywarden.simulation import World, arrivals
from paywarden.simulation.draft import DAY_MS, PATTERNS

_FIRST_OF_DECEMBER_2026_MS = 1_796_083_200_000

_DIGEST = """
import hashlib
from paywarden.simulation import World
day = next(World(seed=11, cards=300, merchants=80, entities=("card", "merchant", "device")).days(4, 5))
digest = hashlib.sha256()
for table in (day.transactions, day.labels, day.truth):
    digest.update(repr(table.to_pylist()).encode())
print(digest.hexdigest())
"""


def _same(left, right) -> bool:
    return left.day == right.day and all(
        getattr(left, table).equals(getattr(right, table)) for table in ("transactions", "labels", "truth")
    )


def _fraud_rate(days) -> float:
    truth = pa.concat_tables([day.truth for day in days])
    return pc.mean(truth["is_fraud"]).as_py()


def test_a_day_has_the_canonical_columns_in_order_of_receipt(days):
    day = days[3]
    assert day.transactions.schema == EventSchema().transaction_schema()
    assert day.labels.schema == EventSchema().label_schema()
    for table in (day.transactions, day.labels):
        assert np.all(np.diff(table["received_at"].to_numpy()) >= 0)
    assert day.truth["transaction_id"].equals(day.transactions["transaction_id"])
    assert day.transactions["routing_key"].equals(day.transactions["entity_card"])
    assert pc.min(day.transactions["amount"]).as_py() > 0
    for column in set(day.transactions.column_names) - {"latitude", "longitude"}:
        assert day.transactions[column].null_count == 0


def test_payments_occur_on_their_day_and_only_those_made_in_person_have_a_place(days, world):
    for day in days:
        occurred_at = day.transactions["occurred_at"].to_numpy()
        assert np.all((occurred_at - world.start_at_ms) // DAY_MS == day.day)
        assert day.begins_at_ms == world.start_at_ms + day.day * DAY_MS
        placed = pc.is_in(day.transactions["channel"], pa.array(["in_person", "atm"]))
        assert pc.is_valid(day.transactions["latitude"]).equals(placed)
        assert pc.is_valid(day.transactions["longitude"]).equals(placed)


def test_ids_are_unique_over_the_days_and_say_nothing_of_fraud(days):
    ids = pa.concat_tables([day.transactions.select(["transaction_id"]) for day in days])["transaction_id"]
    assert pc.count_distinct(ids).as_py() == len(ids)
    rank = np.concatenate([np.linspace(0, 1, day.truth.num_rows) for day in days])
    fraud = np.concatenate([day.truth["is_fraud"].to_numpy() for day in days])
    assert abs(rank[fraud].mean() - rank[~fraud].mean()) < 0.15


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_the_same_world_comes_out_in_any_portions(world, cut):
    whole = list(world.days(0, 10))
    again = World(seed=world.seed, cards=world.cards, merchants=world.merchants)
    portions = [*again.days(0, cut), *again.days(cut, 10)]
    assert all(_same(left, right) for left, right in zip(whole, portions, strict=True))


def test_a_day_alone_equals_that_day_in_a_run(days, world):
    assert _same(next(world.days(7, 8)), days[7])


def test_another_seed_gives_another_world(world, days):
    other = next(World(seed=8, cards=world.cards, merchants=world.merchants).days(0, 1))
    assert not other.transactions.equals(days[0].transactions)


def test_a_day_is_the_same_in_every_process():
    digests = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "271828")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize(
    ("cards", "rate", "tolerance"),
    [(5_000, 0.01, 0.07), (5_000, 0.015, 0.07), (5_000, 0.02, 0.07), (1_000, 0.015, 0.2)],
)
def test_the_fraud_rate_holds_over_a_month(cards, rate, tolerance):
    days = World(seed=21, cards=cards, merchants=400, fraud_rate=rate).days(0, 30)
    assert _fraud_rate(days) == pytest.approx(rate, rel=tolerance)


def test_the_fraud_rate_holds_at_christmas_when_people_pay_more():
    world = World(seed=21, cards=5_000, merchants=400, fraud_rate=0.01)
    january = list(world.days(0, 28))
    december = list(replace(world, start_at_ms=_FIRST_OF_DECEMBER_2026_MS).days(0, 28))
    payments = [sum(day.truth.num_rows for day in month) for month in (january, december)]
    assert payments[1] > 1.2 * payments[0]
    assert _fraud_rate(december) == pytest.approx(0.01, rel=0.07)


def test_without_fraud_there_is_none():
    assert _fraud_rate(World(seed=1, cards=200, merchants=60, fraud_rate=0.0).days(0, 10)) == 0.0


def test_patterns_have_their_shares():
    shares = (0.4, 0.3, 0.2, 0.1)
    days = list(World(seed=5, cards=3_000, merchants=400, pattern_shares=shares).days(0, 30))
    patterns = pa.concat_tables([day.truth for day in days]).filter(pc.field("is_fraud"))["pattern"]
    counted = {row["values"]: row["counts"] / len(patterns) for row in patterns.value_counts().to_pylist()}
    assert [counted[name] for name in PATTERNS] == pytest.approx(shares, abs=0.04)


def test_a_share_of_nothing_leaves_a_pattern_out():
    days = list(World(seed=5, cards=1_000, merchants=400, pattern_shares=(0.5, 0.0, 0.5, 0.0)).days(0, 10))
    patterns = pa.concat_tables([day.truth for day in days])["pattern"]
    assert set(patterns.to_pylist()) == {None, PATTERNS[0], PATTERNS[2]}


def test_six_months_take_no_more_memory_than_two():
    world = World(seed=5, cards=100, merchants=60, fraud_rate=0.2)
    next(world.days(0, 1))
    peaks = []
    for last in (60, 180):  # after 45 days as many labels arrive as are made
        tracemalloc.start()
        before = arrow = pa.total_allocated_bytes()
        for _day in arrivals(world.days(0, last), drain=False):
            arrow = max(arrow, pa.total_allocated_bytes())
        peaks.append(arrow - before + tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("seed", -1),
        ("cards", 3),
        ("merchants", 10),
        ("start_at_ms", 1),
        ("fraud_rate", 0.5),
        ("pattern_shares", (0.5, 0.5, 0.5, -0.5)),
        ("pattern_shares", (1.0,)),
        ("entities", ()),
        ("entities", ("device", "card")),
        ("entities", ("card", "terminal")),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(argument, value):
    with pytest.raises(ConfigurationError, match=argument):
        World(**{"seed": 1, argument: value})


def test_days_before_the_first_are_refused(world):
    with pytest.raises(ConfigurationError, match="days"):
        world.days(-1, 3)


@pytest.mark.parametrize(("cards", "merchants"), [(20, 60), (50, 5_000)])
def test_the_smallest_worlds_still_turn(cards, merchants):
    days = list(World(seed=2, cards=cards, merchants=merchants).days(0, 30))
    assert sum(day.transactions.num_rows for day in days) > cards * 15
