"""What is in a data set, in numbers: for `paywarden data describe` and for a look before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.events.mapped_data import MappedData
from paywarden.events.remedies import remedy
from paywarden.events.schema import OPTIONAL_FIELDS, EventSchema

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
SAMPLE_ROWS = 5


@dataclass(frozen=True)
class RejectCount:
    """How many rows were refused with one code, the first few of them (counted from 1), the first one's detail.

    ``remedy`` is what to change in the mapping or the data.
    """

    event: str
    reason: str
    count: int
    sample_rows: list[int]
    detail: str
    remedy: str


@dataclass(frozen=True)
class FieldCount:
    """The share of transactions in which a field is not null, and how many values it has; none for numbers."""

    known: float
    distinct: int | None


@dataclass(frozen=True)
class Description:
    """Counts and ranges of a data set; ``dataclasses.asdict`` makes it JSON.

    ``first_occurred_at`` and ``last_occurred_at`` are epoch ms UTC, none without transactions; ``amount_quantiles``
    are minor units of ``base_currency`` by probability; ``fraud_rate`` is frauds per accepted transaction, none where
    there are no labels. ``repeated_ids`` counts the transactions whose id another one bore before: only the first of
    them counts in features. ``fields`` are the optional fields that the data have, and the extras; ``absent`` the
    optional fields that they have not: features of those do not exist.
    """

    rows: int
    transactions: int
    repeated_ids: int
    first_occurred_at: int | None
    last_occurred_at: int | None
    base_currency: str
    amount_quantiles: dict[str, int]
    entities: dict[str, int]
    fields: dict[str, FieldCount]
    absent: list[str]
    frauds: int
    fraud_rate: float | None
    label_delay_ms: int
    labels_by_source: dict[str, int]
    frauds_by_pattern: dict[str, int]
    rejects: list[RejectCount]


def describe(data: MappedData) -> Description:
    """Rows, span, fraud rate, distinct entities, amounts, labels and refusals of a data set."""
    transactions, labels = data.transactions, data.labels
    span = pc.min_max(transactions.column("occurred_at")).as_py()
    frauds = labels.filter(labels.column("is_fraud"))
    distinct_frauds = pc.count_distinct(frauds.column("transaction_id")).as_py()
    return Description(
        rows=data.rows,
        transactions=transactions.num_rows,
        repeated_ids=transactions.num_rows - pc.count_distinct(transactions.column("transaction_id")).as_py(),
        first_occurred_at=span["min"],
        last_occurred_at=span["max"],
        base_currency=data.currencies.base,
        amount_quantiles=_quantiles(transactions.column("amount_base")),
        entities={
            name: pc.count_distinct(transactions.column(f"entity_{name}"), mode="only_valid").as_py()
            for name in data.schema.entities
        },
        fields={name: _field_count(transactions.column(column)) for name, column in _field_columns(data.schema)},
        absent=[name for name in OPTIONAL_FIELDS if name not in data.schema.optional],
        frauds=distinct_frauds,
        fraud_rate=distinct_frauds / transactions.num_rows if labels.num_rows else None,
        label_delay_ms=data.label_delay_ms,
        labels_by_source=_counts(labels.column("source")),
        frauds_by_pattern=_counts(frauds.column("pattern")),
        rejects=_reject_counts(data.rejects),
    )


def _field_columns(schema: EventSchema) -> list[tuple[str, str]]:
    """Names of optional fields and extras, and the column that says whether each is known."""
    optional = [(name, "latitude" if name == "location" else name) for name in schema.optional]
    return optional + [(column.removeprefix("extra_"), column) for column in schema.extra_columns]


def _field_count(values: pa.ChunkedArray) -> FieldCount:
    known = 1 - values.null_count / max(len(values), 1)
    distinct = pc.count_distinct(values, mode="only_valid").as_py() if pa.types.is_string(values.type) else None
    return FieldCount(known, distinct)


def _quantiles(amounts: pa.ChunkedArray) -> dict[str, int]:
    if not len(amounts):
        return {}
    values = np.quantile(amounts.to_numpy(), QUANTILES, method="nearest")
    return {f"{probability:g}": int(value) for probability, value in zip(QUANTILES, values, strict=True)}


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    """Counts by value, the most frequent first; null counts as ``none``."""
    counted: list[dict[str, Any]] = pc.value_counts(values).to_pylist()
    counts = {"none" if item["values"] is None else item["values"]: item["counts"] for item in counted}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _reject_counts(rejects: pa.Table) -> list[RejectCount]:
    found: list[RejectCount] = []
    pairs = rejects.group_by(["event", "reason"], use_threads=False).aggregate([("row", "count")])
    for pair in sorted(pairs.to_pylist(), key=lambda pair: -pair["row_count"]):
        code = pair["reason"]
        same = pc.and_(pc.equal(rejects.column("event"), pair["event"]), pc.equal(rejects.column("reason"), code))
        sample = rejects.filter(same).slice(0, SAMPLE_ROWS)
        rows, details = sample.column("row").to_pylist(), sample.column("detail").to_pylist()
        found.append(RejectCount(pair["event"], code, pair["row_count"], rows, details[0], remedy(code)))
    return found
