"""Alerts from Kafka into cases, and payments beside them: each record once, offsets and rows in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from paywarden.errors import DataError
from paywarden.events.alert_notes import AlertNotes
from paywarden.events.alerts import RANK, Alert, AssumedProbability, Intake
from paywarden.events.decision import acting, decode_decisions
from paywarden.events.payments import decode_payments
from paywarden.events.schema import EventSchema
from paywarden.events.stream_minutes import StreamMinute, by_minute
from paywarden.jobs.archive import Source

ASSUMED: Final = AssumedProbability()


@dataclass(frozen=True)
class Taken:
    """What one run took: alerts (new ones only), payments, and messages that are none of ours."""

    alerts: int = 0
    payments: int = 0
    unreadable: int = 0


class CaseIntake(Protocol):
    """The database of cases, as far as consuming needs it."""

    def next_offsets(self, topic: str, partitions: Sequence[int]) -> dict[int, int | None]:
        """Partition → next offset, None before the first."""

    def take(self, intake: Intake) -> int:
        """Rows and offsets in one transaction; how many alerts are new. Raises StaleConsumer if another was quicker."""


@dataclass(frozen=True)
class CaseTopics:
    """Where alerts come from, and payments; without a name for these, timelines stay empty."""

    alerts: str
    payments: str | None


def take_alerts(
    source: Source,
    store: CaseIntake,
    topics: CaseTopics,
    schema: EventSchema,
    *,
    assumed: AssumedProbability = ASSUMED,
    rows_at_once: int = 5_000,
    heard: Callable[[Alert], None] = lambda _alert: None,
) -> Taken:
    """Everything new of both topics into the store, alerts first, each record exactly once.

    ``assumed`` is what alerts without a score count with; ``heard`` is told of each alert, new or not, once it is
    taken. Run it again at any time: it goes on where the store stands, also after a crash.
    """
    alerts = payments = unreadable = 0
    for intake, odd in _read(source, store, topics.alerts, rows_at_once, lambda v: _alerts_of(v, schema, assumed)):
        alerts += store.take(intake)
        unreadable += odd
        for alert in intake.alerts:
            heard(alert)
    if topics.payments is not None:
        for intake, odd in _read(source, store, topics.payments, 20 * rows_at_once, lambda v: _payments_of(v, schema)):
            store.take(intake)
            payments += intake.payments.num_rows if intake.payments is not None else 0
            unreadable += odd
    return Taken(alerts, payments, unreadable)


def _read(
    source: Source, store: CaseIntake, topic: str, rows: int, decode: Callable[[Sequence[bytes | None]], _Decoded]
) -> Iterator[tuple[Intake, int]]:
    ends, earliest = source.end_offsets([topic])[topic], source.earliest_offsets([topic])[topic]
    known = store.next_offsets(topic, sorted(ends))
    start = {p: earliest[p] if known[p] is None else int(known[p] or 0) for p in ends}
    if start == ends:
        return
    for table in source.read({topic: start}, {topic: ends}):
        for first in range(0, table.num_rows, rows):
            chunk = table.slice(first, rows)
            latest = chunk.group_by("partition").aggregate([("offset", "max")])
            reached = {
                p: o + 1 for p, o in zip(latest["partition"].to_pylist(), latest["offset_max"].to_pylist(), strict=True)
            }
            intake, odd = decode(chunk["value"].to_pylist())
            yield Intake(topic, {p: known[p] for p in reached}, reached, *intake), odd
            known |= reached


Decoded = TypeVar("Decoded")
_Rows = tuple[Sequence[Alert], pa.Table | None, Sequence[StreamMinute]]
_Decoded = tuple[_Rows, int]


def _alerts_of(values: Sequence[bytes | None], schema: EventSchema, assumed: AssumedProbability = ASSUMED) -> _Decoded:
    found, rows = _readable(values, schema, decoded_rows)
    ranked = [(row, value) for row, value in zip(rows, found, strict=True) if row["source"] in RANK]
    return ([_alert(row, value, schema, assumed) for row, value in ranked], None, ()), len(values) - len(found)


def decoded_rows(values: Sequence[bytes], schema: EventSchema) -> list[dict[str, Any]]:
    """Decisions as dictionaries, without their vectors. Raises DataError where one is no decision."""
    decode_payments(values, schema)  # refuses what lacks a field that counts
    rows: list[dict[str, Any]] = decode_decisions(values, schema).drop_columns(["vector"]).to_pylist()
    return rows


def _readable(
    values: Sequence[bytes | None], schema: EventSchema, decode: Callable[[Sequence[bytes], EventSchema], Decoded]
) -> tuple[list[bytes], Decoded]:
    """The values that are decisions, and these decoded: all at once, and one by one only where that fails."""
    found = [value for value in values if value is not None]
    try:
        return found, decode(found, schema)
    except DataError:
        found = [value for value in found if _is_decision(value, schema)]
        return found, decode(found, schema)


def _is_decision(value: bytes, schema: EventSchema) -> bool:
    try:
        return bool(decoded_rows([value], schema))
    except DataError:
        return False


def _alert(row: Mapping[str, Any], value: bytes, schema: EventSchema, assumed: AssumedProbability) -> Alert:
    notes = AlertNotes.of(value)
    facts = row["decision"], row["score"], row["amount_base"]
    return Alert(
        **{name: row[name] for name in ("decision_id", "transaction_id", "source", "occurred_at", "decided_at")},
        **{name: row[name] for name in ("raw_score", "score", "decision", "bundle_version")},
        card=row.get(f"entity_{schema.routing_entity}") or row["transaction_id"],
        amount=row["amount_base"],
        expected_loss=assumed.expected_loss(*facts, by_rule=notes.by_rule),
        reasons=tuple((reason["code"], reason["text"]) for reason in row["reasons"] or ()),
        notes=notes,
        document=value,
    )


def _payments_of(values: Sequence[bytes | None], schema: EventSchema) -> _Decoded:
    found, table = _readable(values, schema, decode_payments)
    table = table.filter(pc.is_in(table["source"], value_set=pa.array(list(RANK))))
    return ((), _acting_payments(table, schema), by_minute(table)), len(values) - len(found)


def _acting_payments(table: pa.Table, schema: EventSchema) -> pa.Table:
    """The columns of stored payments, one row a transaction."""
    acts = acting(table)
    card = acts[f"entity_{schema.routing_entity}"] if schema.routing_entity else acts["transaction_id"]
    merchant = "entity_merchant"
    columns = {
        "transaction_id": acts["transaction_id"],
        "card": pc.coalesce(card, acts["transaction_id"]),
        "merchant": acts[merchant] if merchant in acts.column_names else pa.nulls(len(acts), pa.string()),
        "rank": pc.index_in(acts["source"], value_set=pa.array(list(RANK))),
        "occurred_at": acts["occurred_at"],
        "amount": acts["amount_base"],
        "score": acts["score"],
        "decision": acts["decision"],
    }
    return pa.table(columns)
