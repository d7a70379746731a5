"""Fault 7: traffic as it should not be: repeats, latecomers, clocks that jump, one hot card, a flood of new ones."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.faults.invariants import assert_kept
from tests.integration.stream.harness import SCHEMA

from paywarden import wiring
from paywarden.events.encoding import encode_transactions, routing_keys
from paywarden.features.windows import DAY_MS, HOUR_MS
from paywarden.simulation.world import World

NEW_CARDS = 1_000_000
HOT = "card_00000007"
_MOST_WORKER_MB = 1_500


@pytest.fixture
def champion(stream, models):
    stream.register_champion(models[0])
    return stream


def transactions(first: int, last: int, cards: int = 400) -> pa.Table:
    """Days of a world, in the order of their arrival."""
    days = World(5, cards=cards, merchants=100, fraud_rate=0.03).days(first, last)
    table = pa.concat_tables([day.transactions for day in days])
    return table.take(pc.sort_indices(table, sort_keys=[("received_at", "ascending")]))


def changed(table: pa.Table, **columns: object) -> pa.Table:
    """The table with other values in some columns."""
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array(values, table.schema.field(name).type))
    return table


def send(stream, table: pa.Table) -> int:
    """Sent in its order; how many."""
    with wiring.kafka_sink(stream.settings) as sink:
        topic = stream.settings.kafka.topics.transactions
        sink.send_many(topic, routing_keys(table), encode_transactions(table, SCHEMA))
    return table.num_rows


def decided(stream, inputs):
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)


def test_repeats_in_a_batch_across_batches_and_across_a_restart_count_once(champion, tmp_path):
    first, later = transactions(0, 2), transactions(2, 3)
    once = first.slice(0, 300)
    inputs = send(champion, once) + send(champion, once.slice(0, 100))  # in one batch: nothing runs yet
    champion.start()
    champion.wait_for(lambda: champion.caught_up(inputs))
    inputs += send(champion, once.slice(100, 100))  # across batches
    champion.wait_for(lambda: champion.caught_up(inputs))
    champion.process.stop(60.0)
    inputs += send(champion, once.slice(200, 100)) + send(champion, later)  # across a restart
    champion.start()
    decided(champion, inputs)
    account = assert_kept(champion, inputs, tmp_path / "undisturbed")
    # What a card's ring of ids has forgotten counts again: that horizon has a test of its own.
    assert account.duplicates == 300 - _beyond_the_ring(once)
    assert account.decisions == inputs - account.duplicates


def _beyond_the_ring(once: pa.Table) -> int:
    """Repeats whose card has had more transactions in between than it remembers; none in these data."""
    most = max(pc.value_counts(once["routing_key"]).field("counts").to_pylist())
    assert most <= 16, "choose fewer days: a card's ring holds 16"
    return 0


def test_late_and_shuffled_by_days_and_clocks_that_jump_are_all_accounted_for(champion, tmp_path):
    table = transactions(0, 6)
    count = table.num_rows
    random = np.random.default_rng(11)
    received = table["received_at"].to_numpy()
    late = np.where(np.arange(count) % 5 == 0, random.integers(1, 5 * DAY_MS, count), 0)
    back = np.where(np.arange(count) % 7 == 0, -3 * HOUR_MS, 0)  # the receiver's clock jumped back
    ahead = np.arange(count) % 97 == 0  # the payer's clock is a day ahead of the receiver's: not believed
    occurred = np.where(ahead, received + DAY_MS, table["occurred_at"].to_numpy() - late)
    odd = changed(table, occurred_at=occurred, received_at=np.where(ahead, received, received + back))
    inputs = send(champion, odd.take(pa.array(random.permutation(count))))
    champion.start()
    decided(champion, inputs)
    future = np.where(ahead, received, received + back) + 5 * 60_000 < occurred
    assert_kept(champion, inputs, tmp_path / "undisturbed", dead_letters=int(future.sum()))


def test_one_card_with_half_of_the_traffic_is_decided_like_any_other(champion, measured, tmp_path):
    table = transactions(0, 8)
    hot = np.arange(table.num_rows) % 2 == 0
    cards = np.where(hot, HOT, table["entity_card"].to_numpy(zero_copy_only=False))
    inputs = send(champion, changed(table, entity_card=cards, routing_key=cards))
    champion.start()
    decided(champion, inputs)
    account = assert_kept(champion, inputs, tmp_path / "undisturbed")
    assert account.decisions == inputs
    rates = [batch["rows"] / batch["seconds"] for batch in champion.finished()[1:] if batch["seconds"]]
    measured("rows/s with one card in every second row, median of batches", round(float(np.median(rates))))


def test_a_million_new_cards_in_a_burst_stay_within_memory_and_expire(new_stream, models, measured, tmp_path):
    stream = new_stream(sections={"stream": {"max_offsets_per_batch": 50_000}})
    stream.register_champion(models[0])
    base = transactions(0, 40)
    inputs = 0
    for first in range(0, NEW_CARDS, base.num_rows):
        part = base.slice(0, min(base.num_rows, NEW_CARDS - first))
        cards = [f"new_{number:08d}" for number in range(first, first + part.num_rows)]
        ids = [f"burst-{number}" for number in range(first, first + part.num_rows)]
        inputs += send(stream, changed(part, transaction_id=ids, entity_card=cards, routing_key=cards))
    stream.start()
    peak = _peak_while(stream, lambda: stream.caught_up(inputs))
    measured("peak of own memory of Spark's Python workers together, MB, while a million new cards came", round(peak))
    assert peak < _MOST_WORKER_MB
    assert _records(stream)["card"] == NEW_CARDS

    quiet = changed(
        transactions(0, 1),
        **{name: pc.add(transactions(0, 1)[name], 400 * DAY_MS).to_pylist() for name in ("occurred_at", "received_at")},
        transaction_id=[f"later-{number}" for number in range(transactions(0, 1).num_rows)],
    )
    inputs += send(stream, quiet)
    decided(stream, inputs)
    stream.command("maintain", "state")
    assert _records(stream)["card"] <= quiet.num_rows
    account = stream.account()
    assert account.complete, account
    assert account.decisions == inputs


def _peak_while(stream, over) -> float:
    """Megabytes of their own that all Python workers have together, at most, until it is over."""
    peak, deadline = 0.0, time.monotonic() + 900
    while not over():
        assert stream.process.running, stream.process.log_tail(60)
        assert time.monotonic() < deadline, stream.process.log_tail(60)
        sizes = []
        for pid in stream.python_workers():
            try:
                sizes.append(_own_bytes(pid))
            except (FileNotFoundError, ProcessLookupError):
                continue
        peak = max(peak, sum(sizes) / 1e6)
        time.sleep(0.5)
    return peak


def _own_bytes(pid: int) -> int:
    """Without what is mapped from files: LMDB's pages are the kernel's to take back."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024


def _records(stream) -> dict[str, int]:
    (layout,) = wiring.state_epochs(stream.settings).layouts()
    store = wiring.state_epochs(stream.settings).find(layout)()
    try:
        return {size.entity: size.records for size in store.stats()}
    finally:
        store.close()
