"""A case's own row, made anew from its alerts: one place that knows what the queue is ordered by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from paywarden.adapters.alerts.tables import CLOSED, OPEN, UNSURE, alerts, case_events, cases

_AT_ONCE: Final = 500
_COLUMNS: Final = (
    alerts.c.case_id, alerts.c.occurred_at, alerts.c.amount, alerts.c.expected_loss, alerts.c.score, alerts.c.headline,
)  # fmt: skip


def refresh_cases(connection: Connection, case_ids: Iterable[int], now: int) -> None:
    """Count again what these cases hold: alerts that act and have no verdict; a case with any is open again."""
    ids = sorted(case_ids)
    for first in range(0, len(ids), _AT_ONCE):
        piece = ids[first : first + _AT_ONCE]
        undecided = alerts.c.acts & alerts.c.verdict.is_(None) & alerts.c.case_id.in_(piece)
        by_case: dict[int, list[Any]] = {}
        for row in connection.execute(select(*_COLUMNS).where(undecided).order_by(alerts.c.occurred_at)):
            by_case.setdefault(row.case_id, []).append(row)
        for case_id, rows in by_case.items():
            here = (cases.c.case_id == case_id) & (cases.c.status != CLOSED)
            connection.execute(update(cases).where(here).values(status=OPEN, updated_at=now, **_summary(rows)))


def _summary(rows: Sequence[Any]) -> dict[str, Any]:
    top = max(rows, key=lambda row: (row.expected_loss, row.occurred_at))
    return {
        "alerts": len(rows),
        "amount": sum(row.amount for row in rows),
        "expected_loss": sum(row.expected_loss for row in rows),
        "top_score": max((row.score for row in rows if row.score is not None), default=None),
        "headline": top.headline,
        "latest_at": max(row.occurred_at for row in rows),
    }


def set_status(connection: Connection, case_id: int, verdict: str, now: int) -> None:
    """A case with a verdict is closed; unsure leaves it to others."""
    status = UNSURE if verdict == "unsure" else CLOSED
    closed_at = None if status == UNSURE else now
    values = {"status": status, "verdict": verdict, "updated_at": now, "closed_at": closed_at}
    connection.execute(update(cases).where(cases.c.case_id == case_id).values(values))


def add_event(connection: Connection, case_id: int, now: int, actor: str, kind: str, text: str) -> None:
    """A line of the case's history."""
    connection.execute(insert(case_events).values(case_id=case_id, at=now, actor=actor, kind=kind, text=text))
