"""Produce: transactions and labels into Kafka in the order of their arrival, each acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from paywarden.clock import Clock
from paywarden.events.encoding import encode_labels, encode_transactions, routing_keys
from paywarden.events.schema import EventSchema
from paywarden.features.hashing import hash_strings, shards_of

SLICES_A_SECOND = 10
"""How finely a limited rate is spread."""


class Arrivals(Protocol):
    """Some transactions and labels, each in order of ``received_at`` (canonical columns)."""

    @property
    def transactions(self) -> pa.Table:
        """Canonical transactions."""

    @property
    def labels(self) -> pa.Table:
        """Canonical labels."""


class Sink(Protocol):
    """Acknowledged delivery to Kafka."""

    def send_many(self, topic: str, keys: Sequence[bytes | None], values: Sequence[bytes]) -> None:
        """Queue records; blocks while the queue is full."""

    def flush(self) -> None:
        """Return once all are acknowledged; raise KafkaError where one was not."""


@dataclass(frozen=True)
class Produced:
    """How many events were acknowledged."""

    transactions: int
    labels: int


def produce(
    arrivals: Iterable[Arrivals],
    sink: Sink,
    transactions_topic: str,
    labels_topic: str,
    schema: EventSchema,
    *,
    rate: float | None = None,
    clock: Clock | None = None,
    sleep: Callable[[float], object] | None = None,
    progress: Callable[[Produced], None] = lambda _done: None,
) -> Produced:
    """Send everything, at most ``rate`` events a second where one is given (``clock`` and ``sleep`` are then needed).

    With a rate, transactions and labels are interleaved by ``received_at``. Raises KafkaError if one event was not
    acknowledged. ``progress`` is called after every portion, with what has been queued so far.
    """
    done = Produced(0, 0)
    began = clock() if clock else 0
    for portion in arrivals if rate is None else slices(arrivals, max(int(rate / SLICES_A_SECOND), 1)):
        transactions, labels = portion.transactions, portion.labels
        sink.send_many(transactions_topic, routing_keys(transactions), encode_transactions(transactions, schema))
        sink.send_many(labels_topic, routing_keys(labels), encode_labels(labels, schema))
        done = Produced(done.transactions + transactions.num_rows, done.labels + labels.num_rows)
        progress(done)
        if rate is not None and clock and sleep:
            due_ms = began + 1000 * (done.transactions + done.labels) / rate
            sleep(max(0.0, (due_ms - clock()) / 1000))
    sink.flush()
    return done


@dataclass(frozen=True)
class _Some:
    transactions: pa.Table
    labels: pa.Table


def part_of(arrivals: Iterable[Arrivals], part: int, parts: int) -> Iterator[Arrivals]:
    """The events of those routing keys that fall to ``part`` (0 to ``parts`` - 1), in their order.

    All parts together hold every event once, and one part holds all of a key's: sent by as many processes, the same
    records reach the same partitions, each key's in the same order; only how keys interleave depends on the processes.
    """

    def mine(events: pa.Table) -> pa.Table:
        return events.filter(pa.array(shards_of(hash_strings(events["routing_key"]), parts) == part))

    for portion in arrivals:
        yield _Some(mine(portion.transactions), mine(portion.labels))


def slices(arrivals: Iterable[Arrivals], size: int) -> Iterator[Arrivals]:
    """Portions of ``size`` events, transactions and labels merged by arrival."""
    for portion in arrivals:
        received = np.concatenate([portion.transactions["received_at"], portion.labels["received_at"]])
        order = np.argsort(received, kind="stable")
        transactions = portion.transactions.num_rows
        for first in range(0, len(order), size):
            chosen = np.sort(order[first : first + size])
            yield _Some(
                portion.transactions.take(pa.array(chosen[chosen < transactions])),
                portion.labels.take(pa.array(chosen[chosen >= transactions] - transactions)),
            )
