"""The naive oracle: every feature by the letter of its docstring, over plain lists of events.

It keeps every event it observed and reads them all again for each feature: no tiles, no cells, no compiled code, and
arithmetic in exact fractions. It knows what the documents say of windows, rings, idleness, duplicates and labels, and
nothing of how the engine does it. Slow, and meant to be read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import holidays
import pyarrow as pa
from tests.parity.xxh64 import xxh64

from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.feature import Feature
from paywarden.features.manifest import BatchManifest
from paywarden.features.windows import DAY_MS, MONTH, Window

SCORED, DUPLICATE, LABEL_APPLIED, LABEL_REPEATED = range(4)
TRANSACTIONS, FRAUD_LABELS = "transactions", "fraud labels"
SQUARES_CAP = 2**26 - 1
MAX_CAP = 2**32 - 2
INT64_MAX = 2**63 - 1
RUN_GAP_MS = 7 * DAY_MS
Value = int | str


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
    def sort(self) -> str | None:
        """What the event is observed as; None for what is not."""
        if not self.is_transaction:
            return "fraud" if self["is_fraud"] else None
        return {"authorisation": "authorisation", "refund": "refund"}.get(self["transaction_type"])

    @property
    def place(self) -> tuple[float, float] | None:
        known = self["latitude"] is not None and self["longitude"] is not None
        place = (round(self["latitude"], 7), round(self["longitude"], 7)) if known else None
        return None if place == (0.0, 0.0) else place

    def fields(self, calendar_zone: str) -> dict[str, Value]:
        """The fields that the event has; those told by its record are added by the oracle."""
        if not self.is_transaction:
            return {}
        amount = self["amount_base"]
        found: dict[str, Value] = {"amount": amount, "hour": _local(self, calendar_zone).hour}
        found |= {name: self[name] for name in ("category", "channel", "country") if self[name] is not None}
        found |= {
            name.removeprefix("entity_"): v for name, v in self.row.items() if "entity_" in name and v is not None
        }
        if self.row.get("extra_tip") is not None:
            found["extra_tip"] = min(round(self["extra_tip"] * 1000), 10**12)
        sorts = {
            "declined": self["auth_result"] == "declined",
            "small": amount < 500,
            "round": amount > 0 and amount % 1000 == 0,
        }
        return found | {name: 1 for name, holds in sorts.items() if holds}


@dataclass(frozen=True)
class Observed:
    """An event in a record's past, with the fields that it had when it was observed."""

    event: Event
    fields: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of an event: its verdict and its features by name, the records' only where it was scored."""

    verdict: int
    features: dict[str, float]


@dataclass(frozen=True)
class Reading:
    """One record's past as one feature sees it: ``cell(name)`` is what its cell holds in the window."""

    feature: Feature
    event: Event
    fields: dict[str, Value]
    past: list[Observed]
    ring_tiles: Callable[[str, Window], int]

    def cell(self, name: str, window: Window | None = None) -> list[Observed]:
        """Events of the cell's sort in the tile of ``as_of`` and those before it, as far as its ring remembers."""
        window = window or self.feature.window
        clock = FRAUD_LABELS if name == "frauds" else TRANSACTIONS
        past = [seen for seen in self.past if seen.event.clock == clock]
        if not past:
            return []
        now = self.event.as_of // window.tile_ms
        newest = max(seen.event.as_of for seen in past) // window.tile_ms
        oldest = max(now - window.tiles, newest - self.ring_tiles(name, window)) + 1
        return [
            seen for seen in past if self._holds(name, seen) and oldest <= seen.event.as_of // window.tile_ms <= now
        ]

    def _holds(self, name: str, seen: Observed) -> bool:
        sort = {"frauds": "fraud", "refunds": "refund"}.get(name, "authorisation")
        return seen.event.sort == sort and (name in FIELDLESS or self.feature.field in seen.fields)

    @property
    def count(self) -> str:
        """The cell of the transactions that a mean is over: an extra that is absent now and then has its own."""
        return "count of field" if (self.feature.field or "").startswith("extra_") else "count"

    def values(self, name: str) -> list[Value]:
        return [seen.fields[self.feature.field] for seen in self.cell(name)]

    @property
    def value(self) -> Value | None:
        """The present transaction's own field."""
        return self.fields.get(self.feature.field)


def count(reading: Reading) -> float:
    return len(reading.cell("count"))


def count_of(reading: Reading) -> float:
    return len(reading.cell("count of field"))


def refund_count(reading: Reading) -> float:
    return len(reading.cell("refunds"))


def share(reading: Reading) -> float:
    transactions = len(reading.cell("count"))
    return Fraction(len(reading.cell("count of field")), transactions) if transactions else math.nan


def burst(reading: Reading) -> float:
    short, long = reading.feature.window, reading.feature.baseline
    expected = Fraction(len(reading.cell("count", long)), round(long.duration_ms / short.duration_ms))
    return (len(reading.cell("count", short)) + 1) / (expected + 1)


def total(reading: Reading) -> float:
    return sum(reading.values("sum"))


def mean(reading: Reading) -> float:
    transactions = len(reading.cell(reading.count))
    return Fraction(sum(reading.values("sum")), transactions) if transactions else math.nan


def largest(reading: Reading) -> float:
    return max((min(value, MAX_CAP) for value in reading.values("max")), default=math.nan)


def ratio_to_mean(reading: Reading) -> float:
    average = mean(reading)
    return reading.value / average if reading.value is not None and average > 0 else math.nan


def variance(reading: Reading) -> Fraction:
    """The population variance; the caller sees to it that there are transactions."""
    squares = min(sum(min(abs(value), SQUARES_CAP) ** 2 for value in reading.values("squares")), INT64_MAX)
    return Fraction(squares, len(reading.cell(reading.count))) - mean(reading) ** 2


def peak(reading: Reading) -> float:
    short, long = reading.feature.window, reading.feature.baseline
    amounts = [seen.fields[reading.feature.field] for seen in reading.cell("sum", long)]
    late = [min(seen.fields[reading.feature.field], MAX_CAP) for seen in reading.cell("max", short)]
    return max(late) / Fraction(sum(amounts), len(amounts)) if late and sum(amounts) > 0 else math.nan


def std(reading: Reading) -> float:
    return math.sqrt(max(variance(reading), 0)) if len(reading.cell(reading.count)) > 1 else math.nan


def zscore(reading: Reading) -> float:
    if len(reading.cell(reading.count)) < 3 or reading.value is None or variance(reading) <= 0:
        return math.nan
    return float(reading.value - mean(reading)) / math.sqrt(variance(reading))


def _bit(value: Value, bits: int) -> int:
    return (value if isinstance(value, int) else xxh64(value.encode())) % bits


def _distinct(reading: Reading, cell: str, size: int) -> float:
    bits = len({_bit(value, size) for value in reading.values(cell)})
    return -size * math.log(max(size - bits, 1) / size) if bits else 0.0


def distinct(reading: Reading) -> float:
    return _distinct(reading, "sketch", 256)


def distinct_few(reading: Reading) -> float:
    return _distinct(reading, "small sketch", 64)


def first_time(reading: Reading) -> float:
    return float(not reading.cell("count"))


def first_time_of(reading: Reading) -> float:
    if reading.value is None:
        return math.nan
    return float(_bit(reading.value, 64) not in {_bit(value, 64) for value in reading.values("small sketch")})


def matured_fraud_rate(reading: Reading) -> float:
    frauds, feature = len(reading.cell("frauds")), reading.feature
    lag = Window(feature.baseline.duration_ms - feature.window.duration_ms, feature.window.tile_ms, "lag")
    judged = max(len(reading.cell("count", feature.baseline)) - len(reading.cell("count", lag)), frauds)
    return Fraction(frauds, judged) if judged else math.nan


def fraud_rate(reading: Reading) -> float:
    return (len(reading.cell("frauds")) + 0.1) / (len(reading.cell("count")) + 10)


def seconds_since_last(reading: Reading) -> float:
    times = [seen.event.as_of for seen in reading.past if seen.event.sort == "authorisation"]
    return max(reading.event.as_of - max(times), 0) / 1000 if times else math.nan


def seconds_since_fraud(reading: Reading) -> float:
    reports = [seen.event.as_of for seen in reading.past if seen.event.sort == "fraud"]
    return max(reading.event.as_of - max(reports), 0) / 1000 if reports else math.nan


def fraud_run_seconds(reading: Reading) -> float:
    latest = began = None
    for report in (seen.event.as_of for seen in reading.past if seen.event.sort == "fraud"):
        if latest is None or report - latest > RUN_GAP_MS:
            began = report
        latest = report if latest is None else max(latest, report)
    if latest is None or reading.event.as_of - latest > RUN_GAP_MS:
        return math.nan
    return max(reading.event.as_of - began, 0) / 1000


def speed_kmh(reading: Reading) -> float:
    located = None
    for seen in reading.past:
        places = seen.event.sort == "authorisation" and seen.event.place
        if places and (located is None or seen.event.as_of >= located.as_of):
            located = seen.event
    if located is None or reading.event.place is None:
        return math.nan
    hours = max(abs(reading.event.as_of - located.as_of), 60_000) / 3_600_000
    return _kilometres(located.place, reading.event.place) / hours


def _kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    (north, east), (other_north, other_east) = (map(math.radians, place) for place in (one, other))
    angle = math.sin((other_north - north) / 2) ** 2
    angle += math.cos(north) * math.cos(other_north) * math.sin((other_east - east) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(math.sqrt(angle), 1))


AGGREGATIONS: dict[str, tuple[Callable[[Reading], float], tuple[str, ...]]] = {
    "burst": (burst, ("count", "baseline count")),
    "peak": (peak, ("max", "baseline count", "baseline sum")),
    "count": (count, ("count",)),
    "count_of": (count_of, ("count of field",)),
    "refund_count": (refund_count, ("refunds",)),
    "share": (share, ("count of field", "count")),
    "sum": (total, ("sum",)),
    "mean": (mean, ("mean count", "sum")),
    "max": (largest, ("max",)),
    "std": (std, ("mean count", "sum", "squares")),
    "ratio_to_mean": (ratio_to_mean, ("mean count", "sum")),
    "zscore": (zscore, ("mean count", "sum", "squares")),
    "distinct": (distinct, ("sketch",)),
    "distinct_few": (distinct_few, ("small sketch",)),
    "first_time": (first_time, ("count",)),
    "first_time_of": (first_time_of, ("small sketch",)),
    "fraud_rate": (fraud_rate, ("frauds", "count")),
    "matured_fraud_rate": (matured_fraud_rate, ("frauds", "baseline count", "lag count")),
    "fraud_run_seconds": (fraud_run_seconds, ()),
    "seconds_since_fraud": (seconds_since_fraud, ()),
    "seconds_since_last": (seconds_since_last, ()),
    "speed_kmh": (speed_kmh, ()),
}
"""Every aggregation with its oracle and the cells it stores in a tile."""

FIELDLESS = ("count", "frauds", "refunds")


class Oracle:
    """Folds events one by one, in the order in which they are given."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.memory: Memory = catalogue.memory
        self.pasts: dict[tuple[str, ...], list[Observed]] = defaultdict(list)
        self.ids: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.labelled_ids: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.rings = _ring_lengths(catalogue)

    def fold(self, event: Event) -> Outcome:
        """Judge the event; record by record, read what is known before it, then observe it."""
        verdict = self._judge(event)
        features = request_features(event, self.catalogue) if event.is_transaction else {}
        for record in self.catalogue.records:
            key = tuple(event[f"entity_{entity}"] for entity in self.catalogue.tokens_of[record])
            if None in key:
                features |= {f.name: math.nan for f in self.catalogue.of(record)} if verdict == SCORED else {}
                continue
            past = self._remembered((record, *key), event.as_of)
            fields = event.fields(self.catalogue.calendar.timezone)
            if (
                features.get(f"{self.catalogue.entities[0]}_{record}_first_time_{_newcomer_window(self.catalogue)}")
                == 1
            ):
                fields["newcomer"] = 1
            if verdict == SCORED:
                features |= {f.name: self._read(f, event, fields, past) for f in self.catalogue.of(record)}
                if self._is_anomaly(record, event, fields, past):
                    fields["anomaly"] = 1
            if event.sort and verdict in (SCORED, LABEL_APPLIED):
                self.pasts[(record, *key)] = [*past, Observed(event, fields)]
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

    def _read(self, feature: Feature, event: Event, fields: dict[str, Value], past: list[Observed]) -> float:
        aggregate, _ = AGGREGATIONS[feature.aggregation]
        rings = self.rings
        return float(
            aggregate(Reading(feature, event, fields, past, lambda cell, window: rings[_ring(feature, cell, window)]))
        )

    def _is_anomaly(self, record: str, event: Event, fields: dict[str, Value], past: list[Observed]) -> bool:
        if not any(feature.field == "anomaly" for feature in self.catalogue.of(record)):
            return False
        return self._read(Feature(record, "zscore", "amount", MONTH), event, fields, past) > 3

    def _remembered(self, key: tuple[str, ...], as_of: int) -> list[Observed]:
        """The record's past; nothing once it has been idle for longer than its time to live."""
        past = self.pasts[key]
        idle = past and as_of - max(seen.event.as_of for seen in past) > self.memory.record_ttl_ms
        return [] if idle else past


def _newcomer_window(catalogue: Catalogue) -> str:
    names = [f.window.name for f in catalogue.features if f.aggregation == "first_time" and f.entity in PAIRS]
    return names[0] if names else "none"


PAIRS = ("card_merchant", "merchant_card")


def _local(event: Event, zone: str) -> datetime:
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=event["occurred_at"])
    return utc.astimezone(ZoneInfo(zone))


def request_features(event: Event, catalogue: Catalogue) -> dict[str, float]:
    """The transaction's own fields."""
    moment = _local(event, catalogue.calendar.timezone)
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    day = 2 * math.pi * ((seconds * 1000 + moment.microsecond // 1000) / DAY_MS)
    found = {
        "amount": float(event["amount_base"]),
        "hour_sin": math.sin(day),
        "hour_cos": math.cos(day),
        "weekday": float(moment.weekday()),
        "is_night": float(moment.hour < 6),
        "is_weekend": float(moment.weekday() >= 5),
        "is_holiday": float(moment.date() in _closed(catalogue.calendar.holidays)),
    }
    for text in ("category", "channel", "country"):
        found[f"{text}_code"] = math.nan if event[text] is None else float(xxh64(event[text].encode()) % 2**24)
    if "extra_tip" in event.row:
        found["extra_tip"] = math.nan if event["extra_tip"] is None else event["extra_tip"]
    return {name: found[name] for name in catalogue.request}


def _closed(code: str) -> holidays.HolidayBase:
    return holidays.financial_holidays(code) if code == "ECB" else holidays.country_holidays(code)


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


Ring = tuple[str, str, str | None, int]


def _ring(feature: Feature, cell: str, window: Window) -> Ring:
    cell = cell.removeprefix("baseline ").removeprefix("lag ")
    if cell == "mean count":
        cell = "count of field" if (feature.field or "").startswith("extra_") else "count"
    return feature.entity, cell, None if cell in FIELDLESS else feature.field, window.tile_ms


def _ring_lengths(catalogue: Catalogue) -> dict[Ring, int]:
    """A cell's ring is as long as the longest window that reads this cell at this tile width."""
    told = {f.entity for f in catalogue.features if f.field == "anomaly"}
    features = [*catalogue.features, *(Feature(record, "zscore", "amount", MONTH) for record in told)]
    lengths: dict[Ring, int] = {}
    for feature in features:
        for cell in AGGREGATIONS[feature.aggregation][1]:
            window = feature.baseline if cell.startswith(("baseline ", "lag ")) else feature.window
            ring = _ring(feature, cell, window)
            lengths[ring] = max(lengths.get(ring, 0), window.tiles)
    return lengths
