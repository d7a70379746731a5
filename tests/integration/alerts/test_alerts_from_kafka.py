"""`paywarden alerts run` on a real broker: each alert once, each verdict once, whenever it is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from tests.integration.alerts.decisions import AT, SCHEMA, fallback, message

from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.intake import SqlCaseIntake
from paywarden.adapters.alerts.outbox import SqlLabelOutbox
from paywarden.adapters.alerts.queue import SqlCaseQueue
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.kafka.source import KafkaSource
from paywarden.errors import KafkaError
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.jobs.alerts import CaseTopics, Taken, take_alerts
from paywarden.jobs.archive import valid_rows
from paywarden.jobs.send_verdicts import send_verdicts
from paywarden.jobs.topics import label_columns
from paywarden.settings import Settings
from paywarden.wiring.alerts import case_review


class Bench:
    """A database, topics of our own, and the jobs between them."""

    def __init__(self, kafka, topic_factory, folder):
        self.url = f"sqlite:///{folder / 'cases.sqlite'}"
        self.database = CaseDatabase(self.url)
        self.kafka, self.source = kafka, KafkaSource(kafka)
        self.alerts, self.predictions = topic_factory("alerts", 2), topic_factory("predictions", 2)
        self.labels = topic_factory("labels", 2)
        self.queue, self.outbox = SqlCaseQueue(self.database), SqlLabelOutbox(self.database)
        self.review = case_review(self.database, SCHEMA)

    def send(self, topic, *values):
        with KafkaEventProducer(self.kafka) as sink:
            sink.send_many(topic, [str(n).encode() for n in range(len(values))], values)

    def take(self):
        topics = CaseTopics(self.alerts, self.predictions)
        return take_alerts(self.source, SqlCaseIntake(self.database), topics, SCHEMA)

    def send_verdicts(self, open_sink=None):
        return send_verdicts(
            self.outbox, self.source, open_sink or (lambda: KafkaEventProducer(self.kafka)), self.labels
        )

    def sent(self):
        return self.source.read_all(self.labels)

    def environment(self):
        topics = {"ALERTS": self.alerts, "PREDICTIONS": self.predictions, "LABELS": self.labels}
        return {
            **os.environ,
            "PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "PAYWARDEN_CASES__DATABASE": self.url,
            **{f"PAYWARDEN_KAFKA__TOPICS__{name}": value for name, value in topics.items()},
        }


@pytest.fixture
def bench(kafka, topic_factory, tmp_path):
    made = Bench(kafka, topic_factory, tmp_path)
    yield made
    made.database.close()


def test_alerts_and_payments_are_taken_once_and_what_is_no_decision_is_told(bench):
    bench.send(bench.alerts, message("t1"), b"{", b'{"decision_id": "x"}', message("t2", source="shadow"))
    bench.send(bench.predictions, *(message(f"t{n}", occurred_at=AT + n) for n in range(50)), b"[]")
    assert bench.take() == Taken(alerts=1, payments=50, unreadable=3)
    assert bench.take() == Taken()
    bench.send(bench.alerts, message("t3"))
    assert bench.take() == Taken(alerts=1)
    assert len(bench.queue.payments("card0000AAAA", until=AT + 10)) == 11


def test_a_fallback_becomes_a_case_and_a_label(bench):
    bench.send(bench.predictions, fallback("t1"), message("t1", score=0.9), fallback("t2", decision="approve"))
    bench.send(bench.alerts, fallback("t1"), message("t1", score=0.9))
    assert bench.take() == Taken(alerts=2, payments=2)
    (row,) = bench.queue.page()
    assert (row.alerts, row.top_score, row.expected_loss) == (1, None, 1_000)
    payments = bench.queue.payments(row.card, until=AT)
    assert [(p.transaction_id, p.score) for p in payments] == [("t1", None), ("t2", None)]
    bench.review.judge(row.case_id, "fraud", "ann")
    assert bench.send_verdicts() == 1


def test_a_verdict_arrives_as_a_label_that_the_archive_takes(bench):
    bench.send(bench.alerts, message("t1"), message("t2"))
    bench.take()
    bench.review.judge(bench.queue.page()[0].case_id, "fraud", "ann")
    assert bench.send_verdicts() == 2
    assert bench.send_verdicts() == 0
    labels = valid_rows(label_columns(SCHEMA, DEFAULT_LIMITS)(bench.sent()))
    assert sorted(labels["transaction_id"].to_pylist()) == ["t1", "t2"]
    assert set(labels["source"].to_pylist()) == {"analyst"}
    assert labels["routing_key"].to_pylist() == ["card0000AAAA"] * 2
    assert {key.decode() for key in bench.sent()["key"].to_pylist()} == {"card0000AAAA"}


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("reached", ["broker", "nobody"])
def test_a_sender_killed_before_it_marks_sends_nothing_twice_and_loses_nothing(bench, reached):
    bench.send(bench.alerts, *(message(f"t{n}", entity_card=f"card{n:08d}") for n in range(4)))
    bench.take()
    for row in bench.queue.page():
        bench.review.judge(row.case_id, "fraud", "ann")

    @contextmanager
    def killed():
        if reached == "broker":
            with KafkaEventProducer(bench.kafka) as sink:
                yield sink
        else:
            yield type("Nobody", (), {"send_many": lambda *_: None, "flush": lambda _: None})()
        raise Killed

    with pytest.raises(Killed):
        bench.send_verdicts(killed)
    bench.send(bench.labels, b"another label, between the two tries")
    assert len(bench.outbox.waiting(10)) == 4
    bench.send_verdicts()
    assert bench.outbox.unsent() == 0
    values = bench.sent()["value"].to_pylist()
    assert len(values) == 5
    assert len(set(values)) == 5


def test_an_unanswered_broker_leaves_the_verdicts_waiting(bench):
    bench.send(bench.alerts, message("t1"))
    bench.take()
    bench.review.judge(bench.queue.page()[0].case_id, "legitimate", "ann")

    @contextmanager
    def refusing():
        raise KafkaError("no broker")
        yield

    with pytest.raises(KafkaError):
        bench.send_verdicts(refusing)
    assert bench.send_verdicts() == 1
    assert json.loads(bench.sent()["value"][0].as_py())["is_fraud"] is False


def test_the_command_takes_everything_once_though_it_is_killed_and_started_beside_another(bench):
    """One is killed at an arbitrary moment; of the two that follow one works and one stands by."""
    total = 400
    command = [sys.executable, "-m", "paywarden.cli.app", "alerts", "run", "--every", "0.05"]
    environment = {**bench.environment(), "PAYWARDEN_LOGS__FORMAT": "json"}

    def start():
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    first = start()
    try:
        bench.send(bench.alerts, *(message(f"a{n}", entity_card=f"card{n % 50:08d}") for n in range(total)))
        _until(lambda: bench.queue.counts()["open"][0] > 0, first)
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    both = [start(), start()]
    try:
        bench.send(bench.alerts, *(message(f"b{n}", entity_card=f"card{n % 50:08d}") for n in range(total)))
        _until(lambda: sum(row.alerts for row in bench.queue.page(most=100)) == 2 * total, *both)
        for row in bench.queue.page(most=100):
            bench.review.judge(row.case_id, "fraud", "ann")
        _until(lambda: bench.outbox.unsent() == 0, *both)
    finally:
        for process in both:
            process.send_signal(signal.SIGTERM)
        said = [process.communicate()[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert any("standing by" in text for text in said), said
    lines = [json.loads(line) for text in said for line in text.splitlines()]
    noted = [line["transaction_id"] for line in lines if line["event"] == "alert"]
    assert {f"b{n}" for n in range(total)} <= set(noted)
    assert len(noted) == len(set(noted))
    labelled = [json.loads(value)["transaction_id"] for value in bench.sent()["value"].to_pylist()]
    assert len(labelled) == len(set(labelled)) == 2 * total


def _until(true, *processes):
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)


def test_settings_name_the_database():
    assert Settings().cases.database.get_secret_value() == "sqlite:///data/cases.sqlite"
