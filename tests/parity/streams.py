"""Streams of transactions and labels made to be awkward, by seeded numpy (long) and by hypothesis (small, shrinking).

Late and early arrivals, ties, repeats within and beyond the horizon, times at the edges of tiles, idle gaps, nulls, few
keys that collide, and every kind of label. :func:`produced` gives rows Kafka coordinates, :func:`cut` cuts them into
micro-batches with their manifests.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import strategies as st

from paywarden.events.schema import EventSchema
from paywarden.features.aggregations import ALL
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.feature import Feature
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.request import CORE_REQUEST
from paywarden.features.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Window

SCHEMA = EventSchema(extra_numbers=("tip",), aggregated=("tip",))
START_MS = 1_704_067_200_000  # 2024-01-01 UTC: the edge of a tile of every width

AMOUNTS = (0, 1, 7, 999, 1_000, 1_000, 123_456, 2**26 - 2, 2**26 - 1, 2**26, 10**12)
TYPES = ("authorisation", "authorisation", "authorisation", "authorisation", "refund", "reversal")
GAPS_MS = (
    *(0, 0, 1, SECOND_MS - 1, SECOND_MS, 7 * SECOND_MS, MINUTE_MS, 9 * MINUTE_MS, HOUR_MS, 5 * HOUR_MS),
    *(DAY_MS - 1, DAY_MS, DAY_MS + 1, 6 * DAY_MS, 29 * DAY_MS, 90 * DAY_MS, 90 * DAY_MS + 1),
)
DELAYS_MS = (0, 0, 0, 1, 40, -MINUTE_MS, -5 * MINUTE_MS, 5 * MINUTE_MS, HOUR_MS, 26 * HOUR_MS, 9 * DAY_MS, 40 * DAY_MS)
REPEATS_MS = (0, 1, MINUTE_MS, HOUR_MS, 7 * DAY_MS, 7 * DAY_MS + 1, 30 * DAY_MS)
REQUEST = (*CORE_REQUEST, "is_weekend", "is_holiday", "category_code", "channel_code", "country_code", "extra_tip")
CATEGORIES = (None, "grocery", "travel", "cash")
COUNTRIES = (None, "FR", "BR")
PLACES = (None, (48.8566, 2.3522), (48.8566, 2.3523), (-33.8688, 151.2093), (0.0, 0.0), (90.0, -180.0))
TIPS = (None, 0.0, 1.5, 0.0005, 250.125, 1e12)
VERDICTS_MS = (-HOUR_MS, 0, 1, HOUR_MS, 2 * DAY_MS, 20 * DAY_MS, 100 * DAY_MS, 130 * DAY_MS)


@dataclass(frozen=True)
class Draft:
    """One transaction, what repeats it and what is said of it; all times are milliseconds relative to another time."""

    gap_ms: int
    card: str | None
    merchant: str | None
    amount: int
    transaction_type: str
    delay_ms: int
    repeats: tuple[tuple[int, int], ...] = ()
    """(delay after the original's arrival, amount) of every further delivery under the same id."""
    labels: tuple[tuple[int, bool], ...] = ()
    """(delay after the transaction's occurrence, is it fraud)."""
    declined: bool | None = False
    category: str | None = None
    country: str | None = None
    place: tuple[float, float] | None = None
    tip: float | None = None


@dataclass(frozen=True)
class Stream:
    """Canonical tables, in an order that is not that of arrival."""

    transactions: pa.Table
    labels: pa.Table

    def until(self, received_at: int) -> Stream:
        """Only what had been received by then."""
        known = (t.filter(pc.less_equal(t["received_at"], received_at)) for t in (self.transactions, self.labels))
        return Stream(*known)


def build(drafts: Sequence[Draft], start_ms: int = START_MS) -> Stream:
    """The tables of a list of drafts, row by row; drafts follow each other by their gaps."""
    transactions: list[dict[str, object]] = []
    labels: list[dict[str, object]] = []
    now = start_ms
    for number, draft in enumerate(drafts):
        now += draft.gap_ms
        row = _transaction(f"t{number}", now, draft)
        transactions.append(row)
        for delay, amount in draft.repeats:
            transactions.append(row | {"received_at": row["received_at"] + delay, "amount_base": amount})
        labels += [_label(row, now + delay, is_fraud) for delay, is_fraud in draft.labels]
    return Stream(
        pa.Table.from_pylist(transactions, schema=SCHEMA.transaction_schema()),
        pa.Table.from_pylist(labels, schema=SCHEMA.label_schema()),
    )


def random_stream(seed: int, transactions: int = 250, cards: int = 4, merchants: int = 3) -> Stream:
    """A seeded stream of about this many transactions; rows are shuffled a little, so that ties have any order."""
    rng = np.random.default_rng(seed)
    keys = ([f"card-{i}" for i in range(cards)], [f"shop-{i}" for i in range(merchants)])
    stream = build([_random_draft(rng, *keys) for _ in range(transactions)])
    return Stream(_shuffled(stream.transactions, rng), _shuffled(stream.labels, rng))


def drafts(cards: Sequence[str | None] = ("a", "b", None)) -> st.SearchStrategy[Draft]:
    """Single drafts; shrinks towards one plain authorisation that arrives at once."""
    return st.builds(
        Draft,
        gap_ms=st.sampled_from(GAPS_MS),
        card=st.sampled_from(cards),
        merchant=st.sampled_from(("m", "n", None)),
        amount=st.sampled_from(AMOUNTS) | st.integers(0, 10**12),
        transaction_type=st.sampled_from(("authorisation", "authorisation", "refund", "reversal")),
        delay_ms=st.sampled_from(DELAYS_MS),
        repeats=_few(st.tuples(st.sampled_from(REPEATS_MS), st.sampled_from(AMOUNTS))),
        labels=_few(st.tuples(st.sampled_from(VERDICTS_MS), st.booleans())),
        declined=st.sampled_from((False, True, None)),
        category=st.sampled_from(CATEGORIES),
        country=st.sampled_from(COUNTRIES),
        place=st.sampled_from(PLACES),
        tip=st.sampled_from(TIPS),
    )


def streams(max_transactions: int = 12) -> st.SearchStrategy[Stream]:
    """Small streams, starting at the edge of all tiles or within them."""
    starts = st.sampled_from((START_MS, START_MS - 1, START_MS + 5 * HOUR_MS))
    return st.builds(build, st.lists(drafts(), min_size=1, max_size=max_transactions), starts)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """Odd catalogues: any subset of aggregations over odd windows, rings of unequal length, tiny memories."""
    tile = st.sampled_from((SECOND_MS, 7 * SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS))
    windows = draw(st.lists(st.builds(_window, tile, st.integers(1, 6)), min_size=1, max_size=4, unique=True))
    entities = draw(st.sampled_from((("card", "merchant"), ("merchant", "card"), ("card",), ())))
    pairs = draw(st.sampled_from(((), (entities,)))) if len(entities) == 2 else ()
    records = (*entities, *(f"{first}_{second}" for first, second in pairs))
    features = draw(st.lists(_features(records, windows), min_size=1, max_size=12, unique=True)) if records else []
    features = list({feature.name: feature for feature in features}.values())
    told = {feature.entity: feature for feature in features if feature.aggregation == "first_time"}
    if pairs and records[-1] in told:
        features.append(Feature(entities[1], "share", "newcomer", windows[0]))
    ttl = st.sampled_from((SECOND_MS, MINUTE_MS, 10 * HOUR_MS, 10 * DAY_MS, 400 * DAY_MS))
    memory = st.builds(Memory, ttl, st.integers(1, 3), ttl, st.integers(1, 2), ttl)
    request = draw(st.lists(st.sampled_from(REQUEST), min_size=1, unique=True))
    calendar = Calendar(draw(st.sampled_from(("UTC", "Europe/Paris", "Asia/Kolkata"))), "ECB")
    return Catalogue(entities, tuple(features), draw(memory), pairs, tuple(request), calendar)


def produced(stream: Stream, seed: int, partitions: int = 3) -> Stream:
    """The stream with Kafka coordinates: a key stays in its partition, offsets grow roughly with arrival, with gaps."""
    rng = np.random.default_rng(seed)
    return Stream(
        _with_coordinates(stream.transactions, "transactions", partitions, rng),
        _with_coordinates(stream.labels, "labels", partitions, rng),
    )


def cut(stream: Stream, seed: int, batches: int, *, whole: bool = True) -> list[BatchManifest]:
    """Manifests of micro-batches with random cuts; some are empty, and unless ``whole``, the last rows are in none."""
    rng = np.random.default_rng(seed)
    ranges: list[list[OffsetRange]] = [[] for _ in range(batches)]
    for topic, partition, offsets in _partitions(stream):
        first, end = int(offsets.min()), int(offsets.max()) + 1
        bounds = np.sort(rng.integers(first, end + 1, batches + 1))
        bounds[0] = first
        if whole:
            bounds[-1] = end
        for number in range(batches):
            ranges[number].append(OffsetRange(topic, partition, int(bounds[number]), int(bounds[number + 1])))
    manifests = [BatchManifest(1, number + 1, tuple(spans), "layout") for number, spans in enumerate(ranges)]
    return [manifests[i] for i in rng.permutation(batches)]


def _random_draft(rng: np.random.Generator, cards: list[str], merchants: list[str]) -> Draft:
    return Draft(
        gap_ms=_random_gap_ms(rng),
        card=str(rng.choice(cards)) if rng.random() < 0.95 else None,
        merchant=str(rng.choice(merchants)) if rng.random() < 0.9 else None,
        amount=int(rng.choice(AMOUNTS)) if rng.random() < 0.3 else int(rng.lognormal(8, 1)),
        transaction_type=str(rng.choice(TYPES)),
        delay_ms=int(rng.choice(DELAYS_MS)) if rng.random() < 0.25 else int(rng.integers(0, 3)) * SECOND_MS,
        repeats=tuple((int(rng.choice(REPEATS_MS)), int(rng.choice(AMOUNTS))) for _ in range(rng.poisson(0.2))),
        labels=tuple((int(rng.choice(VERDICTS_MS)), bool(rng.random() < 0.7)) for _ in range(rng.poisson(0.4))),
        declined=None if rng.random() < 0.1 else bool(rng.random() < 0.2),
        category=_one_of(rng, CATEGORIES),
        country=_one_of(rng, COUNTRIES),
        place=_one_of(rng, PLACES),
        tip=_one_of(rng, TIPS),
    )


def _one_of(rng: np.random.Generator, values: Sequence[object]) -> object:
    return values[int(rng.integers(len(values)))]


def _random_gap_ms(rng: np.random.Generator) -> int:
    """Mostly bursts of seconds, some hours, and a few of the awkward gaps, so that idle months stay rare."""
    if rng.random() < 0.06:
        return int(rng.choice(GAPS_MS))
    return int(rng.integers(0, 20 * SECOND_MS if rng.random() < 0.85 else 3 * HOUR_MS))


def _transaction(identifier: str, occurred_at: int, draft: Draft) -> dict[str, object]:
    return {
        "transaction_id": identifier,
        "occurred_at": occurred_at,
        "received_at": occurred_at + draft.delay_ms,
        "routing_key": draft.card or identifier,
        "entity_card": draft.card,
        "entity_merchant": draft.merchant,
        "amount": draft.amount,
        "currency": "EUR",
        "amount_base": draft.amount,
        "transaction_type": draft.transaction_type,
        "auth_result": None if draft.declined is None else ("declined" if draft.declined else "approved"),
        "category": draft.category,
        "channel": "online" if draft.category == "travel" else None,
        "country": draft.country,
        "latitude": draft.place[0] if draft.place else None,
        "longitude": draft.place[1] if draft.place else None,
        "extra_tip": draft.tip,
    }


def _label(transaction: dict[str, object], at: int, is_fraud: bool) -> dict[str, object]:
    shared = ("transaction_id", "occurred_at", "routing_key", "entity_card", "entity_merchant")
    said = {"labelled_at": at, "received_at": at, "is_fraud": is_fraud, "source": "analyst", "pattern": None}
    return {name: transaction[name] for name in shared} | said


FIELDS = {
    **dict.fromkeys(("sum", "mean", "ratio_to_mean", "zscore", "std"), ("amount", "extra_tip")),
    **dict.fromkeys(("max", "peak"), ("amount",)),
    **dict.fromkeys(("distinct", "distinct_few"), ("category", "country", "hour")),
    "first_time_of": ("category", "country", "hour"),
    **dict.fromkeys(("count_of", "share"), ("declined", "small", "round", "anomaly", "category", "extra_tip")),
}
"""Which fields an aggregation makes sense of, where it needs one."""


def _features(records: tuple[str, ...], windows: list[Window]) -> st.SearchStrategy[Feature]:
    single = st.sampled_from(sorted(ALL)).flatmap(
        lambda name: st.builds(
            _feature,
            st.sampled_from(records),
            st.just(name),
            st.sampled_from(FIELDS.get(name, (None,))),
            st.sampled_from(windows),
            st.sampled_from(windows),
        )
    )
    return single.filter(lambda feature: feature is not None)


def _feature(record: str, aggregation: str, field: str | None, window: Window, other: Window) -> Feature | None:
    computation = ALL[aggregation]
    short, long = sorted((window, other), key=lambda w: w.duration_ms)
    if computation.with_lag:
        return Feature(record, aggregation, field, short, _window(short.tile_ms, short.tiles + long.tiles))
    if computation.against_baseline:
        return Feature(record, aggregation, field, short, long)
    return Feature(record, aggregation, field, window if computation.stores else None)


def _window(tile_ms: int, tiles: int) -> Window:
    return Window(tile_ms * tiles, tile_ms, f"{tiles}x{tile_ms}ms")


def _few(items: st.SearchStrategy[tuple[int, object]]) -> st.SearchStrategy[tuple[tuple[int, object], ...]]:
    return st.lists(items, max_size=2).map(tuple)


def _shuffled(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    return table.take(np.argsort(np.arange(table.num_rows) + rng.normal(0, 8, table.num_rows)))


def _with_coordinates(table: pa.Table, topic: str, partitions: int, rng: np.random.Generator) -> pa.Table:
    partition = np.array([zlib.crc32(key.encode()) % partitions for key in table["routing_key"].to_pylist()], np.int32)
    sent_at = table["received_at"].to_numpy() + rng.normal(0, MINUTE_MS, table.num_rows)
    offset = np.zeros(table.num_rows, np.int64)
    for number in range(partitions):
        rows = np.flatnonzero(partition == number)
        rows = rows[np.argsort(sent_at[rows])]
        offset[rows] = rng.integers(0, 1_000) + np.cumsum(rng.integers(1, 4, rows.size))
    coordinates = {"topic": pa.array([topic] * table.num_rows, pa.string()), "partition": partition, "offset": offset}
    for name, column in coordinates.items():
        table = table.append_column(name, pa.array(column))
    return table


def _partitions(stream: Stream) -> list[tuple[str, int, np.ndarray]]:
    found = []
    for table in (stream.transactions, stream.labels):
        for partition in np.unique(table["partition"].to_numpy()):
            offsets = table["offset"].to_numpy()[table["partition"].to_numpy() == partition]
            found.append((table["topic"][0].as_py(), int(partition), offsets))
    return found
