"""Acknowledged delivery of bytes to Kafka.

Guarantee: when :meth:`KafkaEventProducer.flush` returns, every record sent before it is acknowledged by all in-sync
replicas, and the client's own retries wrote none twice (idempotent producer). After an error the unacknowledged
records may or may not be in the topic: sending them again is at-least-once.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, final

import confluent_kafka
from confluent_kafka import Producer

from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.failure import CLIENT_LOGGER, ClientErrors, failure, translated
from paywarden.errors import KafkaError

_QUEUE_MESSAGES = 100_000
_QUEUE_KBYTES = 262_144
"""2.6 KB a message before memory, not the count, limits the queue; our events have some 300 bytes."""

Headers = Sequence[tuple[str, bytes]]

_CHUNK = 5_000
_LINGER_MS = 20
_BATCH_BYTES = 262_144
"""With lz4 and these two, 250-byte records go in batches of about 1,000; measured 3× the default's throughput."""


@final
class KafkaEventProducer:
    """Sends keys and values in bulk and accounts for every delivery. One thread at a time.

    Records go to the partition that Java clients, and so Spark, choose for their key (murmur2). ``delivery_timeout_ms``
    bounds how long the client itself retries a record. Constructing it touches no network. As a context manager it
    flushes at a normal end.
    """

    def __init__(self, connection: KafkaConnection, *, delivery_timeout_ms: int = 60_000) -> None:
        self._where = connection.bootstrap_servers
        self._timeout_seconds = delivery_timeout_ms / 1000
        self._errors = ClientErrors()
        self._accepted = 0
        self._failures: list[tuple[str, confluent_kafka.KafkaError]] = []
        self._failed_before = 0
        config: dict[str, Any] = {
            "linger.ms": _LINGER_MS,
            "batch.size": _BATCH_BYTES,
            "compression.type": "lz4",
            **connection.producer_config(),
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": _QUEUE_MESSAGES,
            "queue.buffering.max.kbytes": _QUEUE_KBYTES,
            "delivery.timeout.ms": delivery_timeout_ms,
            # A topic that is not there is told after 5 s instead of 30; `ensure_topics` waits for new ones.
            "topic.metadata.propagation.max.ms": 5_000,
            # Successes are counted by the queue running empty: a callback a record would cost half the throughput.
            "delivery.report.only.error": True,
            "on_delivery": self._delivered_or_not,
            "error_cb": self._errors,
        }
        with translated("Opening a producer", self._where, options=connection.options.names()):
            self._producer = Producer(config, logger=CLIENT_LOGGER)

    @property
    def pending(self) -> int:
        """Records sent and not yet acknowledged or given up."""
        return len(self._producer)

    @property
    def delivered(self) -> int:
        """Records acknowledged since the producer was made; exact after a :meth:`flush`."""
        return self._accepted - self.pending - len(self._failures) - self._failed_before

    def send_many(
        self,
        topic: str,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        timestamps_ms: Sequence[int] | None = None,
        headers: Sequence[Headers] | None = None,
    ) -> None:
        """Queue one record for each value, with its key and, if given, its headers and time (epoch ms; else: now).

        Waits while the queue is full. Records of one key keep their order. Raises :class:`KafkaError` for a record
        that can never be sent, :class:`ValueError` for sequences of unequal length; :meth:`flush` tells of the rest.
        """
        if any(len(each) != len(values) for each in (keys, timestamps_ms, headers) if each is not None):
            raise ValueError("keys, values, timestamps and headers must be equally long")
        for first in range(0, len(values), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            self._make_room()
            if timestamps_ms is None and headers is None:
                self._queue_batch(topic, keys[chunk], values[chunk])
            else:
                count = len(values[chunk])
                times = timestamps_ms[chunk] if timestamps_ms is not None else [0] * count  # 0: librdkafka's own clock
                self._queue_each(
                    topic, keys[chunk], values[chunk], times, headers[chunk] if headers is not None else [[]] * count
                )
            self._producer.poll(0)

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Return when every record sent so far is acknowledged.

        Raises :class:`KafkaError` with the number and first cause of those that are not: refused or given up, or
        still on their way after ``timeout_seconds`` (default: the delivery timeout and 5 s). Failures are told once.
        """
        limit = self._timeout_seconds + 5 if timeout_seconds is None else timeout_seconds
        with translated("Delivering records", self._where, self._errors):
            remaining = self._producer.flush(limit)
        if self._failures:
            topic, error = self._failures[0]
            count = len(self._failures)
            self._failed_before += count
            self._failures.clear()
            raise failure(f"Delivering {count} records (the first to topic {topic!r})", self._where, self._told(error))
        if remaining:
            cause = f"; the client says: {self._errors.last.str()}" if self._errors.last else ""
            raise KafkaError(
                f"{remaining} records were not acknowledged by {self._where} within {limit:.0f} s{cause}. "
                "They may still arrive; check the broker, then send them again (at least once)."
            )

    def close(self, timeout_seconds: float | None = None) -> None:
        """Flush, as :meth:`flush` does."""
        self.flush(timeout_seconds)

    def __enter__(self) -> KafkaEventProducer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
        else:
            self._producer.purge()

    def _make_room(self) -> None:
        """Wait until a whole chunk fits: a chunk queued in part could overtake itself in the order of a key."""
        while len(self._producer) > _QUEUE_MESSAGES - _CHUNK:
            self._producer.poll(0.01)

    def _queue_batch(self, topic: str, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> None:
        messages: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in zip(keys, values, strict=True)]
        while messages:
            with translated(f"Sending to topic {topic!r}", self._where):
                self._accepted += self._producer.produce_batch(topic, messages)
            messages = [message for message in messages if "_error" in message]
            for message in messages:
                self._require_retriable(topic, message.pop("_error"))
            if messages:
                self._producer.poll(0.05)

    def _queue_each(
        self,
        topic: str,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        timestamps_ms: Sequence[int],
        headers: Sequence[Headers],
    ) -> None:
        """confluent-kafka 2.16 knows neither timestamps nor headers in ``produce_batch``."""
        with translated(f"Sending to topic {topic!r}", self._where):
            for key, value, timestamp, pairs in zip(keys, values, timestamps_ms, headers, strict=True):
                while not self._queued(topic, key, value, timestamp, pairs):
                    self._producer.poll(0.05)
                self._accepted += 1

    def _queued(self, topic: str, key: bytes | None, value: bytes | None, timestamp: int, headers: Headers) -> bool:
        try:
            self._producer.produce(topic, value, key, timestamp=timestamp, headers=list(headers))
        except BufferError:
            return False
        return True

    def _require_retriable(self, topic: str, error: confluent_kafka.KafkaError) -> None:
        if error.code() != confluent_kafka.KafkaError._QUEUE_FULL:  # noqa: SLF001  # its public name
            raise failure(f"Sending to topic {topic!r}", self._where, error)

    def _delivered_or_not(self, error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message) -> None:
        if error is not None:
            self._failures.append((message.topic() or "?", error))

    def _told(self, error: confluent_kafka.KafkaError) -> confluent_kafka.KafkaError:
        """The reason behind a bare time-out, where a background thread reported one."""
        timed_out = error.code() == confluent_kafka.KafkaError._MSG_TIMED_OUT  # noqa: SLF001  # its public name
        return self._errors.last if timed_out and self._errors.last is not None else error
