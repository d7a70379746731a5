"""A stream without Spark: batches folded one by one, states kept by key, every step sharded by its own key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tests.parity.streams import Stream

from paywarden.features.catalogue import Catalogue
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine, keys_of
from paywarden.features.events import EventBatch, fold_order, from_tables
from paywarden.features.hashing import hash_keys, shards_of
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

    def record(self, entity: str, key: str) -> np.ndarray:
        """The record of a key; zeros where there is none."""
        store = self.stores.get((entity, int(self._shard_of([key])[0])), {})
        return store.get(key, np.zeros(self.engine.words(entity), np.int64))

    def fold_tables(self, transactions: pa.Table, labels: pa.Table) -> Folded:
        """Fold one batch of tables in arrival order."""
        events = from_tables(transactions, labels, self.engine.catalogue.entities)
        order = np.lexsort((events.kind, events.received_at))
        return self.fold(events, order, transactions.num_rows)

    def fold(self, events: EventBatch, order: np.ndarray, transactions: int) -> Folded:
        """Fold a batch in this order: judge by the routing key, then each entity by its own, then put rows back."""
        ordered = events.take(order)
        place = np.argsort(order)
        verdicts = self._judge(ordered)
        columns = [self._step(entity, ordered, verdicts) for entity in self.engine.catalogue.entities]
        features = np.concatenate([*columns, self.engine.request(ordered)], axis=1)[place]
        return Folded(features[:transactions], verdicts[place[:transactions]], verdicts[place[transactions:]])

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
        for rows, part, keys, states in self._tasks(ROUTING, events, events.routing_key):
            verdicts[rows] = self.engine.judge(part, states, keys)
        return verdicts

    def _step(self, entity: str, events: EventBatch, verdicts: np.ndarray) -> np.ndarray:
        width = len(self.engine.catalogue.of(entity))
        features = np.full((len(events), width), np.nan, np.float32)
        for rows, part, keys, states in self._tasks(entity, events, events.tokens[entity]):
            features[rows] = self.engine.fold(entity, part, verdicts[rows], states, keys)
        return features

    def _tasks(self, entity, events, tokens):
        """One task a shard: its rows, its events, their records and the states, which are written at the end."""
        shard_of = self._shard_of(tokens.to_pylist())
        for shard in range(self.shards):
            rows = np.flatnonzero(shard_of == shard)
            store = self.stores.setdefault((entity, shard), {})
            keys = keys_of(tokens.take(pa.array(rows)))
            names = keys.unique.to_pylist()
            states = np.zeros((len(names), self.engine.words(entity)), np.int64)
            for i, name in enumerate(names):
                states[i] = store.get(name, 0)
            yield rows, events.take(rows), keys.record_of, states
            store.update(zip(names, states, strict=True))

    def _shard_of(self, keys: Sequence[str | None]) -> np.ndarray:
        return shards_of(hash_keys([(key or "").encode() for key in keys]), self.shards)


def fold_in_batches(
    stream: Stream, catalogue: Catalogue, manifests: Sequence[BatchManifest], runner: ShardedRunner
) -> Folded:
    """Fold the batches of the manifests one after the other; between two, delete idle records if the runner does."""
    count = stream.transactions.num_rows
    events = from_tables(stream.transactions, stream.labels, catalogue.entities)
    coordinates = pa.concat_tables(
        [table.select(["topic", "partition", "offset"]) for table in (stream.transactions, stream.labels)]
    )
    partition, offset = coordinates["partition"].to_numpy(), coordinates["offset"].to_numpy()
    batches = batch_numbers(coordinates, manifests)
    features = np.full((count, len(catalogue.names)), np.nan, np.float32)
    verdicts = np.full(len(events), -1, np.int8)
    for number in sorted(manifest.batch for manifest in manifests):
        rows = np.flatnonzero(batches == number)
        part = events.take(rows)
        transactions = int((rows < count).sum())
        folded = runner.fold(part, fold_order(part, partition[rows], offset[rows]), transactions)
        features[rows[:transactions]] = folded.features
        verdicts[rows] = np.concatenate([folded.verdicts, folded.label_verdicts])
        later = (batches > number) & (batches <= len(manifests))
        if runner.delete_idle and later.any():
            _forget_idle(runner, events.take(np.flatnonzero(later)))
    return Folded(features, verdicts[:count], verdicts[count:])


def _forget_idle(runner: ShardedRunner, later: EventBatch) -> None:
    """Idleness is judged by the oldest time that any later event still reads."""
    runner.forget_idle(ROUTING, int(later.received_at.min()))
    for entity in runner.engine.catalogue.entities:
        runner.forget_idle(entity, int(later.as_of.min()))
