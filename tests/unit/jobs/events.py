"""Transactions and labels as Kafka holds them, and what a stored state holds of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from paywarden.features.manifest import NO_BATCH, OffsetRange, batch_numbers
from paywarden.features.replay import replay
from paywarden.jobs.training_data import History

TRANSACTIONS, LABELS = "transactions", "labels"
PARTITIONS = {TRANSACTIONS: 2, LABELS: 1}


@dataclass(frozen=True)
class Events:
    """Canonical tables with the coordinates of two partitions of transactions and one of labels."""

    transactions: pa.Table
    labels: pa.Table

    @classmethod
    def of(cls, transactions: pa.Table, labels: pa.Table) -> Events:
        return cls(_placed(transactions, TRANSACTIONS), _placed(labels, LABELS))

    @property
    def ends(self) -> dict[str, dict[int, int]]:
        """The offsets after the last records."""
        return self.at(1.0)

    def at(self, share: float) -> dict[str, dict[int, int]]:
        """Offsets at about this share of the way."""
        counts = {t: len(self.table(t)) // n for t, n in PARTITIONS.items()}
        return {t: dict.fromkeys(range(PARTITIONS[t]), int(share * count)) for t, count in counts.items()}

    def spans(self, start: dict[str, dict[int, int]], end: dict[str, dict[int, int]]) -> tuple[OffsetRange, ...]:
        """The ranges between two offsets."""
        return tuple(OffsetRange(t, p, start[t][p], end[t][p]) for t, ps in sorted(end.items()) for p in sorted(ps))

    def read(self, ranges) -> tuple[pa.Table, pa.Table]:
        """The rows of these ranges."""
        found = [table.filter(pa.array(_inside(table, ranges))) for table in (self.transactions, self.labels)]
        return found[0], found[1]

    def history(self, end: dict[str, dict[int, int]]) -> History:
        """Everything below these offsets."""
        return History(*self.read(self.spans(self.at(0), end)), {})

    def table(self, topic: str) -> pa.Table:
        return self.transactions if topic == TRANSACTIONS else self.labels


def stored(store, engine, record) -> dict[bytes, bytes]:
    """The states of a record by key, each found in the shard where the engine looks for it."""
    found: dict[bytes, bytes] = {}
    for shard in range(store.shards):
        for keys, states in store.scan(record, shard, engine.words(record)):
            if record in engine.catalogue.records or keys:
                shards = engine.shards(record, pa.array([key.decode() for key in keys]), store.shards)
                assert set(shards.tolist()) == {shard}
            found |= {key: state.tobytes() for key, state in zip(keys, states, strict=True)}
    return found


def everything(store, engine) -> dict[str, dict[bytes, bytes]]:
    """All records of a state."""
    return {record: stored(store, engine, record) for record in ("routing", *engine.catalogue.records)}


def expected(events: Events, engine, lineage) -> dict[str, dict[bytes, bytes]]:
    """All records of a state that these manifests have made, by a replay."""
    covered = Events(*(table.filter(pa.array(batch_numbers(table, lineage) != NO_BATCH)) for table in _tables(events)))
    states = replay(covered.transactions, covered.labels, engine.catalogue, lineage).states
    return {
        record: {key.encode(): state.tobytes() for key, state in zip(found.keys.to_pylist(), found.states, strict=True)}
        for record, found in states.items()
    }


def _tables(events: Events) -> tuple[pa.Table, pa.Table]:
    return events.transactions, events.labels


def _placed(table: pa.Table, topic: str) -> pa.Table:
    partitions = PARTITIONS[topic]
    table = table.slice(0, table.num_rows - table.num_rows % partitions)
    rows = np.arange(table.num_rows)
    return (
        table.append_column("topic", pa.array([topic] * len(rows), pa.string()))
        .append_column("partition", pa.array(rows % partitions, pa.int32()))
        .append_column("offset", pa.array(rows // partitions, pa.int64()))
    )


def _inside(table: pa.Table, ranges) -> np.ndarray:
    topics = table["topic"].to_numpy(zero_copy_only=False)
    partition, offset = table["partition"].to_numpy(), table["offset"].to_numpy()
    inside = np.zeros(table.num_rows, dtype=bool)
    for span in ranges:
        inside |= (topics == span.topic) & (partition == span.partition) & (offset >= span.start) & (offset < span.end)
    return inside
