"""Producer and reader against a real broker: nothing lost, nothing twice, everything in order."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest
from confluent_kafka import Producer

from paywarden.adapters.kafka.admin import earliest_offsets, end_offsets, ensure_topics, ping, topic_partitions
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.consumer import RECORD_SCHEMA, RECORD_SCHEMA_WITH_HEADERS, KafkaBatchReader, tail
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.local.ports import free_port
from paywarden.errors import KafkaError


def send(connection, topic, values, keys=None, timestamps_ms=None):
    with KafkaEventProducer(connection) as producer:
        producer.send_many(topic, keys or [None] * len(values), values, timestamps_ms)
    return producer


def read(connection, topics, **options):
    with KafkaBatchReader(connection, topics, end=options.pop("end", None) or {}, **options) as reader:
        return pa.concat_tables([RECORD_SCHEMA.empty_table(), *reader])


def test_ensure_topics_creates_what_is_missing_and_only_that(kafka, topic_factory):
    old = topic_factory("old", partitions=2)
    new = old + ".new"
    assert ensure_topics(kafka, {old: 5, new: 3}) == (new,)
    assert ensure_topics(kafka, {old: 5, new: 3}) == ()
    assert topic_partitions(kafka, [old, new]) == {old: (0, 1), new: (0, 1, 2)}


def test_every_record_arrives_once_with_key_value_and_time(kafka, topic_factory):
    topic = topic_factory(partitions=3)
    count = 12_000  # more than two chunks
    keys = [b"card-%d" % (i % 97) for i in range(count)]
    values = [b"value-%d" % i for i in range(count)]
    times = [1_700_000_000_000 + i for i in range(count)]
    producer = send(kafka, topic, values, keys, times)
    assert (producer.delivered, producer.pending) == (count, 0)
    table = read(kafka, [topic], batch_size=5_000)
    assert table.schema == RECORD_SCHEMA
    rows = {row["value"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == count
    assert all(rows[v]["key"] == k and rows[v]["timestamp"] == t for v, k, t in zip(values, keys, times, strict=True))


@pytest.mark.parametrize("timed", [True, False])
def test_records_of_a_key_keep_their_order_in_one_partition(kafka, topic_factory, timed):
    topic = topic_factory(partitions=4)
    values = [b"%d" % i for i in range(20_000)]
    keys = [b"card-%d" % (i % 7) for i in range(20_000)]
    send(kafka, topic, values, keys, [1_700_000_000_000] * 20_000 if timed else None)
    frame = read(kafka, [topic]).to_pandas()
    for _, card in frame.groupby("key"):
        assert card["partition"].nunique() == 1
        assert card.sort_values("offset")["value"].astype(int).is_monotonic_increasing


def test_without_times_the_broker_gets_the_time_of_sending(kafka, topic_factory):
    topic = topic_factory()
    before = time.time_ns() // 1_000_000
    send(kafka, topic, [b"now"])
    (at,) = read(kafka, [topic])["timestamp"].to_pylist()
    assert before <= at <= time.time_ns() // 1_000_000


def test_a_reader_honours_start_and_end_and_gives_positions_to_go_on_from(kafka, topic_factory):
    topic = topic_factory()
    send(kafka, topic, [b"%d" % i for i in range(100)])
    with KafkaBatchReader(kafka, [topic], start={topic: {0: 10}}, end={topic: {0: 60}}, batch_size=7) as reader:
        tables = list(reader)
    values = [int(v) for table in tables for v in table["value"].to_pylist()]
    assert values == list(range(10, 60))
    assert all(0 < table.num_rows <= 7 for table in tables)
    assert reader.done
    assert reader.positions == {topic: {0: 60}}
    rest = read(kafka, [topic], start=reader.positions)
    assert [int(v) for v in rest["value"].to_pylist()] == list(range(60, 100))


def test_several_topics_and_empty_partitions(kafka, topic_factory):
    full, empty = topic_factory("full", partitions=3), topic_factory("empty", partitions=2)
    send(kafka, full, [b"a", b"b"], [b"same", b"same"])
    assert sum(end_offsets(kafka, [full])[full].values()) == 2
    assert earliest_offsets(kafka, [full, empty]) == {full: {0: 0, 1: 0, 2: 0}, empty: {0: 0, 1: 0}}
    table = read(kafka, [full, empty])
    assert table["value"].to_pylist() == [b"a", b"b"]
    assert set(table["topic"].to_pylist()) == {full}


def test_an_end_is_taken_when_the_reader_is_made(kafka, topic_factory):
    topic = topic_factory()
    send(kafka, topic, [b"before"])
    with KafkaBatchReader(kafka, [topic], end={}) as reader:
        send(kafka, topic, [b"after"])
        assert [v for table in reader for v in table["value"].to_pylist()] == [b"before"]


def test_headers_are_given_when_asked_for(kafka, topic_factory):
    topic = topic_factory()
    raw = Producer(kafka.client_config())
    raw.produce(topic, b"v", headers=[("stage", b"parse"), ("empty", None)])
    raw.produce(topic, b"bare")
    raw.close()
    with KafkaBatchReader(kafka, [topic], end={}, with_headers=True) as reader:
        table = pa.concat_tables(list(reader))
    assert table.schema == RECORD_SCHEMA_WITH_HEADERS
    assert table["headers"].to_pylist() == [
        [{"key": "stage", "value": b"parse"}, {"key": "empty", "value": None}],
        None,
    ]


def test_the_end_of_a_transaction_is_not_waited_for_as_a_record(kafka, topic_factory):
    topic = topic_factory()
    raw = Producer(kafka.client_config(transactional_id=topic))
    raw.init_transactions()
    raw.begin_transaction()
    raw.produce(topic, b"v")
    raw.commit_transaction()
    raw.close()
    deadline = time.monotonic() + 30
    while end_offsets(kafka, [topic]) != {topic: {0: 2}}:  # the record and, a moment after the commit, the marker
        assert time.monotonic() < deadline
    with KafkaBatchReader(kafka, [topic], end={}, stall_seconds=5) as reader:
        assert [v for table in reader for v in table["value"].to_pylist()] == [b"v"]
    assert reader.positions == {topic: {0: 2}}


def test_tail_gives_what_comes_from_now_on(kafka, topic_factory):
    topic = topic_factory()
    send(kafka, topic, [b"old"])
    live = tail(kafka, [topic], poll_seconds=0.1)
    assert next(live).num_rows == 0
    send(kafka, topic, [b"new"])
    seen = []
    for table in live:
        seen += table["value"].to_pylist()
        if seen:
            break
    live.close()
    assert seen == [b"new"]
    from_start = tail(kafka, [topic], from_end=False, poll_seconds=0.5)
    assert next(table for table in from_start if table.num_rows)["value"].to_pylist()[:1] == [b"old"]
    from_start.close()


def test_a_topic_that_is_not_there_is_named(kafka):
    with pytest.raises(KafkaError, match=r"\['no-such-topic'\].*paywarden topics"):
        KafkaBatchReader(kafka, ["no-such-topic"])
    producer = KafkaEventProducer(kafka)
    producer.send_many("no-such-topic", [None, None], [b"a", b"b"])
    with pytest.raises(KafkaError, match=r"Delivering 2 records .*'no-such-topic'"):
        producer.flush()
    assert producer.delivered == 0


def test_a_failure_is_told_once_and_the_producer_goes_on(kafka, topic_factory):
    topic = topic_factory()
    producer = KafkaEventProducer(kafka)
    producer.send_many("no-such-topic", [None], [b"lost"])
    producer.send_many(topic, [None], [b"kept"])
    with pytest.raises(KafkaError, match="Delivering 1 records"):
        producer.flush()
    producer.send_many(topic, [None], [b"kept too"])
    producer.flush()
    assert producer.delivered == 2
    assert read(kafka, [topic])["value"].to_pylist() == [b"kept", b"kept too"]


@pytest.mark.parametrize("times", [None, [1]])
def test_a_record_too_large_is_refused_at_once(kafka, topic_factory, times):
    producer = KafkaEventProducer(kafka)
    with pytest.raises(KafkaError, match="MSG_SIZE_TOO_LARGE"):
        producer.send_many(topic_factory(), [None], [b"x" * 2_000_000], times)
    assert producer.delivered == 0


def test_sequences_of_unequal_length_are_refused(kafka):
    with pytest.raises(ValueError, match="equally long"):
        KafkaEventProducer(kafka).send_many("t", [None], [b"a", b"b"])


@pytest.mark.parametrize(("start", "said"), [(-1, "retention"), (99, "created anew")])
def test_a_start_that_the_topic_does_not_hold_is_refused(kafka, topic_factory, start, said):
    topic = topic_factory()
    send(kafka, topic, [b"a"])
    with pytest.raises(KafkaError, match=said):
        KafkaBatchReader(kafka, [topic], start={topic: {0: start}})


def test_a_partition_that_does_not_exist_is_refused(kafka, topic_factory):
    topic = topic_factory()
    with pytest.raises(KafkaError, match=r"no partitions \[3\]"):
        KafkaBatchReader(kafka, [topic], start={topic: {3: 0}})


def test_an_absent_broker_is_told_quickly_and_clearly():
    nowhere = KafkaConnection(f"127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(KafkaError, match=r"Connection refused.*kafka\.bootstrap_servers"):
        ping(nowhere, timeout_seconds=1)
    producer = KafkaEventProducer(nowhere, delivery_timeout_ms=1_000)
    producer.send_many("t", [None], [b"a"])
    with pytest.raises(KafkaError, match=r"Delivering 1 records.*Connection refused"):
        producer.flush()
    assert time.monotonic() - began < 10


def test_a_wrong_protocol_is_told_quickly(kafka):
    encrypted = KafkaConnection(kafka.bootstrap_servers, {"security.protocol": "SSL"})
    with pytest.raises(KafkaError, match=r"kafka\.security_protocol"):
        ping(encrypted, timeout_seconds=2)
