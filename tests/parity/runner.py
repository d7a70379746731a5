"""A stream without Spark: batches folded one by one, states kept by key, every step sharded by its own key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from tests.parity.streams import Stream

from paywarden.features.catalogue import Catalogue, Step
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.events import EventBatch, arrival_order, fold_order, from_tables
from paywarden.features.hashing import hash_strings, shards_of
from paywarden.features.manifest import BatchManifest, batch_numbers


@dataclass(frozen=True)
class Folded:
    """Aligned with the tables that were folded; a verdict of -1 is a row of no batch."""

    features: np.ndarray
    verdicts: np.ndarray
    label_verdicts: np.ndarray


class ShardedRunner:
    """Holds the states of all shards as a store would, and folds batches as the stream's tasks do."""

    def __init__(self, catalogue: Catalogue, shards: int, *, delete_idle: bool = False) -> None:
        self.engine = Engine(catalogue)
        self.shards = shards
        self.delete_idle = delete_idle
        self.deleted: Counter[str] = Counter()
        self.stores: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    def record(self, record: str, key: str | bytes) -> np.ndarray:
        """The record of a key; zeros where there is none."""
        shard = int(self.engine.shards(record, pa.array([key]), self.shards)[0])
        return self.stores.get((record, shard), {}).get(key, np.zeros(self.engine.words(record), np.int64))

    def fold_tables(self, transactions: pa.Table, labels: pa.Table) -> Folded:
        """Fold one batch of tables in arrival order."""
        events = from_tables(transactions, labels, self.engine.catalogue.inputs)
        return self.fold(events, arrival_order(events), transactions.num_rows)

    def fold(self, events: EventBatch, order: np.ndarray, transactions: int) -> Folded:
        """Fold a batch in this order: judge by the routing key, then each entity by its own, then put rows back."""
        ordered = take(events, order)
        place = np.argsort(order)
        verdicts = self._judge(ordered)
        vectors = np.full((len(events), self.engine.width), np.nan, np.float32)
        for step in self.engine.catalogue.steps:
            self._step(step, ordered, verdicts, vectors)
        self.engine.request(ordered, vectors)
        return Folded(vectors[place[:transactions]], verdicts[place[:transactions]], verdicts[place[transactions:]])

    def forget_idle(self, entity: str, now_ms: int) -> None:
        """Delete what reads as empty from now on."""
        for (name, _), store in self.stores.items():
            if name != entity or not store:
                continue
            idle = self.engine.idle(entity, np.stack(list(store.values())), now_ms)
            for key in np.array(list(store))[idle]:
                del store[key]
                self.deleted[entity] += 1

    def _judge(self, events: EventBatch) -> np.ndarray:
        verdicts = np.full(len(events), -1, np.int8)
        for rows, part in self._tasks(events, events.routing_key):
            with self._states(ROUTING, part) as (states, record_of):
                verdicts[rows] = self.engine.judge(part, np.arange(len(part)), states, record_of)
        return verdicts

    def _step(self, step: Step, events: EventBatch, verdicts: np.ndarray, vectors: np.ndarray) -> None:
        if step.entity is None:
            return
        for rows, part in self._tasks(events, events.tokens[step.entity]):
            mine = np.ascontiguousarray(vectors[rows])
            for record in step.records:
                with self._states(record, part) as (states, record_of):
                    self.engine.fold(record, part, np.arange(len(part)), verdicts[rows], states, record_of, mine)
            vectors[rows] = mine

    def _tasks(self, events: EventBatch, tokens: pa.Array) -> Iterator[tuple[np.ndarray, EventBatch]]:
        """One task a shard: its rows and its events."""
        shard_of = shards_of(hash_strings(tokens.fill_null("")), self.shards)
        for shard in range(self.shards):
            rows = np.flatnonzero(shard_of == shard)
            yield rows, take(events, rows)

    @contextmanager
    def _states(self, record: str, events: EventBatch) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The states of the keys that a task's events name, written at its end."""
        keys = self.engine.keys(record, events)
        names = keys.unique.to_pylist()
        shard = set(self.engine.shards(record, keys.unique, self.shards).tolist())
        assert len(shard) <= 1
        store = self.stores.setdefault((record, *shard), {}) if shard else {}
        states = np.zeros((len(names), self.engine.words(record)), np.int64)
        for i, name in enumerate(names):
            states[i] = store.get(name, 0)
        yield states, keys.record_of
        store.update(zip(names, states, strict=True))


def take(events: EventBatch, rows: np.ndarray) -> EventBatch:
    """The events at these positions, in this order."""
    arrow = pa.array(rows, pa.int64())
    columns = {}
    for field in fields(events):
        value = getattr(events, field.name)
        if isinstance(value, dict):
            columns[field.name] = {k: v.take(arrow) if isinstance(v, pa.Array) else v[rows] for k, v in value.items()}
        else:
            columns[field.name] = value.take(arrow) if isinstance(value, pa.Array) else value[rows]
    return EventBatch(**columns)


def fold_in_batches(
    stream: Stream, catalogue: Catalogue, manifests: Sequence[BatchManifest], runner: ShardedRunner
) -> Folded:
    """Fold the batches of the manifests one after the other; between two, delete idle records if the runner does."""
    count = stream.transactions.num_rows
    events = from_tables(stream.transactions, stream.labels, catalogue.inputs)
    coordinates = pa.concat_tables(
        [table.select(["topic", "partition", "offset"]) for table in (stream.transactions, stream.labels)]
    )
    partition, offset = coordinates["partition"].to_numpy(), coordinates["offset"].to_numpy()
    batches = batch_numbers(coordinates, manifests)
    features = np.full((count, len(catalogue.names)), np.nan, np.float32)
    verdicts = np.full(len(events), -1, np.int8)
    for number in sorted(manifest.batch for manifest in manifests):
        rows = np.flatnonzero(batches == number)
        part = take(events, rows)
        transactions = int((rows < count).sum())
        folded = runner.fold(part, fold_order(part, partition[rows], offset[rows]), transactions)
        features[rows[:transactions]] = folded.features
        verdicts[rows] = np.concatenate([folded.verdicts, folded.label_verdicts])
        later = (batches > number) & (batches <= len(manifests))
        if runner.delete_idle and later.any():
            _forget_idle(runner, take(events, np.flatnonzero(later)))
    return Folded(features, verdicts[:count], verdicts[count:])


def _forget_idle(runner: ShardedRunner, later: EventBatch) -> None:
    """Idleness is judged by the oldest time that any later event still reads."""
    runner.forget_idle(ROUTING, int(later.received_at.min()))
    for record in runner.engine.catalogue.records:
        runner.forget_idle(record, int(later.as_of.min()))
