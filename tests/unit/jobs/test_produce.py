from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa
import pytest

from paywarden.errors import KafkaError
from paywarden.events.currency import CurrencyTable
from paywarden.events.schema import EventSchema
from paywarden.events.validation import parse_labels, parse_transactions
from paywarden.jobs.produce import SLICES_A_SECOND, Produced, part_of, produce
from paywarden.simulation.arrivals import arrivals
from paywarden.simulation.world import World

SCHEMA = EventSchema()


@pytest.fixture(scope="module")
def days():
    return list(arrivals(World(2, cards=40, merchants=60, fraud_rate=0.2).days(0, 6)))


@dataclass
class Sink:
    records: list = field(default_factory=list)
    flushed: int = 0

    def send_many(self, topic, keys, values):
        assert len(keys) == len(values)
        self.records += [(topic, key, value) for key, value in zip(keys, values, strict=True)]

    def flush(self):
        self.flushed = len(self.records)


@dataclass
class Time:
    """A clock that only sleeping moves; ``work_ms`` is what each look at it costs."""

    now: float = 1_000.0
    slept: list = field(default_factory=list)
    work_ms: float = 0.0

    def clock(self):
        self.now += self.work_ms
        return int(self.now)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += 1000 * seconds


def received(days):
    by_id = {}
    for day in days:
        for name, table in (("t", day.transactions), ("l", day.labels)):
            ids, times = table["transaction_id"].to_pylist(), table["received_at"].to_pylist()
            by_id |= {(name, i): at for i, at in zip(ids, times, strict=True)}
    return by_id


def test_everything_is_sent_with_its_routing_key_and_flushed(days):
    sink = Sink()
    done = produce(days, sink, "t", "l", SCHEMA)
    transactions = pa.concat_tables([day.transactions for day in days])
    labels = pa.concat_tables([day.labels for day in days])
    assert done == Produced(transactions.num_rows, labels.num_rows)
    assert labels.num_rows
    assert sink.flushed == transactions.num_rows + labels.num_rows
    assert [key.decode() for topic, key, _ in sink.records if topic == "t"] == transactions["routing_key"].to_pylist()
    assert [key.decode() for topic, key, _ in sink.records if topic == "l"] == labels["routing_key"].to_pylist()


def test_a_limited_rate_keeps_its_pace(days):
    time, rate = Time(), 200.0
    done = produce(days, Sink(), "t", "l", SCHEMA, rate=rate, clock=time.clock, sleep=time.sleep)
    events = done.transactions + done.labels
    assert sum(time.slept) == pytest.approx(events / rate, rel=0.01)
    assert max(time.slept) <= 1.1 / SLICES_A_SECOND


def test_time_spent_sending_is_not_slept_again(days):
    time, rate = Time(work_ms=10), 200.0
    done = produce(days, Sink(), "t", "l", SCHEMA, rate=rate, clock=time.clock, sleep=time.sleep)
    assert time.now - 1_000 == pytest.approx(1000 * (done.transactions + done.labels) / rate, rel=0.05)
    assert min(time.slept) >= 0


def test_what_cannot_keep_up_does_not_sleep(days):
    time = Time(work_ms=10_000)
    produce(days, Sink(), "t", "l", SCHEMA, rate=200.0, clock=time.clock, sleep=time.sleep)
    assert set(time.slept) == {0.0}


def test_with_a_rate_labels_come_among_transactions_by_arrival(days):
    time, sink, told = Time(), Sink(), []

    def progress(done):
        told.append((done, len(sink.records)))

    rate = 10.0 * SLICES_A_SECOND
    produce(days, sink, "t", "l", SCHEMA, rate=rate, clock=time.clock, sleep=time.sleep, progress=progress)
    assert all(done.transactions + done.labels == records for done, records in told)
    assert max(later - earlier for (_, earlier), (_, later) in pairwise(told)) == 10
    times = received(days)
    first, last_before = 0, 0
    for _, records in told:  # no slice reaches back before another
        values = [(topic, value) for topic, _, value in sink.records[first:records]]
        arrived = [times[(topic, id_in(value))] for topic, value in values]
        assert min(arrived) >= last_before
        first, last_before = records, max(arrived)


def id_in(value):
    return value.split(b'"transaction_id":"')[1].split(b'"')[0].decode()


def test_what_is_sent_in_slices_reads_back_as_it_was(days):
    time, sink = Time(), Sink()
    produce(days, sink, "t", "l", SCHEMA, rate=500.0, clock=time.clock, sleep=time.sleep)
    values = {topic: pa.array([v for t, _, v in sink.records if t == topic], pa.binary()) for topic in ("t", "l")}
    zeros = {topic: pa.array([0] * len(v)).to_numpy() for topic, v in values.items()}
    from_wire = parse_labels(values["l"], zeros["l"], SCHEMA).rows
    assert from_wire.equals(pa.concat_tables([day.labels for day in days]))
    from_wire = parse_transactions(values["t"], zeros["t"], SCHEMA, CurrencyTable("EUR")).rows
    assert from_wire.equals(pa.concat_tables([day.transactions for day in days]))


def test_an_event_that_is_not_acknowledged_is_told(days):
    class Refusing(Sink):
        def flush(self):
            raise KafkaError("2 records were not acknowledged")

    with pytest.raises(KafkaError, match="not acknowledged"):
        produce(days, Refusing(), "t", "l", SCHEMA)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_the_same_events_are_sent_by_any_number_of_processes_each_cards_in_order(days, parts):
    whole, portions = Sink(), [Sink() for _ in range(parts)]
    produce(days, whole, "t", "l", SCHEMA)
    for part, sink in enumerate(portions):
        produce(part_of(days, part, parts), sink, "t", "l", SCHEMA)
    assert sorted(record for sink in portions for record in sink.records) == sorted(whole.records)
    keys = [{key for _, key, _ in sink.records} for sink in portions]
    assert all(keys)
    assert sum(map(len, keys)) == len(set.union(*keys))
    for sink, own in zip(portions, keys, strict=True):
        for topic in ("t", "l"):
            mine = [record for record in whole.records if record[0] == topic and record[1] in own]
            assert [record for record in sink.records if record[0] == topic] == mine
