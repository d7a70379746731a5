"""What waits to be sent: labels to Kafka, alerts to the webhook. Rows are marked only after they were taken."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import final

from sqlalchemy import func, select, update

from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.read_rows import ALERT_COLUMNS, case_alert
from paywarden.adapters.alerts.tables import alerts, label_outbox
from paywarden.adapters.alerts.tables import webhook_outbox as posts
from paywarden.clock import Clock, system_clock
from paywarden.events.cases import QueuedLabel
from paywarden.events.posts import DuePost


@final
class SqlLabelOutbox:
    """Labels of verdicts."""

    def __init__(self, database: CaseDatabase, clock: Clock = system_clock) -> None:
        self._database = database
        self._clock = clock

    def waiting(self, most: int) -> Sequence[QueuedLabel]:
        """The oldest labels that are not marked as sent."""
        table = label_outbox.c
        query = select(table.label_id, table.key, table.value, table.sought_from).where(table.sent_at.is_(None))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(table.label_id).limit(most)).all()
        return [QueuedLabel(r.label_id, bytes(r.key), bytes(r.value), _offsets(r.sought_from)) for r in rows]

    def unsent(self) -> int:
        """How many labels wait."""
        query = select(func.count()).select_from(label_outbox).where(label_outbox.c.sent_at.is_(None))
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def seek_from(self, labels: Iterable[QueuedLabel], ends: Mapping[int, int]) -> None:
        """Keep where the topic ended before these are sent."""
        self._set([label.label_id for label in labels], sought_from=json.dumps(ends))

    def mark_sent(self, labels: Iterable[QueuedLabel]) -> None:
        """These are on the topic."""
        self._set([label.label_id for label in labels], sent_at=self._clock())

    def _set(self, ids: Sequence[int], **values: str | int) -> None:
        if ids:
            with self._database.writing() as connection:
                connection.execute(update(label_outbox).where(label_outbox.c.label_id.in_(ids)).values(**values))


def _offsets(text: str | None) -> dict[int, int] | None:
    return None if text is None else {int(partition): offset for partition, offset in json.loads(text).items()}


@final
class SqlPostOutbox:
    """Alerts for the webhook."""

    def __init__(self, database: CaseDatabase) -> None:
        self._database = database

    def due(self, now: int, most: int) -> Sequence[DuePost]:
        """Those whose time has come, the longest waiting first."""
        columns = (*ALERT_COLUMNS, alerts.c.case_id, alerts.c.card, posts.c.attempts)
        joined = select(*columns).join(posts, posts.c.decision_id == alerts.c.decision_id)
        query = joined.where(posts.c.next_at <= now).order_by(posts.c.next_at, posts.c.decision_id).limit(most)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [DuePost(case_alert(r), r[alerts.c.case_id], r[alerts.c.card], r[posts.c.attempts]) for r in rows]

    def by_state(self) -> dict[str, int]:
        """How many wait, how many of these have failed before, and how many were given up."""
        waits, failed = posts.c.next_at.is_not(None), posts.c.last_error.is_not(None)
        wanted = {"waiting": waits, "failing": waits & failed, "given_up": ~waits & posts.c.delivered_at.is_(None)}
        counts = (func.count().filter(condition).label(name) for name, condition in wanted.items())
        with self._database.reading() as connection:
            return dict(connection.execute(select(*counts).select_from(posts)).mappings().one())

    def posted(self, decision_id: str, now: int) -> None:
        """The receiver has taken it."""
        self._set(decision_id, next_at=None, delivered_at=now, last_error=None)

    def failed(self, decision_id: str, next_at: int | None, error: str) -> None:
        """It was not taken; try again at ``next_at``, or never."""
        self._set(decision_id, next_at=next_at, last_error=error)

    def _set(self, decision_id: str, **values: str | int | None) -> None:
        here = posts.c.decision_id == decision_id
        with self._database.writing() as connection:
            connection.execute(update(posts).where(here).values(attempts=posts.c.attempts + 1, **values))
