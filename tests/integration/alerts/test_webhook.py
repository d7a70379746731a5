"""Alerts to a real HTTP receiver: until it takes them, each under one key."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.integration.alerts.decisions import AT, PAID, SCHEMA, alert, by_rule, fallback, message

from paywarden.adapters.alerts.intake import SqlCaseIntake
from paywarden.adapters.alerts.outbox import SqlPostOutbox
from paywarden.adapters.alerts.webhook import HttpWebhook
from paywarden.events.alerts import Intake
from paywarden.jobs.alerts import _alerts_of
from paywarden.jobs.post_alerts import post_alerts

SECRET = b"a secret of the test"


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        status = self.server.answers.pop(0) if self.server.answers else 204
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def desk(database, receiver):
    now = [AT]
    clock = lambda: now[0]  # noqa: E731
    intake, outbox = SqlCaseIntake(database, posts=True, clock=clock), SqlPostOutbox(database)
    url = f"http://127.0.0.1:{receiver.server_port}/alerts"
    webhook = HttpWebhook(url, SECRET, pause_seconds=0.001, clock=clock)
    (found, _, _), _ = _alerts_of([message("t1"), message("t2", entity_card="card0000BBBB")], SCHEMA)
    intake.take(Intake("alerts", {0: None}, {0: 2}, found))
    yield now, lambda: post_alerts(outbox, webhook, clock)
    webhook.close()


def test_each_alert_is_posted_once_signed_and_masked(desk, receiver):
    _, post = desk
    assert (post(), post()) == (2, 0)
    headers, body = receiver.got[0]
    at, signature = (part.split("=")[1] for part in headers["Paywarden-Signature"].split(","))
    assert signature == hmac.new(SECRET, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    said = json.loads(body)
    assert headers["Idempotency-Key"] == said["decision_id"] == "stream-t1"
    assert (said["card"], said["amount"], said["expected_loss"]) == ("•••• AAAA", 10_000, 5_000)
    assert said["reasons"][0]["code"] == "CARD_VELOCITY"
    assert b"card0000AAAA" not in body


def test_a_post_says_what_fired_and_that_there_is_no_score(database, desk, receiver):
    _, post = desk
    (found, _, _), _ = _alerts_of([by_rule("t3"), fallback("t4", decision="decline"), alert("t5")], SCHEMA)
    SqlCaseIntake(database, posts=True, clock=lambda: AT).take(Intake("alerts", {0: 2}, {0: 5}, found))
    assert post() == 5
    said = {body["transaction_id"]: body for body in (json.loads(body) for _, body in receiver.got)}
    assert said["t3"]["rules"] == [{"name": "stolen-cards", "text": "block list by card"}]
    assert (said["t3"]["without_rules"], said["t3"]["expected_loss"]) == ("approve", 5_000)
    assert said["t3"]["headline"] == "stolen-cards: block list by card"
    assert (said["t4"]["score"], said["t4"]["source"], said["t4"]["expected_loss"]) == (None, "fallback", 5_000)
    assert (said["t1"]["rules"], said["t1"]["without_rules"]) == ([], None)
    assert said["t5"]["transaction"] == PAID
    assert said["t5"]["entities"] == {"card": "•••• AAAA", "merchant": "merchant0001"}


def test_a_hiccup_is_tried_again_at_once_and_an_outage_later(desk, receiver):
    now, post = desk
    receiver.answers = [503, 429, 200, 500, 500, 500]
    assert post() == 1
    assert post() == 0, "not before its pause is over"
    now[0] += 5_000
    assert post() == 1
    keys = [headers["Idempotency-Key"] for headers, _ in receiver.got]
    assert keys == ["stream-t1"] * 3 + ["stream-t2"] * 4


def test_what_the_receiver_refuses_is_given_up_and_holds_up_nothing(database, desk, receiver):
    now, post = desk
    outbox = SqlPostOutbox(database)
    assert outbox.by_state() == {"waiting": 2, "failing": 0, "given_up": 0}
    receiver.answers = [400, 200]
    assert post() == 1
    assert outbox.by_state() == {"waiting": 0, "failing": 0, "given_up": 1}
    now[0] += 10_000_000
    assert post() == 0
    assert len(receiver.got) == 2


def test_nobody_there_is_tried_again(database, desk, receiver):
    now, _ = desk
    away = HttpWebhook("http://127.0.0.1:9/", pause_seconds=0.001)
    assert post_alerts(SqlPostOutbox(database), away, lambda: now[0]) == 0
    assert SqlPostOutbox(database).by_state() == {"waiting": 2, "failing": 1, "given_up": 0}
    away.close()
    now[0] += 5_000
    assert desk[1]() == 2
