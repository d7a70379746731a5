from __future__ import annotations

import numpy as np
import pyarrow as pa

from paywarden.simulation import World, arrivals
from paywarden.simulation.arrivals import _Waiting
from paywarden.simulation.draft import DAY_MS


def _by_id(table: pa.Table) -> pa.Table:
    return table.sort_by([("received_at", "ascending"), ("transaction_id", "ascending")]).combine_chunks()


def test_every_event_arrives_once_on_its_day_in_order(days, world):
    played = list(arrivals(days))
    for kind in ("transactions", "labels"):
        sent = pa.concat_tables([getattr(day, kind) for day in days])
        arrived = pa.concat_tables([getattr(day, kind) for day in played])
        assert np.all(np.diff(arrived["received_at"].to_numpy()) >= 0)
        assert _by_id(arrived).equals(_by_id(sent))
        for day in played:
            received_at = getattr(day, kind)["received_at"].to_numpy()
            assert np.all((received_at - world.start_at_ms) // DAY_MS == day.day)


def test_labels_go_on_arriving_after_the_last_day_unless_left_out(days):
    drained, cut = list(arrivals(days)), list(arrivals(days, drain=False))
    assert len(cut) == len(days)
    assert len(days) + 5 < len(drained) <= len(days) + 47
    assert [day.labels.num_rows for day in cut] == [day.labels.num_rows for day in drained[: len(days)]]


def test_a_transaction_received_after_midnight_arrives_on_the_next_day():
    days = list(World(seed=7, cards=10_000, merchants=100).days(5, 15))
    arrived = [set(day.transactions["transaction_id"].to_pylist()) for day in arrivals(days)]
    late_in_all = 0
    for day, today, tomorrow in zip(days, arrived[:-1], arrived[1:], strict=False):
        after_midnight = day.transactions["received_at"].to_numpy() >= day.begins_at_ms + DAY_MS
        late = set(day.transactions.filter(pa.array(after_midnight))["transaction_id"].to_pylist())
        assert late <= tomorrow
        assert late.isdisjoint(today)
        late_in_all += len(late)
    assert late_in_all


def test_what_has_arrived_is_not_kept(days):
    waiting = _Waiting()
    for day in days:
        waiting.add(day.labels)
        waiting.until(day.begins_at_ms + DAY_MS)
        kept = pa.concat_tables(waiting._events)["received_at"].to_numpy()
        assert np.all(kept >= day.begins_at_ms + DAY_MS)
