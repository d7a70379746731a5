"""What is in a data set, in numbers: for `paywarden data describe` and for a look before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.events.mapped_data import MappedData

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
SAMPLE_ROWS = 5


@dataclass(frozen=True)
class RejectCount:
    """How many rows were refused with one code, the first few of them (counted from 1), and the first one's detail."""

    event: str
    reason: str
    count: int
    sample_rows: list[int]
    detail: str


@dataclass(frozen=True)
class Description:
    """Counts and ranges of a data set; ``dataclasses.asdict`` makes it JSON.

    ``first_occurred_at`` and ``last_occurred_at`` are epoch ms UTC, none without transactions; ``amount_quantiles``
    are minor units of ``base_currency`` by probability; ``fraud_rate`` is frauds per accepted transaction, none where
    there are no labels.
    """

    rows: int
    transactions: int
    first_occurred_at: int | None
    last_occurred_at: int | None
    base_currency: str
    amount_quantiles: dict[str, int]
    entities: dict[str, int]
    frauds: int
    fraud_rate: float | None
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
        first_occurred_at=span["min"],
        last_occurred_at=span["max"],
        base_currency=data.currencies.base,
        amount_quantiles=_quantiles(transactions.column("amount_base")),
        entities={
            name: pc.count_distinct(transactions.column(f"entity_{name}"), mode="only_valid").as_py()
            for name in data.schema.entities
        },
        frauds=distinct_frauds,
        fraud_rate=distinct_frauds / transactions.num_rows if labels.num_rows else None,
        labels_by_source=_counts(labels.column("source")),
        frauds_by_pattern=_counts(frauds.column("pattern")),
        rejects=_reject_counts(data.rejects),
    )


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
        same = pc.and_(
            pc.equal(rejects.column("event"), pair["event"]), pc.equal(rejects.column("reason"), pair["reason"])
        )
        sample = rejects.filter(same).slice(0, SAMPLE_ROWS)
        rows, details = sample.column("row").to_pylist(), sample.column("detail").to_pylist()
        found.append(RejectCount(pair["event"], pair["reason"], pair["row_count"], rows, details[0]))
    return found
