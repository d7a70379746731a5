"""Alerts in and verdicts out over a log held in memory; the same over a real broker is in the integration tests."""

from contextlib import contextmanager

import pyarrow as pa
import pytest
from tests.integration.alerts.decisions import AT, SCHEMA, message

from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.intake import SqlCaseIntake
from paywarden.adapters.alerts.outbox import SqlLabelOutbox
from paywarden.adapters.alerts.queue import SqlCaseQueue
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.jobs.alerts import CaseTopics, Taken, take_alerts
from paywarden.jobs.archive import valid_rows
from paywarden.jobs.send_verdicts import send_verdicts
from paywarden.jobs.topics import label_columns
from paywarden.wiring.alerts import case_review


class Log:
    """Topics of one partition: a source and a sink."""

    def __init__(self):
        self.topics = {"alerts": [], "predictions": [], "labels": []}

    def send_many(self, topic, keys, values, timestamps_ms=None):
        self.topics[topic] += zip(keys, values, strict=True)

    def flush(self):
        pass

    def end_offsets(self, topics):
        return {topic: {0: len(self.topics[topic])} for topic in topics}

    def earliest_offsets(self, topics):
        return {topic: {0: 0} for topic in topics}

    def read(self, start, end):
        for topic in end:
            rows = list(enumerate(self.topics[topic]))[start[topic][0] : end[topic][0]]
            records = [dict(zip(RECORDS.names, (topic, 0, n, AT, key, value), strict=True)) for n, (key, value) in rows]
            yield pa.Table.from_pylist(records, schema=RECORDS)


RECORDS = pa.schema(
    [("topic", pa.string()), ("partition", pa.int32()), ("offset", pa.int64()), ("timestamp", pa.int64()),
     ("key", pa.binary()), ("value", pa.binary())]
)  # fmt: skip


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def desk(tmp_path):
    made = Log(), CaseDatabase(f"sqlite:///{tmp_path / 'cases.sqlite'}")
    yield made
    made[1].close()


def take(log, database):
    return take_alerts(log, SqlCaseIntake(database), CaseTopics("alerts", "predictions"), SCHEMA, rows_at_once=2)


def test_everything_is_taken_once_and_what_is_no_decision_is_told(desk):
    log, database = desk
    log.send_many("alerts", [b"k"] * 4, [message("t1"), b"{", b'{"decision_id": "x"}', message("t2", source="shadow")])
    log.send_many("predictions", [b"k"] * 51, [*(message(f"t{n}", occurred_at=AT + n) for n in range(50)), b"[]"])
    assert take(log, database) == Taken(alerts=1, payments=50, unreadable=3)
    assert take(log, database) == Taken()
    assert len(SqlCaseQueue(database).payments("card0000AAAA", until=AT + 10)) == 11


@pytest.mark.parametrize("reached", [True, False])
def test_a_sender_killed_before_it_marks_sends_nothing_twice_and_loses_nothing(desk, reached):
    log, database = desk
    log.send_many("alerts", [b"k"] * 3, [message(f"t{n}") for n in range(3)])
    take(log, database)
    case_review(database, SCHEMA).judge(SqlCaseQueue(database).page()[0].case_id, "fraud", "ann")
    outbox = SqlLabelOutbox(database)

    @contextmanager
    def killed():
        yield log if reached else Log()
        raise Killed

    with pytest.raises(Killed):
        send_verdicts(outbox, log, killed, "labels")
    log.send_many("labels", [b"k"], [b"another label, between the two tries"])

    @contextmanager
    def whole():
        yield log

    assert send_verdicts(outbox, log, whole, "labels") == 3
    assert send_verdicts(outbox, log, whole, "labels") == 0
    assert len(log.topics["labels"]) == len({value for _, value in log.topics["labels"]}) == 4
    (table,) = log.read({"labels": {0: 0}}, log.end_offsets(["labels"]))
    labels = valid_rows(label_columns(SCHEMA, DEFAULT_LIMITS)(table))
    assert sorted(labels["transaction_id"].to_pylist()) == ["t0", "t1", "t2"]
