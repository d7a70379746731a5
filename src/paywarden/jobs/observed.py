"""What the lake holds of the last weeks, as monitoring reads it: decisions, their transactions, labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.evaluation.labels import fraud_known_at, known_compromised, verdicts_at
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.segments import segments_of
from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.events.decision import acting, decision_schema, decode_decisions
from paywarden.events.schema import EventSchema
from paywarden.jobs.archive import valid_rows
from paywarden.monitoring.arrivals import entity_codes
from paywarden.scoring.bundle import ModelBundle

_AT_ONCE = 50_000
_VECTOR_DAYS = 8
"""Only the last week's vectors are looked at; they take most of the room."""
_ANOTHER_CLOCK_MS = DAY_MS
"""The newest payment and the newest decision are that far apart only where payments have a time of their own."""


class Lake(Protocol):
    """Tables, one a topic."""

    def exists(self, topic: str) -> bool:
        """Whether the topic has a table."""

    def read_since(self, topic: str, column: str, at: int) -> pa.Table:
        """The rows whose column is `at` (epoch ms) or later."""

    def newest(self, topic: str, column: str) -> int | None:
        """The largest value of a column."""


@dataclass(frozen=True)
class Topics:
    """Which tables hold what."""

    transactions: str
    labels: str
    predictions: str


@dataclass(frozen=True, eq=False)
class Observed:
    """What was known at `as_of` (epoch ms) of the last weeks.

    `decisions` are the acting ones (columns of ``decision_schema``; `vector` null where older than a week), in order of
    their ids; `transactions` and `labels` are canonical, and reach further back.
    """

    as_of: int
    decisions: pa.Table
    transactions: pa.Table
    labels: pa.Table

    def of(self, bundle_digest: str) -> pa.Table:
        """The decisions of one model."""
        return self.decisions.filter(pc.equal(self.decisions["bundle_digest"], bundle_digest))


def observe(
    lake: Lake, topics: Topics, schema: EventSchema, days: float, as_of: int | None = None, card_days: float = 45.0
) -> Observed:
    """The last `days` of decisions, with transactions of `card_days` more, for what is known of their cards.

    `as_of` (epoch ms) is by default when the newest transaction came, not what the clock says. Where history is played,
    or a world runs faster than ours, decisions count from when their payments came; elsewhere they must have been made
    by then, too. Raises DataError where the lake holds no decision.
    """
    if not lake.exists(topics.predictions):
        raise DataError("the lake holds no decision yet; start `paywarden stream run`, then run `paywarden archive`")
    newest = lake.newest(topics.transactions, "received_at") or 0
    last_sent_at = lake.newest(topics.predictions, "timestamp") or 0
    known_at = (newest or last_sent_at) if as_of is None else as_of
    start = int(known_at - days * DAY_MS)
    raw = lake.read_since(topics.predictions, "timestamp", min(start, int(last_sent_at - days * DAY_MS)))
    earlier = start - int(card_days * DAY_MS)
    transactions = _until(valid_rows(lake.read_since(topics.transactions, "received_at", earlier)), known_at)
    found = lake.read_since(topics.labels, "received_at", 0) if lake.exists(topics.labels) else None
    labels = schema.label_schema().empty_table() if found is None else _until(valid_rows(found), known_at)
    if as_of is not None and abs(last_sent_at - newest) < _ANOTHER_CLOCK_MS:
        raw = raw.filter(pc.less_equal(raw["timestamp"], as_of))
    return Observed(known_at, _decisions(raw, schema, start, known_at), transactions, labels)


def matured(observed: Observed, bundle: ModelBundle, window: Window) -> Predictions:
    """The model's matured decisions of a window, with what is known of them, judged as its test window was.

    Cards that were known as compromised are left out as in training, and what was declined and judged by nobody.
    """
    split, settings = bundle.training.get("split", {}), bundle.training.get("settings", {})
    transactions = observed.transactions
    decisions = observed.of(bundle.digest)
    row = pc.index_in(decisions["transaction_id"], value_set=transactions["transaction_id"].combine_chunks())
    decisions = decisions.filter(row.is_valid())
    rows = row.drop_null().to_numpy().astype(np.int64)
    occurred_at = transactions["occurred_at"].to_numpy()
    entities = [name for name in transactions.column_names if name.startswith("entity_")]
    card = entity_codes(transactions[entities[0]]) if entities else np.full(len(occurred_at), -1, dtype=np.int64)
    declined = pc.equal(decisions["decision"], "decline").to_numpy(zero_copy_only=False)
    delay_ms = int(split.get("label_delay_ms", 0))
    verdicts = verdicts_at(
        decisions["transaction_id"], occurred_at[rows], observed.labels, observed.as_of, delay_ms, declined
    )
    usable = window.contains(occurred_at[rows]) & verdicts.mature & verdicts.known
    if settings.get("compromised_days") is not None:
        since = window.start - int(settings["compromised_days"]) * DAY_MS
        known_at = fraud_known_at(transactions["transaction_id"], observed.labels)
        usable &= ~known_compromised(card, occurred_at, known_at, since)[rows]
    chosen = np.flatnonzero(usable)
    segments = {name: labels[rows[chosen]] for name, labels in segments_of(transactions, card).items()}
    propensity = pc.fill_null(decisions["propensity"], 1.0).to_numpy()
    found = Predictions(
        target=verdicts.fraud,
        raw=decisions["raw_score"].to_numpy(),
        score=decisions["score"].to_numpy(),
        occurred_at=occurred_at[rows],
        card=card[rows],
        amount=transactions["amount_base"].to_numpy()[rows],
        pattern=verdicts.pattern,
        weight=None if (propensity == 1.0).all() else (1.0 / propensity).astype(np.float32),
    )
    return replace(found.of(chosen), segments=segments)


def vectors_of(decisions: pa.Table, width: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The served vectors, float32 [n, width] with NaN for absent, of the decisions that have one, and their rows."""
    held = decisions["vector"].combine_chunks()
    rows = np.flatnonzero(pc.is_valid(held).to_numpy(zero_copy_only=False))
    flat = held.take(pa.array(rows)).flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
    return flat.astype(np.float32).reshape(-1, width), rows


def _decisions(raw: pa.Table, schema: EventSchema, start: int, as_of: int) -> pa.Table:
    """The acting decisions on payments that were received from `start` to `as_of`, the last week's with vectors."""
    parts = [decision_schema(schema).empty_table()]
    for first in range(0, raw.num_rows, _AT_ONCE):
        part = decode_decisions(raw["value"].slice(first, _AT_ONCE).to_pylist(), schema)
        received_at = part["received_at"].to_numpy()
        recent = received_at >= as_of - _VECTOR_DAYS * DAY_MS
        parts.append(part.filter(pa.array(recent & (received_at <= as_of))))
        parts.append(_without_vectors(part.filter(pa.array(~recent & (received_at >= start)))))
    return acting(pa.concat_tables(parts))


def _without_vectors(part: pa.Table) -> pa.Table:
    place = part.column_names.index("vector")
    return part.set_column(place, "vector", pa.nulls(len(part), part.schema.field("vector").type))


def _until(table: pa.Table, as_of: int) -> pa.Table:
    return table.filter(pc.less_equal(table["received_at"], as_of))
