"""Kafka topics read as Arrow tables, by explicit offsets.

Guarantee: from the given offsets on, every record of every partition once and in its partition's order, as long as
the reader lives. No consumer group, no commits: the caller keeps the offsets (the lake keeps them in its commits) and
hands them in again, so nothing is lost or repeated by a restart. Partitions added to a topic later are seen by the
next reader, not by a running one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, final

import confluent_kafka
import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition

from paywarden.adapters.kafka.admin import Offsets, earliest_offsets, end_offsets
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.failure import CLIENT_LOGGER, ClientErrors, failure, translated
from paywarden.errors import KafkaError

HEADER_TYPE = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))

RECORD_SCHEMA = pa.schema(
    [
        pa.field("topic", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", pa.int64(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
    ]
)
"""Columns of every table read; ``timestamp`` is the record's in epoch milliseconds, UTC. ``headers`` may follow."""

RECORD_SCHEMA_WITH_HEADERS = RECORD_SCHEMA.append(pa.field("headers", HEADER_TYPE))

_STALL_SECONDS = 30.0
_POLL_SECONDS = 0.2
_END_OF_PARTITION = confluent_kafka.KafkaError._PARTITION_EOF  # noqa: SLF001  # its public name
_OF_THE_GROUP = confluent_kafka.KafkaError.GROUP_AUTHORIZATION_FAILED
"""Passed over: the client looks for the group's coordinator, but nothing joins, and reading needs no right on it."""


@final
class KafkaBatchReader:
    """Reads ``topics`` from ``start`` up to ``end`` (exclusive), or on and on where ``end`` is None.

    ``start`` None means the earliest record kept; partitions that ``start`` or ``end`` does not name begin at the
    earliest and are read to their present end. Iterating gives tables of at most ``batch_size`` rows
    (:data:`RECORD_SCHEMA`) until every partition has reached its end; without an end it never stops and gives an
    empty table whenever nothing came for a while. Raises :class:`KafkaError`: no broker, no such topic, offsets that
    retention has removed or that were never written, or no progress for ``stall_seconds`` before the end. Close it,
    or use it as a context manager.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topics: Sequence[str],
        *,
        start: Mapping[str, Mapping[int, int]] | None = None,
        end: Mapping[str, Mapping[int, int]] | None = None,
        batch_size: int = 20_000,
        with_headers: bool = False,
        stall_seconds: float = _STALL_SECONDS,
    ) -> None:
        self._where = connection.bootstrap_servers
        self._batch_size = batch_size
        self._with_headers = with_headers
        self._stall_seconds = stall_seconds
        self._errors = ClientErrors()
        earliest, latest = earliest_offsets(connection, topics), end_offsets(connection, topics)
        self._next = _merged(earliest, start)
        _require_kept(self._next, earliest, latest, self._where)
        self._end = None if end is None else _merged(latest, end)
        self._open = self._unfinished()
        self._consumer = self._make_consumer(connection)
        self._assign()

    @property
    def positions(self) -> Offsets:
        """The offset of the next record of every partition: the ``start`` of the reader that goes on from here."""
        return {topic: dict(partitions) for topic, partitions in self._next.items()}

    @property
    def done(self) -> bool:
        """Whether every partition has reached its end; always false for a reader without an end."""
        return not self._open

    def poll(self, timeout_seconds: float = _POLL_SECONDS) -> pa.Table:
        """The next rows, at most ``batch_size``; an empty table when none came within ``timeout_seconds``."""
        if self.done:
            return self._schema.empty_table()
        with translated("Reading", self._where, self._errors):
            messages: list[Any] = self._consumer.consume(self._batch_size, timeout_seconds)
        return self._take(messages)

    def __iter__(self) -> Iterator[pa.Table]:
        quiet_since = time.monotonic()
        while not self.done:
            table = self.poll()
            if table.num_rows:
                quiet_since = time.monotonic()
            elif self._end is not None:
                self._require_progress(quiet_since)
                continue
            yield table

    def close(self) -> None:
        """Close the connection; :attr:`positions` stays readable."""
        self._consumer.close()

    def __enter__(self) -> KafkaBatchReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _schema(self) -> pa.Schema:
        return RECORD_SCHEMA_WITH_HEADERS if self._with_headers else RECORD_SCHEMA

    def _make_consumer(self, connection: KafkaConnection) -> Consumer:
        config: dict[str, Any] = {
            "fetch.min.bytes": 1,
            "fetch.wait.max.ms": 100,
            "queued.min.messages": 100_000,
            "queued.max.messages.kbytes": 65_536,
            **connection.consumer_config(),
            "group.id": "paywarden-reader",  # demanded by the client; nothing joins or commits
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",  # a gap left by retention must be told, not skipped
            "enable.partition.eof": self._end is not None,
            "isolation.level": "read_committed",
            "error_cb": self._errors,
        }
        with translated("Opening a consumer", self._where, options=connection.options.names()):
            return Consumer(config, logger=CLIENT_LOGGER)

    def _assign(self) -> None:
        with translated("Assigning partitions", self._where):
            self._consumer.assign(
                [TopicPartition(topic, number, self._next[topic][number]) for topic, number in sorted(self._open)]
            )

    def _unfinished(self) -> set[tuple[str, int]]:
        return {
            (topic, number)
            for topic, partitions in self._next.items()
            for number, offset in partitions.items()
            if self._end is None or offset < self._end[topic][number]
        }

    def _take(self, messages: list[Any]) -> pa.Table:
        """The records among ``messages`` as a table; keeps the positions, unless an error is raised first."""
        events = [message for message in messages if message.error() is not None]
        for event in events:
            if event.error().code() not in (_END_OF_PARTITION, _OF_THE_GROUP):
                doing = f"Reading partition {event.partition()} of topic {event.topic()!r}"
                raise failure(doing, self._where, event.error())
        records = [message for message in messages if message.error() is None] if events else messages
        last = {(message.topic(), message.partition()): message.offset() for message in records}
        if self._end is not None and any(offset >= self._end[topic][n] for (topic, n), offset in last.items()):
            records = [m for m in records if m.offset() < self._end[m.topic()][m.partition()]]
        for (topic, number), offset in last.items():
            self._advance(topic, number, offset + 1)
        for event in events:  # after the last record there may be transaction markers, which are never given
            if event.error().code() == _END_OF_PARTITION:
                self._advance(event.topic(), event.partition(), event.offset())
        return self._table(records)

    def _advance(self, topic: str, number: int, offset: int) -> None:
        end = offset if self._end is None else self._end[topic][number]
        self._next[topic][number] = max(self._next[topic][number], min(offset, end))
        if self._end is not None and offset >= end and (topic, number) in self._open:
            self._open.discard((topic, number))
            self._consumer.incremental_unassign([TopicPartition(topic, number)])

    def _require_progress(self, quiet_since: float) -> None:
        if not self.done and time.monotonic() - quiet_since > self._stall_seconds:
            cause = f" The client says: {self._errors.last.str()}." if self._errors.last else ""
            raise KafkaError(
                f"No record came from {self._where} for {self._stall_seconds:.0f} s although {sorted(self._open)} "
                f"have not reached their ends.{cause} Check the broker and run again: reading goes on from its offsets."
            )

    def _table(self, messages: list[Any]) -> pa.Table:
        columns = [
            pa.array([message.topic() for message in messages], pa.string()),
            pa.array([message.partition() for message in messages], pa.int32()),
            pa.array([message.offset() for message in messages], pa.int64()),
            pa.array([message.timestamp()[1] for message in messages], pa.int64()),
            pa.array([message.key() for message in messages], pa.binary()),
            pa.array([message.value() for message in messages], pa.binary()),
        ]
        if self._with_headers:
            columns.append(pa.array([_headers(message.headers()) for message in messages], HEADER_TYPE))
        return pa.Table.from_arrays(columns, schema=self._schema)


def tail(
    connection: KafkaConnection, topics: Sequence[str], *, from_end: bool = True, poll_seconds: float = _POLL_SECONDS
) -> Iterator[pa.Table]:
    """New records of ``topics`` as they come, for live tables; an empty table each ``poll_seconds`` without any.

    ``from_end`` begins with what comes from now on, else with the earliest record kept. Never ends by itself; close
    the generator. Raises :class:`KafkaError`.
    """
    start = end_offsets(connection, topics) if from_end else None
    with KafkaBatchReader(connection, topics, start=start) as reader:
        while True:
            yield reader.poll(poll_seconds)


def _merged(all_offsets: Offsets, asked: Mapping[str, Mapping[int, int]] | None) -> Offsets:
    """``asked`` where it speaks, else ``all_offsets``; partitions that do not exist are refused."""
    for topic, partitions in (asked or {}).items():
        unknown = sorted(set(partitions) - set(all_offsets.get(topic, partitions)))
        if unknown:
            raise KafkaError(f"Topic {topic!r} has no partitions {unknown}. Was it deleted and created anew?")
    return {
        topic: {number: (asked or {}).get(topic, {}).get(number, offset) for number, offset in partitions.items()}
        for topic, partitions in all_offsets.items()
    }


def _require_kept(start: Offsets, earliest: Offsets, latest: Offsets, where: str) -> None:
    """Refuse a start that would silently skip records, or that belongs to a topic of the same name long gone."""
    for topic, partitions in start.items():
        for number, offset in partitions.items():
            first, end = earliest[topic][number], latest[topic][number]
            if offset < first:
                raise KafkaError(
                    f"Partition {number} of topic {topic!r} at {where} begins at offset {first}; {first - offset} "
                    f"records from {offset} on were removed by retention. Raise the topic's retention; to go on with "
                    "the gap, begin at the earliest offset."
                )
            if offset > end:
                raise KafkaError(
                    f"Partition {number} of topic {topic!r} at {where} ends at offset {end}, before the start "
                    f"{offset}. The topic was created anew or lost data: begin at the earliest offset, or restore it."
                )


def _headers(found: list[tuple[str, bytes | None]] | None) -> list[dict[str, Any]] | None:
    return None if found is None else [{"key": key, "value": value} for key, value in found]
