"""Replay: history folded in process, in arrival order or in the order that batch manifests record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.events import EventBatch, arrival_order, fold_order, from_tables
from paywarden.features.manifest import BatchManifest, batch_numbers


@dataclass(frozen=True)
class EntityStates:
    """All records of one kind: ``keys`` string (or, of pairs, binary) ``[k]`` and ``states`` int64 ``[k, words]``."""

    keys: pa.Array
    states: NDArray[np.int64]


@dataclass(frozen=True)
class Replay:
    """What a replay gives.

    ``features`` float32 ``[t, f]`` and ``verdicts`` int8 ``[t]`` are aligned with the transactions as they came in,
    ``label_verdicts`` int8 ``[l]`` with the labels; ``states`` is what the state holds at the end, by record.
    """

    features: NDArray[np.float32]
    verdicts: NDArray[np.int8]
    label_verdicts: NDArray[np.int8]
    states: dict[str, EntityStates]


def replay(
    transactions: pa.Table, labels: pa.Table, catalogue: Catalogue, manifests: Sequence[BatchManifest] = ()
) -> Replay:
    """Fold canonical transactions and labels from an empty state.

    Without manifests the order is (``received_at``, labels first, row). With them it is (batch, ``received_at``,
    labels first, partition, offset), exactly as the stream folded these rows, which then need their Kafka
    coordinates; rows of no batch come last, in arrival order.
    """
    events = from_tables(transactions, labels, catalogue.inputs)
    order = _batch_order(events, transactions, labels, manifests) if manifests else arrival_order(events)
    return fold_in_order(events, order, transactions.num_rows, Engine(catalogue))


def fold_in_order(events: EventBatch, order: NDArray[np.int64], transactions: int, engine: Engine) -> Replay:
    """Fold a batch whose first ``transactions`` rows are transactions and the rest labels, in the given order."""
    states: dict[str, EntityStates] = {}

    @contextmanager
    def empty(record: str) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        keys = engine.keys(record, events)
        records = np.zeros((len(keys.unique), engine.words(record)), dtype=np.int64)
        states[record] = EntityStates(keys.unique, records)
        yield records, keys.record_of

    vectors = np.empty((transactions, engine.width), dtype=np.float32)
    verdicts = engine.fold_all(events, order, vectors, empty)
    engine.request(events, vectors)
    return Replay(vectors, verdicts[:transactions], verdicts[transactions:], states)


def _batch_order(
    events: EventBatch, transactions: pa.Table, labels: pa.Table, manifests: Sequence[BatchManifest]
) -> NDArray[np.int64]:
    coordinates = pa.concat_tables([table.select(["topic", "partition", "offset"]) for table in (transactions, labels)])
    batches = batch_numbers(coordinates, manifests)
    partition, offset = (coordinates[name].to_numpy() for name in ("partition", "offset"))
    return fold_order(events, partition, offset, batches)
