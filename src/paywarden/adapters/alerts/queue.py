"""What pages show of alerts and cases: a page of the queue, one case, a card's payments."""

from __future__ import annotations

import json
from typing import Final, final

from sqlalchemy import func, select, tuple_

from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.read_rows import ALERT_COLUMNS, CASE_COLUMNS, case_alert, case_row
from paywarden.adapters.alerts.tables import (
    CARD_END,
    CLOSED,
    OPEN,
    UNSURE,
    alerts,
    case_events,
    cases,
    payments,
    stream_minutes,
)
from paywarden.events.cases import Case, CaseEvent, CaseRow, Payment
from paywarden.events.stream_minutes import StreamMinute

STATUSES: Final = (OPEN, UNSURE, CLOSED)


@final
class SqlCaseQueue:
    """Reads cases. A page costs the same wherever it begins: it is found by an index, not by counting rows."""

    def __init__(self, database: CaseDatabase) -> None:
        self._database = database

    def page(
        self,
        status: str = OPEN,
        *,
        after: tuple[int, int] | None = None,
        assignee: str | None = None,
        card_ends: str | None = None,
        most: int = 50,
    ) -> list[CaseRow]:
        """Cases with the greatest expected loss first, from below ``after`` (expected loss, case id) on."""
        order = (cases.c.expected_loss.desc(), cases.c.case_id.desc())
        query = select(*CASE_COLUMNS).where(cases.c.status == status).order_by(*order).limit(most)
        if after is not None:
            query = query.where(tuple_(cases.c.expected_loss, cases.c.case_id) < after)
        if assignee is not None:
            query = query.where(cases.c.assignee == assignee)
        if card_ends is not None:
            query = query.where(cases.c.card.endswith(card_ends, autoescape=True))
            if len(card_ends) >= CARD_END:  # fewer characters are found soon, in the order of the page
                query = query.where(cases.c.card_end == card_ends[-CARD_END:])
        with self._database.reading() as connection:
            return [case_row(row) for row in connection.execute(query).mappings()]

    def changed_at(self) -> int:
        """When a case changed last (epoch ms); 0 without any."""
        with self._database.reading() as connection:
            return int(connection.execute(select(func.coalesce(func.max(cases.c.updated_at), 0))).scalar_one())

    def counts(self) -> dict[str, tuple[int, int]]:
        """Status → how many cases, and their expected loss together."""
        query = select(cases.c.status, func.count(), func.coalesce(func.sum(cases.c.expected_loss), 0))
        with self._database.reading() as connection:
            found = {
                status: (int(n), int(loss)) for status, n, loss in connection.execute(query.group_by(cases.c.status))
            }
        return {status: found.get(status, (0, 0)) for status in STATUSES}

    def case(self, case_id: int) -> Case | None:
        """A case with its alerts and history; None where there is none of this number."""
        with self._database.reading() as connection:
            row = connection.execute(select(*CASE_COLUMNS).where(cases.c.case_id == case_id)).mappings().first()
            if row is None:
                return None
            held = select(*ALERT_COLUMNS).where(alerts.c.case_id == case_id).order_by(alerts.c.occurred_at)
            told = select(case_events).where(case_events.c.case_id == case_id).order_by(case_events.c.event_id)
            found = tuple(case_alert(alert) for alert in connection.execute(held).mappings())
            events = tuple(CaseEvent(e.at, e.actor, e.kind, e.text) for e in connection.execute(told))
        return Case(case_row(row), found, events)

    def case_of(self, transaction_id: str) -> int | None:
        """The case that a transaction's alert belongs to; None where it raised none."""
        query = select(alerts.c.case_id).where(alerts.c.transaction_id == transaction_id)
        with self._database.reading() as connection:
            return connection.execute(query.order_by(alerts.c.taken_at.desc())).scalar()

    def payments(self, card: str, *, until: int, most: int = 500) -> list[Payment]:
        """The card's last payments up to ``until`` (epoch ms), the oldest first."""
        columns = [payments.c[name] for name in Payment.__dataclass_fields__]
        query = select(*columns).where((payments.c.card == card) & (payments.c.occurred_at <= until))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(payments.c.occurred_at.desc()).limit(most)).mappings().all()
        return [Payment(**row) for row in reversed(rows)]

    def minutes(self, most: int = 120) -> list[StreamMinute]:
        """The last minutes in which the stream decided anything, the oldest first."""
        query = select(stream_minutes).order_by(stream_minutes.c.minute.desc()).limit(most)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [StreamMinute(**{**row, "latencies": tuple(json.loads(row["latencies"]))}) for row in reversed(rows)]
