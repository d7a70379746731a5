"""Alerts and payments into the database, with the offsets that they were read at.

Guarantee: exactly once. Rows and offsets are one transaction, and offsets move on only from where the caller saw them:
a second consumer of the same records is refused (:class:`StaleConsumer`), and a killed one reads again from where the
database stands. Alerts are kept by decision id, so that a decision that was delivered twice is one alert.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, final

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from paywarden.adapters.alerts.case_rows import refresh_cases
from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.tables import (
    CARD_END,
    CLOSED,
    alerts,
    case_events,
    cases,
    offsets,
    payments,
    stream_minutes,
)
from paywarden.adapters.alerts.tables import webhook_outbox as posts
from paywarden.clock import Clock, system_clock
from paywarden.errors import StaleConsumer
from paywarden.events.alerts import RANK, Alert, Intake, reasons_json
from paywarden.events.stream_minutes import StreamMinute, added

_IDS_AT_ONCE: Final = 500
_ROWS_AT_ONCE: Final = 2_000
"""SQLite takes at most 32,766 values in one statement; a payment has eight."""


@final
class SqlCaseIntake:
    """Takes what a reading of Kafka brought. ``posts`` says whether each new alert is to be posted to the webhook."""

    def __init__(self, database: CaseDatabase, *, posts: bool = False, clock: Clock = system_clock) -> None:
        self._database = database
        self._posts = posts
        self._clock = clock

    def next_offsets(self, topic: str, partitions: Sequence[int]) -> dict[int, int | None]:
        """Partition → next offset, None before the first."""
        query = select(offsets.c.partition, offsets.c.next_offset).where(offsets.c.topic == topic)
        with self._database.reading() as connection:
            found = {row.partition: row.next_offset for row in connection.execute(query)}
        return {partition: found.get(partition) for partition in partitions}

    def take(self, intake: Intake) -> int:
        """Everything in one transaction; how many alerts were new. Raises StaleConsumer if another was quicker."""
        with self._database.writing() as connection:
            for partition, reached in intake.reached.items():
                self._move(connection, intake.topic, partition, intake.known[partition], reached)
            new = self._take_alerts(connection, intake.alerts)
            if intake.payments is not None:
                _put_payments(connection, intake.payments.to_pylist())
            for minute in intake.minutes:
                _count_minute(connection, minute)
        return new

    def forget_payments(self, before: int) -> int:
        """Drop payments that occurred before this time (epoch ms); how many."""
        with self._database.writing() as connection:
            return connection.execute(delete(payments).where(payments.c.occurred_at < before)).rowcount

    def newest_payment(self) -> int | None:
        """When the newest payment occurred (epoch ms); None without any."""
        with self._database.reading() as connection:
            return connection.execute(select(func.max(payments.c.occurred_at))).scalar()

    def _move(self, connection: Connection, topic: str, partition: int, known: int | None, reached: int) -> None:
        here = (offsets.c.topic == topic) & (offsets.c.partition == partition)
        if known is None:
            row = {"topic": topic, "partition": partition, "next_offset": reached}
            moved = connection.execute(_insert(connection, offsets).values(row).on_conflict_do_nothing()).rowcount
        else:
            moved = connection.execute(
                update(offsets).where(here & (offsets.c.next_offset == known)).values(next_offset=reached)
            ).rowcount
        if moved != 1:
            raise StaleConsumer(
                f"Another consumer has taken alerts from offset {known} of partition {partition} of {topic!r} at "
                f"{self._database.where}. Nothing was taken twice; run one `paywarden alerts run` on a database."
            )

    def _take_alerts(self, connection: Connection, found: Sequence[Alert]) -> int:
        by_id = {alert.decision_id: alert for alert in found}
        known = set(_in_pieces(connection, select(alerts.c.decision_id), alerts.c.decision_id, by_id))
        new = [alert for name, alert in by_id.items() if name not in known]
        if not new:
            return 0
        case_of = self._cases_of(connection, new)
        now = self._clock()
        connection.execute(insert(alerts), [_alert_row(alert, case_of[alert.card], now) for alert in new])
        if self._posts:
            rows = [{"decision_id": alert.decision_id, "attempts": 0, "next_at": now} for alert in new]
            connection.execute(insert(posts), rows)
        _settle(connection, {alert.transaction_id for alert in new})
        refresh_cases(connection, set(case_of.values()), now)
        return len(new)

    def _cases_of(self, connection: Connection, new: Sequence[Alert]) -> dict[str, int]:
        """The open case of each card; cards without one get one."""
        cards = sorted({alert.card for alert in new})
        query = select(cases.c.card, cases.c.case_id).where(cases.c.status != CLOSED).order_by(cases.c.case_id)
        case_of: dict[str, int] = {}
        for piece in _pieces(cards):
            rows = connection.execute(query.where(cases.c.card.in_(piece)).with_for_update())
            case_of |= {row.card: row.case_id for row in rows}
        now = self._clock()
        for card in cards:
            if card not in case_of:
                case_of[card] = _open_case(connection, card, now)
        return case_of


def _open_case(connection: Connection, card: str, now: int) -> int:
    empty = {"alerts": 0, "amount": 0, "expected_loss": 0, "headline": "", "latest_at": 0}
    named = {"card": card, "card_end": card[-CARD_END:]}
    made = insert(cases).values(**named, status="open", opened_at=now, updated_at=now, **empty)
    case_id = int(connection.execute(made.returning(cases.c.case_id)).scalar_one())
    opened = {"case_id": case_id, "at": now, "actor": "paywarden", "kind": "opened", "text": "an alert opened the case"}
    connection.execute(insert(case_events).values(opened))
    return case_id


def _settle(connection: Connection, transactions: set[str]) -> None:
    """Of a transaction's alerts the one from the strongest source acts, of several of them the earliest."""
    columns = (alerts.c.decision_id, alerts.c.transaction_id, alerts.c.source, alerts.c.decided_at)
    best: dict[str, tuple[int, int, str]] = {}
    everyone: list[tuple[str, str]] = []
    for piece in _pieces(sorted(transactions)):
        for row in connection.execute(select(*columns).where(alerts.c.transaction_id.in_(piece))):
            key = (RANK[row.source], row.decided_at, row.decision_id)
            best[row.transaction_id] = min(best.get(row.transaction_id, key), key)
            everyone.append((row.decision_id, row.transaction_id))
    weaker = [name for name, transaction in everyone if best[transaction][2] != name]
    for piece in _pieces(weaker):
        connection.execute(update(alerts).where(alerts.c.decision_id.in_(piece)).values(acts=False))


def _alert_row(alert: Alert, case_id: int, now: int) -> dict[str, Any]:
    copied = ("decision_id", "transaction_id", "card", "source", "occurred_at", "decided_at", "amount", "raw_score",
              "score", "expected_loss", "decision", "bundle_version", "headline", "document")  # fmt: skip
    row = {name: getattr(alert, name) for name in copied}
    return {**row, "case_id": case_id, "acts": True, "taken_at": now, "reasons": reasons_json(alert)}


def _put_payments(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        statement = _insert(connection, payments).values(list(rows[first : first + _ROWS_AT_ONCE]))
        sent = statement.excluded
        changed = {name: getattr(sent, name) for name in ("rank", "amount", "score", "decision")}
        stronger = sent.rank < payments.c.rank
        connection.execute(
            statement.on_conflict_do_update(index_elements=["transaction_id"], set_=changed, where=stronger)
        )


def _count_minute(connection: Connection, minute: StreamMinute) -> None:
    here = stream_minutes.c.minute == minute.minute
    row = connection.execute(select(stream_minutes).where(here).with_for_update()).mappings().first()
    if row is not None:
        minute = added(minute, StreamMinute(**{**row, "latencies": tuple(json.loads(row["latencies"]))}))
        connection.execute(delete(stream_minutes).where(here))
    counts = {name: getattr(minute, name) for name in ("minute", "approved", "reviewed", "declined")}
    connection.execute(insert(stream_minutes).values(**counts, latencies=json.dumps(minute.latencies)))


def _insert(connection: Connection, table: Any) -> Any:  # noqa: ANN401 -- SQLAlchemy has one class for each database
    made = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return made(table)


def _in_pieces(connection: Connection, query: Any, column: Any, ids: Iterable[str]) -> Iterator[str]:  # noqa: ANN401
    for piece in _pieces(list(ids)):
        yield from connection.execute(query.where(column.in_(piece))).scalars()


def _pieces(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[first : first + _IDS_AT_ONCE]
