"""The last step of a micro-batch: vectors become decisions, and every row becomes records for Kafka.

Every input row gives exactly one record that accounts for it (a decision, a dead letter, or an outcome: duplicate,
label, repeated label); an alert is a second copy of its decision, with notes for those who look at it. A shadow's
decision is one more record among the predictions, and never an alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.adapters.spark.fold import engine_of, settle
from paywarden.adapters.spark.rows import DEAD, to_events, unpack
from paywarden.adapters.spark.tally import (
    ALERT,
    DEAD_LETTER,
    DECISION,
    DECLINED,
    DUPLICATE,
    LABEL,
    REPEATED_LABEL,
    SHADOW,
)
from paywarden.clock import Clock
from paywarden.events.alert_notes import DESCRIBING, described, noted
from paywarden.events.dead_letter import dead_letter_headers
from paywarden.events.decision import (
    OUTCOME_SCHEMA,
    decision_ids,
    decision_schema,
    encode_decisions,
    encode_outcomes,
)
from paywarden.events.schema import EventSchema
from paywarden.features.catalogue import Catalogue
from paywarden.features.events import Verdict
from paywarden.features.manifest import BatchManifest
from paywarden.scoring.decide import Decided, decide
from paywarden.scoring.policy import DECISIONS, DECLINE
from paywarden.scoring.rules.book_bytes import cached_book
from paywarden.scoring.rules.rule_book import RuleBook
from paywarden.scoring.scorer import Scorer, cached_scorer

_TRACED = ("transaction_id", "topic", "partition", "offset")
_HEADER = pa.struct([("key", pa.string()), ("value", pa.binary())])

OUTPUT = pa.schema(
    [
        ("topic", pa.string()),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("headers", pa.list_(_HEADER)),
        ("outcome", pa.string()),
        ("latency_ms", pa.int64()),
        ("received_at", pa.int64()),
    ]
)
"""What the step gives: records for Kafka, and beside them what is tallied."""
SINK_COLUMNS = ["topic", "key", "value", "headers"]
OUTPUT_DDL = "topic string, key binary, value binary, headers array<struct<key: string, value: binary>>"
"""The columns that Spark's Kafka sink takes."""

OUTCOMES = {Verdict.DUPLICATE: DUPLICATE, Verdict.LABEL_APPLIED: LABEL, Verdict.LABEL_REPEATED: REPEATED_LABEL}
_REASONS = pa.list_(pa.struct([("code", pa.string()), ("text", pa.string())]))


@dataclass(frozen=True)
class OutputTopics:
    """Where records go."""

    predictions: str
    alerts: str
    outcomes: str
    dead_letters: str


@dataclass(frozen=True)
class Model:
    """A model at work: as what it decides, and under which version."""

    source: str
    version: str


@dataclass(frozen=True)
class DecideStep:
    """Scores live rows and writes out all rows, as the last entity step gives them.

    ``bundle_files`` gives the broadcast bundle in the worker, ``shadow_files`` that of the challenger which decides the
    same rows without acting, ``rules`` the bytes of the lists and rules that both are under. One booster thread a task:
    the tasks are the threads.
    """

    catalogue: Catalogue
    bundle_files: Callable[[], Mapping[str, bytes]]
    manifest: BatchManifest
    topics: OutputTopics
    clock: Clock
    shadow_files: Callable[[], Mapping[str, bytes]] | None = None
    rules: Callable[[], bytes] | None = None

    def __call__(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        """Records with their outcome (:data:`OUTPUT`), and with latency from Kafka timestamp to decision."""
        for table in tables:
            scored = pc.equal(table["verdict"], Verdict.SCORED)
            for make, rows in (
                (self._dead_letters, table.filter(pc.equal(table["kind"], DEAD))),
                (self._decisions, table.filter(scored)),
                (self._outcomes, table.filter(pc.invert(scored))),
            ):
                if rows.num_rows:
                    yield from make(rows.combine_chunks()).to_batches()

    def _dead_letters(self, rows: pa.Table) -> pa.Table:
        headers = dead_letter_headers(
            *(rows[name].to_pylist() for name in ("topic", "partition", "offset", "reason", "detail"))
        )
        return _records(
            self.topics.dead_letters, rows["raw_key"], rows["raw_value"], DEAD_LETTER,
            headers=[[{"key": name, "value": value} for name, value in pairs] for pairs in headers],
        )  # fmt: skip

    def _outcomes(self, rows: pa.Table) -> pa.Table:
        kinds = pa.array([OUTCOMES[Verdict(code)] for code in rows["verdict"].to_pylist()], pa.string())
        columns = {"outcome": kinds, **{name: rows[name] for name in _TRACED}, **self._batch(rows.num_rows)}
        values = encode_outcomes(pa.table(columns).select(OUTCOME_SCHEMA.names))
        return _records(
            self.topics.outcomes, rows["routing_key"].cast(pa.binary()), pa.array(values, pa.binary()), kinds
        )

    def _decisions(self, rows: pa.Table) -> pa.Table:
        scorer = cached_scorer(self.bundle_files())
        acting = Model("stream", str(self.manifest.bundle_version))
        engine, known = engine_of(self.catalogue), unpack(rows["features"], rows.num_rows)
        full = np.empty((rows.num_rows, engine.width), dtype=np.float32)
        full[:, : known.shape[1]] = known
        engine.request(to_events(rows, self.catalogue.inputs), full)
        decided, decided_at = self._decided(rows, scorer, full)
        values = self._encoded(rows, acting, decided, decided_at)
        settle(scorer.bundle.digest)  # the model's library is the largest that a worker loads
        decisions = _records(
            self.topics.predictions,
            rows["routing_key"].cast(pa.binary()),
            values,
            DECISION,
            latency=pa.array(decided_at - rows["timestamp"].to_numpy()),
            received_at=rows["received_at"],
        )
        return pa.concat_tables([decisions, self._alerts(rows, decided, decisions), self._shadow_decisions(rows, full)])

    def _alerts(self, rows: pa.Table, decided: Decided, decisions: pa.Table) -> pa.Table:
        """What is not approved once more, with notes for those who look at it."""
        raised = np.flatnonzero(decided.alerted)
        known = ["transaction_id", *(name for name in DESCRIBING if name in rows.column_names)]
        about = rows.select(known).take(raised).to_pylist()
        alerts = decisions.take(raised)
        values = [
            noted(value, {**decided.ruling.notes(row), **described(facts)})
            for row, value, facts in zip(raised.tolist(), alerts["value"].to_pylist(), about, strict=True)
        ]
        kinds = np.where(decided.ruling.decision[raised] == DECLINE, DECLINED, ALERT)
        return _records(self.topics.alerts, alerts["key"], pa.array(values, pa.binary()), pa.array(kinds, pa.string()))

    def _shadow_decisions(self, rows: pa.Table, full: NDArray[np.float32]) -> pa.Table:
        """The challenger's decisions of the same rows; none where it fails, which the tally tells."""
        if self.shadow_files is None:
            return OUTPUT.empty_table()
        try:
            shadow = Model("shadow", str(self.manifest.shadow_version))
            values = self._encoded(rows, shadow, *self._decided(rows, cached_scorer(self.shadow_files()), full))
        except Exception:  # noqa: BLE001  # whatever it is: a shadow must not stop the model that acts
            return OUTPUT.empty_table()
        return _records(self.topics.predictions, rows["routing_key"].cast(pa.binary()), values, SHADOW)

    def _decided(self, rows: pa.Table, scorer: Scorer, full: NDArray[np.float32]) -> tuple[Decided, int]:
        """What a model and the rules make of the rows, given all features; and the time."""
        book = cached_book(self.rules()) if self.rules else RuleBook()
        return decide(scorer, self.catalogue, full, rows, book), self.clock()

    def _encoded(self, rows: pa.Table, model: Model, decided: Decided, decided_at: int) -> pa.Array:
        table = self._decision_table(rows, model, decided, decided_at)
        return pa.array(encode_decisions(table, EventSchema(self.catalogue.entities)), pa.binary())

    def _decision_table(self, rows: pa.Table, model: Model, decided: Decided, decided_at: int) -> pa.Table:
        count, schema = rows.num_rows, EventSchema(self.catalogue.entities)
        digests = decided.scorer.bundle.digest, decided.policy_digest
        scores, propensity, vectors = decided.scores, decided.propensity, decided.vectors
        columns = {
            **{name: rows[name] for name in (*_TRACED, "occurred_at", "received_at", "amount_base")},
            **{name: rows[name] for name in schema.entity_columns},
            **self._batch(count),
            "decision_id": decision_ids(rows["transaction_id"].to_pylist(), model.source, *digests),
            "source": _constant(model.source, count),
            "arrived_at": rows["timestamp"],
            "decided_at": pa.array(np.full(count, decided_at, np.int64)),
            "raw_score": pa.array(scores.raw),
            "score": pa.array(scores.score),
            "decision": pa.array(np.array(DECISIONS)[decided.ruling.decision]),
            "propensity": pa.array(propensity, mask=propensity == 1.0),
            "state_age_ms": pa.nulls(count, pa.int64()),
            "reasons": pa.array(decided.reasons(), _REASONS),
            "rules": _names(decided.ruling.fired),
            "shadow_rules": _names(decided.ruling.shadow),
            "bundle_version": _constant(model.version, count),
            "bundle_digest": _constant(digests[0], count),
            "policy_digest": _constant(digests[1], count),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
        }
        return pa.table(columns).select(decision_schema(schema).names)

    def _batch(self, count: int) -> dict[str, pa.Array]:
        return {
            "batch_id": pa.array(np.full(count, self.manifest.batch, np.int64)),
            "stream_epoch": pa.array(np.full(count, self.manifest.stream_epoch, np.int64)),
        }


def _names(fired: list[list[str]]) -> pa.Array:
    """Names by row; nulls, which cost nothing, where there are none at all."""
    return pa.array(fired, pa.list_(pa.string())) if any(fired) else pa.nulls(len(fired), pa.list_(pa.string()))


def _constant(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)


def _records(
    topic: str,
    keys: pa.ChunkedArray,
    values: pa.ChunkedArray | pa.Array,
    outcome: str | pa.Array,
    *,
    headers: list[list[dict[str, object]]] | None = None,
    latency: pa.Array | None = None,
    received_at: pa.ChunkedArray | None = None,
) -> pa.Table:
    count = len(keys)
    columns = [
        _constant(topic, count),
        keys,
        values,
        pa.array(headers, pa.list_(_HEADER)) if headers else pa.nulls(count, pa.list_(_HEADER)),
        _constant(outcome, count) if isinstance(outcome, str) else outcome,
        latency if latency is not None else pa.nulls(count, pa.int64()),
        received_at if received_at is not None else pa.nulls(count, pa.int64()),
    ]
    return pa.table(columns, schema=OUTPUT)
