"""The naive oracle: every feature by the letter of its docstring, over plain lists of events.

It keeps every event it observed and reads them all again for each feature: no tiles, no cells, no compiled code, and
arithmetic in exact fractions. It knows what the documents say of windows, rings, idleness, duplicates and labels, and
nothing of how the engine does it. Slow, and meant to be read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from fractions import Fraction
from functools import cached_property

import pyarrow as pa
from tests.parity.xxh64 import xxh64

from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.feature import Feature
from paywarden.features.manifest import BatchManifest

SCORED, DUPLICATE, LABEL_APPLIED, LABEL_REPEATED = range(4)
TRANSACTIONS, FRAUD_LABELS = "transactions", "fraud labels"
SQUARES_CAP = 2**26 - 1
INT64_MAX = 2**63 - 1


@dataclass(frozen=True)
class Event:
    """A row of a canonical table."""

    is_transaction: bool
    row: dict[str, object]

    def __getitem__(self, column: str) -> object:
        return self.row[column]

    @property
    def as_of(self) -> int:
        return self["occurred_at"] if self.is_transaction else self["received_at"]

    @property
    def clock(self) -> str:
        return TRANSACTIONS if self.is_transaction else FRAUD_LABELS

    @property
    def observes(self) -> bool:
        return self["transaction_type"] == "authorisation" if self.is_transaction else self["is_fraud"]


@dataclass(frozen=True)
class Outcome:
    """What became of an event: its verdict and its features by name, the entities' only where it was scored."""

    verdict: int
    features: dict[str, float]


@dataclass(frozen=True)
class Reading:
    """One entity's past as one feature sees it: ``cell(name)`` is the events its cell holds in the window."""

    feature: Feature
    event: Event
    past: list[Event]
    ring_tiles: Callable[[str], int]

    def cell(self, name: str) -> list[Event]:
        """Events of the cell's clock in the tile of ``as_of`` and those before it, as far as its ring remembers."""
        clock = FRAUD_LABELS if name == "frauds" else TRANSACTIONS
        past = [event for event in self.past if event.clock == clock]
        if not past:
            return []
        window = self.feature.window
        now = self.event.as_of // window.tile_ms
        newest = max(event.as_of for event in past) // window.tile_ms
        oldest = max(now - window.tiles, newest - self.ring_tiles(name)) + 1
        return [event for event in past if oldest <= event.as_of // window.tile_ms <= now]

    def amounts(self, name: str) -> list[int]:
        return [event["amount_base"] for event in self.cell(name)]

    @cached_property
    def amount(self) -> int:
        """The present transaction's own amount."""
        return self.event["amount_base"]


def count(reading: Reading) -> float:
    return len(reading.cell("count"))


def total(reading: Reading) -> float:
    return sum(reading.amounts("sum"))


def mean(reading: Reading) -> float:
    transactions = len(reading.cell("count"))
    return Fraction(sum(reading.amounts("sum")), transactions) if transactions else math.nan


def largest(reading: Reading) -> float:
    return max(reading.amounts("max"), default=math.nan)


def ratio_to_mean(reading: Reading) -> float:
    average = mean(reading)
    return reading.amount / average if average > 0 else math.nan


def zscore(reading: Reading) -> float:
    transactions = len(reading.cell("count"))
    if transactions < 3:
        return math.nan
    squares = min(sum(min(amount, SQUARES_CAP) ** 2 for amount in reading.amounts("squares")), INT64_MAX)
    variance = Fraction(squares, transactions) - mean(reading) ** 2
    return float(reading.amount - mean(reading)) / math.sqrt(variance) if variance > 0 else math.nan


def distinct(reading: Reading) -> float:
    tokens = {event[f"entity_{reading.feature.field}"] for event in reading.cell("sketch")} - {None}
    bits = len({xxh64(token.encode()) % 512 for token in tokens})
    return -512 * math.log(max(512 - bits, 1) / 512) if bits else 0.0


def fraud_rate(reading: Reading) -> float:
    return (len(reading.cell("frauds")) + 0.1) / (len(reading.cell("count")) + 10)


def seconds_since_last(reading: Reading) -> float:
    times = [event.as_of for event in reading.past if event.is_transaction]
    return max(reading.event.as_of - max(times), 0) / 1000 if times else math.nan


AGGREGATIONS: dict[str, tuple[Callable[[Reading], float], tuple[str, ...]]] = {
    "count": (count, ("count",)),
    "sum": (total, ("sum",)),
    "mean": (mean, ("count", "sum")),
    "max": (largest, ("max",)),
    "ratio_to_mean": (ratio_to_mean, ("count", "sum")),
    "zscore": (zscore, ("count", "sum", "squares")),
    "distinct": (distinct, ("sketch",)),
    "fraud_rate": (fraud_rate, ("frauds", "count")),
    "seconds_since_last": (seconds_since_last, ()),
}
"""Every aggregation with its oracle and the cells it stores in a tile."""

FIELDLESS = ("count", "frauds")


class Oracle:
    """Folds events one by one, in the order in which they are given."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.memory: Memory = catalogue.memory
        self.pasts: dict[tuple[str, str], list[Event]] = defaultdict(list)
        self.ids: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.labelled_ids: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.rings = _ring_lengths(catalogue)

    def fold(self, event: Event) -> Outcome:
        """Judge the event, read what is known before it, then observe it."""
        verdict = self._judge(event)
        features = request_features(event) if event.is_transaction else {}
        if verdict == SCORED:
            features |= self._features(event)
        if event.observes and verdict in (SCORED, LABEL_APPLIED):
            for entity in self.catalogue.entities:
                self._observe(entity, event)
        return Outcome(verdict, features)

    def _judge(self, event: Event) -> int:
        key, memory = event["routing_key"], self.memory
        if event.is_transaction:
            repeated = _seen(self.ids[key], event, memory.ids, memory.ids_ttl_ms)
            return DUPLICATE if repeated else SCORED
        repeated = event["is_fraud"] and _seen(
            self.labelled_ids[key], event, memory.labelled_ids, memory.labelled_ttl_ms
        )
        return LABEL_REPEATED if repeated else LABEL_APPLIED

    def _features(self, event: Event) -> dict[str, float]:
        return {feature.name: self._read(feature, event) for feature in self.catalogue.features}

    def _read(self, feature: Feature, event: Event) -> float:
        token = event[f"entity_{feature.entity}"]
        if token is None:
            return math.nan
        aggregate, _ = AGGREGATIONS[feature.aggregation]
        past = self._remembered(feature.entity, token, event.as_of)
        return float(aggregate(Reading(feature, event, past, lambda cell: self.rings[_ring(feature, cell)])))

    def _observe(self, entity: str, event: Event) -> None:
        token = event[f"entity_{entity}"]
        if token is not None:
            self.pasts[entity, token] = [*self._remembered(entity, token, event.as_of), event]

    def _remembered(self, entity: str, token: str, as_of: int) -> list[Event]:
        """The entity's past; nothing once it has been idle for longer than its time to live."""
        past = self.pasts[entity, token]
        idle = past and as_of - max(event.as_of for event in past) > self.memory.record_ttl_ms
        return [] if idle else past


def request_features(event: Event) -> dict[str, float]:
    """The transaction's own fields."""
    moment = datetime.fromtimestamp(event["occurred_at"] / 1000, timezone.utc)
    day = 2 * math.pi * (event["occurred_at"] % 86_400_000) / 86_400_000
    return {
        "amount": float(event["amount_base"]),
        "hour_sin": math.sin(day),
        "hour_cos": math.cos(day),
        "weekday": float(moment.weekday()),
        "is_night": float(moment.hour < 6),
    }


def arrival_order(transactions: pa.Table, labels: pa.Table) -> list[tuple[int, int, int]]:
    """(received_at, labels before transactions, row), sorted."""
    rows = [(at, 1, row) for row, at in enumerate(transactions["received_at"].to_pylist())]
    rows += [(at, 0, row) for row, at in enumerate(labels["received_at"].to_pylist())]
    return sorted(rows)


def batch_order(
    transactions: pa.Table, labels: pa.Table, manifests: Sequence[BatchManifest]
) -> list[tuple[int, int, int]]:
    """The same triples in the order (batch, received_at, topic, partition, offset); rows of no batch come last."""

    def key(triple: tuple[int, int, int]) -> tuple[float, int, str, int, int]:
        received_at, kind, row = triple
        event = (transactions if kind else labels).slice(row, 1).to_pylist()[0]
        topic, partition, offset = event["topic"], event["partition"], event["offset"]
        batches = [
            manifest.batch
            for manifest in manifests
            for span in manifest.ranges
            if (span.topic, span.partition) == (topic, partition) and span.start <= offset < span.end
        ]
        return (batches[0] if batches else math.inf, received_at, topic, partition, offset)

    return sorted(arrival_order(transactions, labels), key=key)


@dataclass(frozen=True)
class Replayed:
    """What the oracle says of every transaction (``[t]``) and label (``[l]``), in the order of the tables."""

    outcomes: list[Outcome]
    label_verdicts: list[int]


def replay_naively(
    transactions: pa.Table, labels: pa.Table, catalogue: Catalogue, manifests: Sequence[BatchManifest] = ()
) -> Replayed:
    """The oracle's replay of canonical tables."""
    order = batch_order(transactions, labels, manifests) if manifests else arrival_order(transactions, labels)
    rows = (labels.to_pylist(), transactions.to_pylist())
    oracle = Oracle(catalogue)
    done = {(kind, row): oracle.fold(Event(bool(kind), rows[kind][row])) for _, kind, row in order}
    return Replayed(
        [done[1, row] for row in range(transactions.num_rows)],
        [done[0, row].verdict for row in range(labels.num_rows)],
    )


def _seen(ring: list[tuple[str, int]], event: Event, size: int, ttl_ms: int) -> bool:
    """Whether one of the last ``size`` ids remembered is this one and young enough; if not, it is remembered."""
    now, identifier = event["received_at"], event["transaction_id"]
    if any(known == identifier and now - arrived <= ttl_ms for known, arrived in ring):
        return True
    ring.append((identifier, now))
    del ring[:-size]
    return False


def _ring(feature: Feature, cell: str) -> tuple[str, str, str | None, int]:
    field = None if cell in FIELDLESS else feature.field
    return feature.entity, cell, field, feature.window.tile_ms


def _ring_lengths(catalogue: Catalogue) -> dict[tuple[str, str, str | None, int], int]:
    """A cell's ring is as long as the longest window that reads this cell at this tile width."""
    lengths: dict[tuple[str, str, str | None, int], int] = {}
    for feature in catalogue.features:
        for cell in AGGREGATIONS[feature.aggregation][1]:
            ring = _ring(feature, cell)
            lengths[ring] = max(lengths.get(ring, 0), feature.window.tiles)
    return lengths
