"""Replay: history folded in process, in arrival order or in the order that batch manifests record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.features.catalogue import Catalogue
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine, Keys, keys_of
from paywarden.features.events import EventBatch, fold_order, from_tables
from paywarden.features.manifest import BatchManifest, batch_numbers


@dataclass(frozen=True)
class EntityStates:
    """All records of one entity: ``keys`` string ``[k]`` and ``states`` int64 ``[k, words]``."""

    keys: pa.Array
    states: NDArray[np.int64]


@dataclass(frozen=True)
class Replay:
    """What a replay gives.

    ``features`` float32 ``[t, f]`` and ``verdicts`` int8 ``[t]`` are aligned with the transactions as they came in,
    ``label_verdicts`` int8 ``[l]`` with the labels; ``states`` is what the state holds at the end, by entity.
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
    events = from_tables(transactions, labels, catalogue.entities)
    order = _batch_order(events, transactions, labels, manifests) if manifests else _arrival_order(events)
    return fold_in_order(events, order, transactions.num_rows, Engine(catalogue))


def fold_in_order(events: EventBatch, order: NDArray[np.int64], transactions: int, engine: Engine) -> Replay:
    """Fold a batch whose first ``transactions`` rows are transactions and the rest labels, in the given order."""
    ordered = events.take(order)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    states: dict[str, EntityStates] = {}
    routing, routing_keys = _empty_states(engine, ROUTING, ordered.routing_key, states)
    verdicts = engine.judge(ordered, routing, routing_keys.record_of)
    columns = []
    for entity in engine.catalogue.entities:
        records, keys = _empty_states(engine, entity, ordered.tokens[entity], states)
        columns.append(engine.fold(entity, ordered, verdicts, records, keys.record_of)[place[:transactions]])
    columns.append(engine.request(events)[:transactions])
    return Replay(
        features=np.concatenate(columns, axis=1),
        verdicts=verdicts[place[:transactions]],
        label_verdicts=verdicts[place[transactions:]],
        states=states,
    )


def _empty_states(
    engine: Engine, entity: str, tokens: pa.Array, into: dict[str, EntityStates]
) -> tuple[NDArray[np.int64], Keys]:
    keys = keys_of(tokens)
    records = np.zeros((len(keys.unique), engine.words(entity)), dtype=np.int64)
    into[entity] = EntityStates(keys.unique, records)
    return records, keys


def _arrival_order(events: EventBatch) -> NDArray[np.int64]:
    return np.lexsort((events.kind, events.received_at))


def _batch_order(
    events: EventBatch, transactions: pa.Table, labels: pa.Table, manifests: Sequence[BatchManifest]
) -> NDArray[np.int64]:
    coordinates = pa.concat_tables([table.select(["topic", "partition", "offset"]) for table in (transactions, labels)])
    batches = batch_numbers(coordinates, manifests)
    partition, offset = (coordinates[name].to_numpy() for name in ("partition", "offset"))
    return fold_order(events, partition, offset, batches)
