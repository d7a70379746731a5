"""What analysts do with cases, each step one transaction with its line in the case's history."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, final

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from paywarden.adapters.alerts.case_rows import add_event, refresh_cases, set_status
from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.tables import CLOSED, OPEN, alerts, cases, label_outbox
from paywarden.clock import Clock, system_clock
from paywarden.errors import DataError
from paywarden.events.cases import Verdict

LabelOf = Callable[[bytes, bool, int], tuple[bytes, bytes]]
"""From an alert's document, whether it is fraud, and the time to the key and value of a label."""
_LONGEST_NOTE: Final = 4_000


@final
class SqlCaseReview:
    """Assigns, notes and judges. A verdict and its labels in the outbox are one transaction: none is ever lost."""

    def __init__(self, database: CaseDatabase, label_of: LabelOf, clock: Clock = system_clock) -> None:
        self._database = database
        self._label_of = label_of
        self._clock = clock

    def assign(self, case_id: int, to: str | None, by: str) -> None:
        """The case is this analyst's, or nobody's. Raises DataError for a case that does not exist."""
        now = self._clock()
        with self._database.writing() as connection:
            _require(connection, case_id)
            change = update(cases).where(cases.c.case_id == case_id).values(assignee=to, updated_at=now)
            connection.execute(change)
            add_event(
                connection, case_id, now, by, "assigned", f"assigned to {to}" if to else "put back into the queue"
            )

    def note(self, case_id: int, text: str, by: str) -> None:
        """Words beside the case. Raises DataError for a note that is empty or too long, and for an unknown case."""
        words = text.strip()
        if not words or len(words) > _LONGEST_NOTE:
            raise DataError(f"a note has 1 to {_LONGEST_NOTE} characters, this one {len(words)}")
        now = self._clock()
        with self._database.writing() as connection:
            _require(connection, case_id)
            connection.execute(update(cases).where(cases.c.case_id == case_id).values(updated_at=now))
            add_event(connection, case_id, now, by, "note", words)

    def judge(self, case_id: int, verdict: Verdict, by: str, seen: Collection[str] | None = None) -> int:
        """A verdict on the case's alerts that bear none; how many labels it becomes.

        ``seen`` are the decision ids that the analyst saw: an alert that came meanwhile stays open, and the case with
        it. "unsure" gives no label. A verdict on what is judged already changes nothing.
        """
        now = self._clock()
        with self._database.writing() as connection:
            _require(connection, case_id)
            columns = (alerts.c.decision_id, alerts.c.transaction_id, alerts.c.acts, alerts.c.document)
            open_ones = (alerts.c.case_id == case_id) & alerts.c.verdict.is_(None)
            rows = connection.execute(select(*columns).where(open_ones).with_for_update()).all()
            meant = [row for row in rows if seen is None or row.decision_id in seen]
            if not meant:
                return 0
            add_event(connection, case_id, now, by, "verdict", verdict)
            if verdict == "unsure":
                set_status(connection, case_id, verdict, now)
                return 0
            for row in meant:
                here = alerts.c.decision_id == row.decision_id
                connection.execute(update(alerts).where(here).values(verdict=verdict, verdict_at=now))
            acting = [row for row in meant if row.acts]
            self._queue_labels(connection, case_id, acting, verdict == "fraud", now)
            if any(row.acts for row in rows if row not in meant):
                refresh_cases(connection, [case_id], now)
            else:
                set_status(connection, case_id, verdict, now)
        return len(acting)

    def reopen(self, case_id: int, by: str) -> None:
        """A closed case is open again, its alerts without a verdict; the next verdict is sent as another label.

        Raises DataError where the case is not closed, or the card has another case that is open.
        """
        now = self._clock()
        with self._database.writing() as connection:
            if _require(connection, case_id) != CLOSED:
                raise DataError(f"case {case_id} is not closed")
            fresh = {"status": OPEN, "verdict": None, "closed_at": None, "updated_at": now}
            try:
                connection.execute(update(cases).where(cases.c.case_id == case_id).values(fresh))
            except IntegrityError as error:
                raise DataError(f"the card of case {case_id} has another open case; judge that one") from error
            change = update(alerts).where(alerts.c.case_id == case_id).values(verdict=None, verdict_at=None)
            connection.execute(change)
            refresh_cases(connection, [case_id], now)
            add_event(connection, case_id, now, by, "reopened", "reopened, to be judged again")

    def _queue_labels(self, connection: Connection, case_id: int, rows: list[Any], is_fraud: bool, now: int) -> None:
        for row in rows:
            key, value = self._label_of(bytes(row.document), is_fraud, now)
            label = {"transaction_id": row.transaction_id, "is_fraud": is_fraud, "created_at": now}
            connection.execute(insert(label_outbox).values(case_id=case_id, key=key, value=value, **label))


def _require(connection: Connection, case_id: int) -> str:
    """The case's status; its row is locked."""
    query = select(cases.c.status).where(cases.c.case_id == case_id).with_for_update()
    status = connection.execute(query).scalar()
    if status is None:
        raise DataError(f"there is no case {case_id}")
    return str(status)
