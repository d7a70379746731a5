"""Alerts become cases, verdicts become labels: on SQLite and on PostgreSQL."""

import importlib.util
import threading
import warnings
from contextlib import contextmanager

import orjson
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, event, func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError
from tests.integration.alerts.decisions import AT, SCHEMA, by_rule, fallback, message

from paywarden.adapters.alerts.database import _MIGRATIONS, CaseDatabase
from paywarden.adapters.alerts.intake import SqlCaseIntake
from paywarden.adapters.alerts.lease import SqlLease
from paywarden.adapters.alerts.outbox import SqlLabelOutbox
from paywarden.adapters.alerts.queue import SqlCaseQueue
from paywarden.adapters.alerts.tables import alerts, case_events, cases, metadata, offsets
from paywarden.adapters.alerts.verdicts import SqlCaseReview
from paywarden.errors import CaseStoreError, ConfigurationError, DataError, StaleConsumer
from paywarden.events.alerts import Intake
from paywarden.events.cases import label_message
from paywarden.jobs.alerts import _alerts_of, _payments_of

NOW = AT + 3_600_000


def clock():
    return NOW


class Desk:
    """Everything that works on one database, with a clock that stands still."""

    def __init__(self, database):
        self.database = database
        self.intake = SqlCaseIntake(database, clock=clock)
        self.queue = SqlCaseQueue(database)
        self.outbox = SqlLabelOutbox(database, clock)

        def label_of(document, is_fraud, at):
            return label_message(document, SCHEMA, is_fraud=is_fraud, at=at)

        self.review = SqlCaseReview(database, label_of, clock)
        self._offset = None

    def take(self, *values):
        (found, _, _), _ = _alerts_of(values, SCHEMA)
        reached = (self._offset or 0) + len(values)
        new = self.intake.take(Intake("alerts", {0: self._offset}, {0: reached}, found))
        self._offset = reached
        return new

    def pay(self, *values):
        (_, payments, minutes), _ = _payments_of(values, SCHEMA)
        known = self.intake.next_offsets("predictions", [0])
        reached = (known[0] or 0) + len(values)
        self.intake.take(Intake("predictions", known, {0: reached}, (), payments, minutes))

    def labels(self):
        return [(label.key, orjson.loads(label.value)) for label in self.outbox.waiting(100)]


@pytest.fixture
def desk(database):
    return Desk(database)


def test_alerts_of_one_card_are_one_case_and_the_costliest_case_comes_first(desk):
    desk.take(
        message("t1", amount_base=10_000, score=0.5),
        message("t2", amount_base=50_000, score=0.9, entity_card="card0000BBBB"),
        message("t3", amount_base=2_000, score=0.25),
    )
    first, second = desk.queue.page()
    assert (first.card, first.alerts, first.expected_loss) == ("card0000BBBB", 1, 45_000)
    assert (second.card, second.alerts, second.expected_loss) == ("card0000AAAA", 2, 5_500)
    assert second.top_score == 0.5
    assert second.headline == "9 payments of the card in 1h"
    assert desk.queue.counts()["open"] == (2, 50_500)


def test_pages_follow_one_another_without_gap_or_repeat(desk):
    desk.take(*(message(f"t{n}", entity_card=f"card{n:08d}", amount_base=1000 * (n // 3)) for n in range(25)))
    seen, after = [], None
    while page := desk.queue.page(after=after, most=7):
        seen += [row.case_id for row in page]
        after = (page[-1].expected_loss, page[-1].case_id)
    assert len(seen) == len(set(seen)) == 25


def test_a_decision_that_comes_again_is_one_alert(desk):
    assert desk.take(message("t1"), message("t1")) == 1
    assert desk.take(message("t1")) == 0
    assert desk.queue.page()[0].alerts == 1


def test_of_two_decisions_on_a_transaction_the_apis_acts(desk):
    desk.take(message("t1", score=0.5))
    desk.take(message("t1", score=0.8, source="api", decided_at=AT + 900))
    desk.take(message("t2", source="shadow"))
    (row,) = desk.queue.page()
    case = desk.queue.case(row.case_id)
    assert (row.alerts, row.expected_loss) == (1, 8_000)
    assert [(alert.source, alert.acts) for alert in case.alerts] == [("stream", False), ("api", True)]
    assert desk.review.judge(row.case_id, "fraud", "ann") == 1


@pytest.mark.parametrize("first", ["fallback", "stream"])
def test_a_fallback_acts_over_the_streams_audit_and_its_case_says_why_there_is_no_score(desk, first):
    sent = [fallback("t1", decision="decline"), message("t1", score=0.8)]
    for value in sent if first == "fallback" else reversed(sent):
        desk.take(value)
    desk.pay(message("t1", score=0.8), fallback("t1", decision="decline"))
    (row,) = desk.queue.page()
    assert (row.alerts, row.expected_loss, row.top_score) == (1, 5_000, None)
    assert row.headline == "no score, decline by amount alone: no model is ready to score"
    acting = {alert.source: (alert.acts, alert.score) for alert in desk.queue.case(row.case_id).alerts}
    assert acting == {"fallback": (True, None), "stream": (False, 0.8)}
    (payment,) = desk.queue.payments("card0000AAAA", until=AT)
    assert (payment.score, payment.decision) == (None, "decline")
    assert desk.review.judge(row.case_id, "fraud", "ann") == 1
    assert desk.labels()[0][1]["transaction_id"] == "t1"


def test_the_costliest_alert_gives_the_headline_and_the_best_known_score_stands(desk):
    desk.take(fallback("t1", amount_base=1_000), message("t2", amount_base=20_000, score=0.3))
    (row,) = desk.queue.page()
    assert (row.alerts, row.expected_loss, row.top_score) == (2, 6_100, 0.3)
    assert row.headline == "9 payments of the card in 1h"
    desk.take(fallback("t3", amount_base=900_000))
    assert desk.queue.page()[0].headline == "no score, review by amount alone: no model is ready to score"


def test_what_a_list_declined_stands_in_the_queue_by_what_is_assumed_and_says_so(desk):
    desk.take(
        by_rule("t1", amount_base=20_000, entity_card="card0000BBBB"),
        message("t2", amount_base=20_000, score=0.4),
        message("t3", amount_base=20_000, score=0.7, entity_card="card0000CCCC"),
    )
    rows = desk.queue.page()
    assert [(row.card[-4:], row.expected_loss) for row in rows] == [("CCCC", 14_000), ("BBBB", 10_000), ("AAAA", 8_000)]
    assert rows[1].headline == "stolen-cards: block list by card"
    assert rows[1].top_score == 0.001
    (alert,) = desk.queue.case(rows[1].case_id).alerts
    assert (alert.notes.rules, alert.notes.without_rules) == ((("stolen-cards", "block list by card"),), "approve")


def test_what_another_consumer_has_taken_is_refused_and_nothing_of_it_stays(desk):
    desk.take(message("t1"))
    (found, _, _), _ = _alerts_of([message("t9", entity_card="card0000ZZZZ")], SCHEMA)
    for known, reached in ((None, 1), (0, 1), (7, 8)):
        with pytest.raises(StaleConsumer, match="Another consumer"):
            desk.intake.take(Intake("alerts", {0: known}, {0: reached}, found))
    assert [row.card for row in desk.queue.page()] == ["card0000AAAA"]
    assert desk.intake.next_offsets("alerts", [0, 1]) == {0: 1, 1: None}


def test_consumers_at_once_take_each_alert_once(desk):
    (found, _, _), _ = _alerts_of([message(f"t{n}") for n in range(20)], SCHEMA)
    outcomes = []

    def take():
        try:
            outcomes.append(desk.intake.take(Intake("alerts", {0: None}, {0: 20}, found)))
        except StaleConsumer:
            outcomes.append("refused")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["20", "refused", "refused", "refused"]
    with desk.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(alerts)).scalar() == 20
        assert connection.execute(select(offsets.c.next_offset)).scalars().all() == [20]


def test_a_verdict_becomes_one_label_for_each_transaction_and_closes_the_case(desk):
    desk.take(message("t1"), message("t2", occurred_at=AT + 60_000))
    (row,) = desk.queue.page()
    assert desk.review.judge(row.case_id, "fraud", "ann") == 2
    assert desk.review.judge(row.case_id, "fraud", "ann") == 0
    keys, values = zip(*desk.labels(), strict=True)
    assert set(keys) == {b"card0000AAAA"}
    assert [value["transaction_id"] for value in values] == ["t1", "t2"]
    assert values[1] == {
        "transaction_id": "t2",
        "entities": {"card": "card0000AAAA", "merchant": "merchant0001"},
        "occurred_at": AT + 60_000,
        "labelled_at": NOW,
        "received_at": NOW,
        "is_fraud": True,
        "source": "analyst",
    }
    closed = desk.queue.case(row.case_id)
    assert (closed.row.status, closed.row.verdict) == ("closed", "fraud")
    assert [(event.actor, event.kind) for event in closed.events] == [("paywarden", "opened"), ("ann", "verdict")]
    assert desk.queue.page() == []


def test_an_alert_after_the_verdict_opens_another_case(desk):
    desk.take(message("t1"))
    (row,) = desk.queue.page()
    desk.review.judge(row.case_id, "legitimate", "ann")
    desk.take(message("t2"))
    (later,) = desk.queue.page()
    assert later.case_id != row.case_id
    assert desk.labels()[0][1]["is_fraud"] is False


def test_a_verdict_leaves_open_what_the_analyst_did_not_see(desk):
    desk.take(message("t1"))
    (row,) = desk.queue.page()
    desk.take(message("t2", amount_base=4_000))
    assert desk.review.judge(row.case_id, "fraud", "ann", seen=["stream-t1"]) == 1
    (left,) = desk.queue.page()
    assert (left.case_id, left.alerts, left.expected_loss) == (row.case_id, 1, 2_000)


def test_unsure_gives_no_label_and_the_next_alert_opens_the_case_again(desk):
    desk.take(message("t1"))
    (row,) = desk.queue.page()
    assert desk.review.judge(row.case_id, "unsure", "ann") == 0
    assert desk.labels() == []
    assert [case.case_id for case in desk.queue.page("unsure")] == [row.case_id]
    desk.take(message("t2"))
    assert [(case.case_id, case.alerts) for case in desk.queue.page()] == [(row.case_id, 2)]


def test_a_reopened_case_gets_another_verdict(desk):
    desk.take(message("t1"))
    (row,) = desk.queue.page()
    desk.review.judge(row.case_id, "fraud", "ann")
    desk.review.reopen(row.case_id, "lea")
    assert desk.review.judge(row.case_id, "legitimate", "lea") == 1
    assert [value["is_fraud"] for _, value in desk.labels()] == [True, False]
    with pytest.raises(DataError, match="there is no case 999"):
        desk.review.reopen(999, "lea")


def test_a_card_has_one_open_case(desk):
    desk.take(message("t1"))
    (row,) = desk.queue.page()
    desk.review.judge(row.case_id, "fraud", "ann")
    desk.take(message("t2"))
    with pytest.raises(DataError, match="another open case"):
        desk.review.reopen(row.case_id, "lea")


def test_cases_are_assigned_and_noted(desk):
    desk.take(message("t1"))
    (row,) = desk.queue.page()
    desk.review.assign(row.case_id, "ann", "lea")
    desk.review.note(row.case_id, "  called the customer ", "ann")
    with pytest.raises(DataError, match="1 to 4000"):
        desk.review.note(row.case_id, "  ", "ann")
    assert [case.assignee for case in desk.queue.page(assignee="ann")] == ["ann"]
    assert desk.queue.page(assignee="bob") == []
    assert [event.text for event in desk.queue.case(row.case_id).events[1:]] == [
        "assigned to ann",
        "called the customer",
    ]


def test_a_payments_strongest_decision_is_kept_and_old_ones_are_forgotten(desk):
    desk.pay(message("t1", score=0.1), message("t2", occurred_at=AT + 50), message("t1", source="api", score=0.3))
    desk.pay(message("t1", score=0.2), message("t3", source="shadow"))
    found = desk.queue.payments("card0000AAAA", until=AT + 100)
    assert [(payment.transaction_id, payment.score) for payment in found] == [("t1", 0.3), ("t2", 0.5)]
    (minute,) = desk.queue.minutes()
    assert (minute.reviewed, minute.decisions, sum(minute.latencies)) == (4, 4, 4)
    assert desk.intake.forget_payments(desk.intake.newest_payment()) == 1


def test_only_one_holds_the_lease_until_it_runs_out(database):
    now = [NOW]
    mine, other = (SqlLease(database, "alerts", name, for_ms=100, clock=lambda: now[0]) for name in ("a", "b"))
    assert mine.hold()
    assert not other.hold()
    now[0] += 101
    assert other.hold()
    assert not mine.hold()
    other.give_back()
    assert mine.hold()


def test_the_migrations_make_what_the_tables_say(database):
    with database.reading() as connection, warnings.catch_warnings():
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_card_is_found_by_its_last_characters(desk):
    for n, card in enumerate(("card0000AAAA", "card0001AAAA", "card0000ABBA", "A")):
        desk.take(message(f"t{n}", entity_card=card))
    found = {ends: {row.card for row in desk.queue.page(card_ends=ends)} for ends in ("A", "AAAA", "1AAAA", "%AAA")}
    assert len(found.pop("A")) == 4
    assert found == {"AAAA": {"card0000AAAA", "card0001AAAA"}, "1AAAA": {"card0001AAAA"}, "%AAA": set()}


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "cases_by_loss"),
        ({"after": (3000, 1)}, "cases_by_loss"),
        ({"assignee": "ann"}, "cases_of_assignee"),
        ({"card_ends": "AAAA"}, "cases_by_card_end"),
    ],
)
def test_a_page_of_the_queue_is_read_and_ordered_by_an_index(tmp_path, asked, index):
    """SQLite's plan, which rests on the indexes alone here: no statistics were taken."""
    heard, opened = [], CaseDatabase(f"sqlite:///{tmp_path / 'cases.sqlite'}")
    with opened.reading() as connection:
        event.listen(connection.engine, "before_cursor_execute", lambda *said: heard.append(said[2:4]))
        SqlCaseQueue(opened).page(**asked)
        statement, values = heard[-1]
        plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    opened.close()
    assert len(plan) == 1  # nothing is sorted besides
    assert plan[0].startswith(f"SEARCH cases USING INDEX {index} ")


@contextmanager
def migrating(url):
    """A connection, and what brings the schema there from one revision to another."""
    engine, config = create_engine(url), Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        yield connection, config
    engine.dispose()


def put_old(connection, table, **known):
    """A row as the first schema has it: zeros where nothing is said."""
    columns = inspect(connection).get_columns(table)
    row = {c["name"]: 0 for c in columns if not c["nullable"] and c["name"] != "case_id"} | known
    names = ", ".join(row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES (:{', :'.join(row)})"), row)  # noqa: S608


def test_a_case_of_the_first_schema_is_whole_after_the_upgrade(url):
    words = dict.fromkeys(("decision_id", "transaction_id", "source", "decision"), "x") | {"card": "card0000AAAA"}
    with migrating(url) as (connection, config):
        command.upgrade(config, "0001")
        put_old(connection, "cases", card="card0000AAAA", status="open", headline="", top_score=0.125)
        put_old(connection, "alerts", **words, case_id=1, acts=True, score=0.125, reasons="[]", document=b"{}")
        words["decision_id"], reasons = "y", '[{"code": "A", "text": "often \\"used\\""}, {"code": "B", "text": "b"}]'
        put_old(connection, "alerts", **words, case_id=1, acts=True, score=0.125, reasons=reasons, document=b"{}")
    desk = Desk(CaseDatabase(url))
    (row,) = desk.queue.page(card_ends="0AAAA")
    assert (row.card, row.top_score) == ("card0000AAAA", 0.125)
    found = {(alert.score, alert.headline) for alert in desk.queue.case(row.case_id).alerts}
    assert found == {(0.125, "x at score 0.125"), (0.125, 'often "used"')}
    with desk.database.writing() as connection, pytest.raises(IntegrityError):  # noqa: PT012 -- the last one is meant
        columns = dict.fromkeys(("opened_at", "updated_at", "latest_at", "alerts", "amount", "expected_loss"), 0)
        connection.execute(insert(cases).values(card="card0000AAAA", status="open", headline="", **columns))
    with desk.database.writing() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(case_events).values(case_id=99, at=0, actor="", kind="", text=""))
    desk.database.close()


def test_without_a_score_one_goes_back_to_the_schema_before_and_on_again(url):
    opened = CaseDatabase(url)
    Desk(opened).take(fallback("t1"), message("t2"))
    Desk(opened).pay(fallback("t1"))
    opened.close()
    with migrating(url) as (connection, config):
        command.downgrade(config, "0002")
        scores = connection.exec_driver_sql("SELECT score FROM alerts ORDER BY transaction_id").scalars().all()
        assert scores == [0.0, 0.5]
        assert connection.exec_driver_sql("SELECT top_score FROM cases").scalars().all() == [0.5]
        assert connection.exec_driver_sql("SELECT score FROM payments").scalars().all() == [0.0]
        assert not inspect(connection).get_columns("payments")[6]["nullable"]
    again = CaseDatabase(url)
    assert [(row.alerts, row.top_score) for row in SqlCaseQueue(again).page()] == [(2, 0.5)]
    again.close()


def test_opening_again_keeps_everything(desk, url):
    desk.take(message("t1"))
    again = CaseDatabase(url)
    assert len(SqlCaseQueue(again).page()) == 1
    again.close()


def test_a_schema_of_a_later_version_is_refused(database, url):
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CaseStoreError, match="newer Paywarden"):
        CaseDatabase(url)


@pytest.mark.parametrize("wrong", ["mysql://host/db", "cases.sqlite", ""])
def test_a_url_of_no_such_database_is_refused_with_what_to_write(wrong):
    with pytest.raises(ConfigurationError, match="sqlite:///"):
        CaseDatabase(wrong)


def test_a_password_is_not_repeated():
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("psycopg2 is not installed: uv sync --extra platform")
    with pytest.raises(CaseStoreError) as told:
        CaseDatabase("postgresql://me:hushhush@127.0.0.1:1/cases")
    assert "hushhush" not in str(told.value)
