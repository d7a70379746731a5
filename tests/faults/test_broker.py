"""Fault 4: the broker goes away, restarts under a producer, forgets what was not read, or has its topics changed."""

from __future__ import annotations

import threading
import time

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from tests.faults.invariants import assert_kept

from paywarden.adapters.kafka.admin import ensure_topics
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.kafka.source import KafkaSource

OUTAGE_SECONDS = 60.0


@pytest.fixture
def broker_stream(own_broker, new_stream, models):
    """A running stream that has decided some days, on a broker of its own."""
    stream = new_stream(bootstrap_servers=own_broker.bootstrap_servers)
    stream.register_champion(models[0])
    stream.inputs = stream.produce_days(0, 2)
    stream.start()
    stream.wait_for(lambda: stream.caught_up(stream.inputs))
    return stream


def admin(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap_servers})


def test_a_broker_that_is_away_for_a_minute(broker_stream, own_broker, measured, tmp_path):
    own_broker.stop()
    time.sleep(OUTAGE_SECONDS)
    own_broker.start()
    broker_stream.inputs += broker_stream.produce_days(2, 4)
    survived = broker_stream.process.running
    measured("the stream lived on", survived)
    if not survived:  # then whatever runs it starts it again
        broker_stream.start_again()
    broker_stream.wait_for(lambda: broker_stream.caught_up(broker_stream.inputs))
    broker_stream.process.stop(60.0)
    assert_kept(broker_stream, broker_stream.inputs, tmp_path / "undisturbed")


def test_a_broker_that_restarts_under_a_producer(own_broker, measured):
    connection, count = KafkaConnection(own_broker.bootstrap_servers), 60_000
    ensure_topics(connection, {"written": 2})
    producer, begun = KafkaEventProducer(connection), threading.Event()

    def write():
        for first in range(0, count, 500):
            values = [b"%d" % n for n in range(first, first + 500)]
            producer.send_many("written", values, values)
            begun.set()
            time.sleep(0.01)
        producer.flush()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    own_broker.kill()
    own_broker.start()
    writer.join()
    values = KafkaSource(connection).read_all("written")["value"].to_pylist()
    measured("records twice", len(values) - len(set(values)))
    assert sorted(values, key=int) == [b"%d" % n for n in range(count)]


def test_retention_that_deletes_what_was_not_read(broker_stream, own_broker):
    broker_stream.process.stop(60.0)
    broker_stream.produce_days(2, 3)
    before, topic = broker_stream.decisions().num_rows, broker_stream.settings.kafka.topics.transactions
    everything = [TopicPartition(topic, number, -1) for number in (0, 1)]
    client = admin(own_broker)  # kept: collected, it would never answer
    for future in client.delete_records(everything).values():
        future.result()
    broker_stream.produce_days(3, 4)
    broker_stream.start_with(["-m", "paywarden.cli.app", "stream", "run"])
    assert "gone from Kafka" in broker_stream.ended()
    assert broker_stream.decisions().num_rows == before  # nothing is skipped silently


def test_partitions_that_are_added(broker_stream, own_broker, tmp_path):
    topic = broker_stream.settings.kafka.topics.transactions
    client = admin(own_broker)
    for future in client.create_partitions([NewPartitions(topic, 4)]).values():
        future.result()
    broker_stream.inputs += broker_stream.produce_days(2, 5)
    broker_stream.wait_for(lambda: broker_stream.caught_up(broker_stream.inputs))
    broker_stream.process.stop(60.0)
    partitions = {span.partition for m in broker_stream.batches() for span in m.ranges if span.topic == topic}
    assert partitions == {0, 1, 2, 3}
    assert_kept(broker_stream, broker_stream.inputs, tmp_path / "undisturbed")


def test_a_topic_that_is_made_anew(broker_stream, own_broker):
    broker_stream.process.stop(60.0)
    before, topic = broker_stream.decisions().num_rows, broker_stream.settings.kafka.topics.transactions
    client = admin(own_broker)
    (deleted,) = client.delete_topics([topic]).values()
    deleted.result()
    time.sleep(2.0)  # the broker tells of a deletion a moment before it has happened
    (made,) = client.create_topics([NewTopic(topic, num_partitions=2)]).values()
    made.result()
    broker_stream.produce_days(3, 4)
    broker_stream.start_with(["-m", "paywarden.cli.app", "stream", "run"])
    assert "gone from Kafka" in broker_stream.ended()
    assert broker_stream.decisions().num_rows == before
