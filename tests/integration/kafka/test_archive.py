"""From a real broker to a real lake: every offset once, whatever is sent and whenever it is interrupted."""

from functools import partial

import pyarrow as pa
import pytest

from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.kafka.source import KafkaSource
from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.errors import KafkaError, LakeError
from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.events.schema import EventSchema
from paywarden.jobs.archive import REJECT_COLUMNS, archive, valid_rows
from paywarden.jobs.produce import produce
from paywarden.jobs.topics import KAFKA_COLUMNS, label_columns, raw_columns, transaction_columns
from paywarden.simulation.world import World

SCHEMA = EventSchema()
PARTITIONS = 2
MALFORMED = [b"", b"{", b"\xff\xfe", b"[1]", b'{"transaction_id":"x"}', b"NaN", b'{"transaction_id":"y","amount":-1}']


@pytest.fixture(scope="module")
def days():
    return list(World(5, cards=60, merchants=60, fraud_rate=0.1).days(0, 2))


@pytest.fixture
def topics(topic_factory):
    return topic_factory("transactions", PARTITIONS), topic_factory("labels", PARTITIONS)


@pytest.fixture
def lake(tmp_path):
    return DeltaLake(str(tmp_path / "lake"))


@pytest.fixture
def send(kafka, topics):
    def send(days):
        with KafkaEventProducer(kafka) as sink:
            return produce(days, sink, *topics, SCHEMA)

    return send


@pytest.fixture
def spoil(kafka, topics):
    def spoil(values=MALFORMED):
        with KafkaEventProducer(kafka) as sink:
            sink.send_many(topics[0], [f"key{n}".encode() for n in range(len(values))], values)

    return spoil


@pytest.fixture
def run(kafka, topics):
    columns = dict(
        zip(
            topics,
            (transaction_columns(SCHEMA, CurrencyTable("EUR"), DEFAULT_LIMITS), label_columns(SCHEMA, DEFAULT_LIMITS)),
            strict=True,
        )
    )
    return partial(archive, InSlices(kafka), columns=columns, rows_per_commit=20)


def places(table):
    return list(zip(table["partition"].to_pylist(), table["offset"].to_pylist(), strict=True))


def in_kafka(kafka, topic):
    ends = KafkaSource(kafka).end_offsets([topic])[topic]
    return [(partition, offset) for partition, end in sorted(ends.items()) for offset in range(end)]


def by_id(table):
    return table.sort_by("transaction_id")


class InSlices(KafkaSource):
    """Kafka, read in tables so small that a run has several commits."""

    def read(self, start, end):
        for table in super().read(start, end):
            yield from (table.slice(first, 20) for first in range(0, len(table), 20))


class Failing:
    """The lake, of which the given appends fail: before their commit, or after it as if the answer were lost."""

    def __init__(self, lake, failures, after=False):
        self.lake, self.failures, self.after, self.appends = lake, failures, after, 0

    def next_offsets(self, topic, partitions):
        return self.lake.next_offsets(topic, partitions)

    def append(self, *arguments):
        self.appends += 1
        if self.appends not in self.failures:
            return self.lake.append(*arguments)
        if self.after:
            self.lake.append(*arguments)
        raise LakeError("the disk is away")


def test_what_was_produced_is_in_the_lake_unchanged(kafka, topics, lake, send, run, days):
    sent = send(days)
    moved = run(lake)
    assert (moved.rows[topics[0]], moved.rows[topics[1]]) == (sent.transactions, sent.labels)
    assert set(moved.rejected.values()) == {0}
    transactions, labels = (lake.read(topic) for topic in topics)
    assert places(transactions) == in_kafka(kafka, topics[0])
    assert places(labels) == in_kafka(kafka, topics[1])
    for stored, original in (
        (transactions, pa.concat_tables([day.transactions for day in days])),
        (labels, pa.concat_tables([day.labels for day in days])),
    ):
        canonical = valid_rows(stored).drop_columns(list(KAFKA_COLUMNS))
        assert by_id(canonical).equals(by_id(original))


def test_a_second_run_moves_nothing_and_a_third_what_has_come_since(kafka, topics, lake, send, run, days):
    send(days[:1])
    run(lake)
    versions = [lake.version(topic) for topic in topics]
    assert run(lake).rows == dict.fromkeys(topics, 0)
    assert [lake.version(topic) for topic in topics] == versions
    sent = send(days[1:])
    assert run(lake).rows == {topics[0]: sent.transactions, topics[1]: sent.labels}
    assert places(lake.read(topics[0])) == in_kafka(kafka, topics[0])


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_a_commit_loses_and_doubles_nothing(kafka, topics, lake, send, run, days, after):
    send(days)
    for failure in (1, 2, 3):
        with pytest.raises(LakeError, match="away"):
            run(Failing(lake, {failure}, after))
    run(lake)
    for topic in topics:
        assert places(lake.read(topic)) == in_kafka(kafka, topic)
    assert run(lake).rows == dict.fromkeys(topics, 0)


def test_what_is_malformed_is_kept_with_its_bytes_and_the_reason(kafka, topics, lake, send, spoil, run, days):
    spoil()
    sent = send(days[:1])
    spoil()
    moved = run(lake)
    assert moved.rejected == {topics[0]: 2 * len(MALFORMED), topics[1]: 0}
    stored = lake.read(topics[0])
    assert places(stored) == in_kafka(kafka, topics[0])
    rejects = [row for row in stored.to_pylist() if row["reject_reason"]]
    assert sorted(row["raw_value"] for row in rejects) == sorted(MALFORMED * 2)
    assert all(row["raw_key"] == f"key{MALFORMED.index(row['raw_value'])}".encode() for row in rejects)
    assert all(row["reject_detail"] and row["transaction_id"] is None for row in rejects)
    assert {row["raw_value"]: row["reject_reason"] for row in rejects}[b"{"] == "malformed_json"
    valid = valid_rows(stored)
    assert valid.num_rows == sent.transactions
    assert not set(REJECT_COLUMNS) & set(valid.column_names)
    assert valid["transaction_id"].null_count == 0


def test_a_topic_of_rejects_alone_is_archived(topics, lake, spoil, run):
    spoil()
    assert run(lake).rejected[topics[0]] == len(MALFORMED)
    assert valid_rows(lake.read(topics[0])).num_rows == 0


def test_a_tombstone_is_rejected_and_not_lost(kafka, topics, lake, spoil, run):
    spoil([None, b"{"])
    run(lake)
    stored = lake.read(topics[0])
    assert places(stored) == in_kafka(kafka, topics[0])
    assert {row["raw_value"] for row in stored.to_pylist()} == {None, b"{"}


def test_messages_of_a_lost_topic_are_not_passed_over(kafka, topic_factory, lake, send, days):
    """A topic that ends before the lake's offsets was made anew: that is no reason to archive from its middle."""
    topic = topic_factory("anew")
    row = pa.table(
        {
            "topic": [topic],
            "partition": pa.array([0], pa.int32()),
            "offset": pa.array([99]),
            "timestamp": pa.array([1]),
            "key": pa.array([b""]),
            "value": pa.array([b""]),
        }
    )
    lake.append(topic, row, {0: None}, {0: 100})
    with pytest.raises((LakeError, KafkaError)):
        archive(KafkaSource(kafka), lake, {topic: raw_columns})


def test_other_topics_are_stored_as_they_are(kafka, topic_factory, lake):
    topic = topic_factory("predictions")
    with KafkaEventProducer(kafka) as sink:
        sink.send_many(topic, [b"k", None], [b"\x00\xff", b"text"])
    assert archive(KafkaSource(kafka), lake, {topic: raw_columns}).rows == {topic: 2}
    stored = lake.read(topic)
    assert stored.column_names == [*KAFKA_COLUMNS, "key", "value"]
    assert (stored["key"].to_pylist(), stored["value"].to_pylist()) == ([b"k", None], [b"\x00\xff", b"text"])


def test_an_empty_topic_makes_no_table(topics, lake, run):
    assert run(lake).rows == dict.fromkeys(topics, 0)
    assert not lake.exists(topics[0])


def test_progress_reaches_the_whole(topics, lake, send, run, days):
    sent, told = send(days[:1]), []
    run(lake, progress=lambda *figures: told.append(figures))
    of_transactions = [(done, total) for topic, done, total in told if topic == topics[0]]
    assert of_transactions[-1] == (sent.transactions, sent.transactions)
    assert of_transactions == sorted(of_transactions)
    assert len(of_transactions) > 1
