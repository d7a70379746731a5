"""The console's pages: who sees what, what forms do, and what no page holds."""

import json
import re

import pytest
from tests.integration.alerts.decisions import AT, alert, by_rule, fallback, message
from tests.integration.console.conftest import PASSWORD

from paywarden.adapters.alerts.outbox import SqlLabelOutbox
from paywarden.errors import KafkaError
from paywarden.wiring import stream_health

PAGES = ["/queue", "/queue/rows", "/cases/1", "/models", "/monitoring", "/stream", "/stream/live", "/people"]


def csrf(text):
    return re.search(r'name="csrf" value="([^"]+)"', text).group(1)


def verdict(client, case_id=1, **more):
    text = client.get(f"/cases/{case_id}").text
    seen = re.findall(r'name="seen" value="([^"]+)"', text)
    return client.post(f"/cases/{case_id}/verdict", data={"csrf": csrf(text), "seen": seen, "verdict": "fraud", **more})


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_logging_in(browser, take, path):
    take(message("t1"))
    answer = browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert browser.get(path, headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/login"


@pytest.mark.parametrize("path", [page for page in PAGES if page not in ("/models", "/stream", "/stream/live")])
def test_no_page_holds_a_whole_token_or_anything_inline(log_in, take, path):
    take(message("t1"), payments=[message(f"p{n}", occurred_at=AT - n * 3_600_000) for n in range(9)])
    answer = log_in("admin").get(path)
    assert answer.status_code == 200
    assert "card0000AAAA" not in answer.text
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*src=)|\son[a-z]+=|javascript:|https?://", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


def test_the_audit_log_says_who_decided_what_and_holds_no_token(log_in, take, log):
    take(message("t1"))
    client = log_in("lead")
    verdict(client)
    client.post("/cases/1/reopen", data={"csrf": csrf(client.get("/cases/1").text)})
    client.post("/cases/1/note", data={"csrf": csrf(client.get("/cases/1").text), "text": "asked the cardholder"})
    client.post("/logout", data={"csrf": csrf(client.get("/queue").text)})
    client.post("/login", data={"name": "lead", "password": "wrong"})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["login", "verdict", "reopened", "note", "logout", "login refused"]
    judged = lines[1]
    assert (judged["user"], judged["case"], judged["verdict"], judged["labels"]) == ("lead", 1, "fraud", 1)
    assert len(judged["decision_ids"]) == 1
    assert "card0000AAAA" not in log.getvalue()
    assert PASSWORD not in log.getvalue()


def test_a_wrong_password_is_refused_and_many_lock_the_account(browser, parts):
    for _ in range(5):
        assert browser.post("/login", data={"name": "analyst", "password": "wrong"}).status_code == 401
    assert browser.post("/login", data={"name": "analyst", "password": PASSWORD}).status_code == 401
    assert browser.post("/login", data={"name": "lead", "password": PASSWORD}).status_code == 303
    assert browser.post("/login", data={"name": "nobody", "password": PASSWORD}).status_code == 401


def test_a_session_ends_with_logging_out_and_with_a_new_password(log_in, parts):
    client = log_in()
    token = client.cookies["paywarden_session"]
    assert parts.accounts.session(token).user.name == "analyst"
    client.post("/logout", data={"csrf": csrf(client.get("/queue").text)})
    assert parts.accounts.session(token) is None
    client = log_in("lead")
    parts.accounts.put("lead", "another long password", "lead")
    assert client.get("/queue").status_code == 303


def test_a_verdict_closes_the_case_and_waits_as_a_label(log_in, take, parts):
    take(message("t1"), message("t2", entity_card="card0000BBBB"))
    answer = verdict(log_in())
    assert answer.headers["location"].startswith("/queue?done=Case+1")
    (label,) = SqlLabelOutbox(parts.health.database).waiting(10)
    assert json.loads(label.value)["transaction_id"] == "t1"
    assert parts.queue.case(1).events[-1].actor == "analyst"
    assert [row.case_id for row in parts.queue.page()] == [2]


def test_a_form_without_the_sessions_token_or_from_elsewhere_does_nothing(log_in, take, parts):
    take(message("t1"))
    client = log_in()
    token = csrf(client.get("/cases/1").text)
    for data, headers in (
        ({}, {}),
        ({"csrf": "wrong"}, {}),
        ({"csrf": token}, {"Origin": "https://elsewhere.example"}),
        ({"csrf": token}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        for what in ("verdict", "note", "assign", "reopen"):
            sent = {**data, "verdict": "fraud", "text": "x"}
            assert client.post(f"/cases/1/{what}", data=sent, headers=headers).status_code == 403
    assert parts.queue.case(1).row.status == "open"
    assert len(parts.queue.case(1).events) == 1


def test_an_alert_that_came_after_the_page_stays_open(log_in, take, parts):
    take(message("t1"))
    client = log_in()
    text = client.get("/cases/1").text
    take(message("t2"))
    seen = re.findall(r'name="seen" value="([^"]+)"', text)
    client.post("/cases/1/verdict", data={"csrf": csrf(text), "seen": seen, "verdict": "legitimate"})
    assert [row.alerts for row in parts.queue.page()] == [1]


def test_what_a_role_may_not_is_refused(log_in, take, parts):
    take(message("t1"))
    client = log_in("analyst")
    verdict(client)
    form = {"csrf": csrf(client.get("/cases/1").text)}
    assert client.post("/cases/1/reopen", data=form).status_code == 403
    assert client.post("/cases/1/assign", data={**form, "to": "lead"}).status_code == 403
    assert client.get("/people").status_code == 403
    client = log_in("lead")
    form = {"csrf": csrf(client.get("/cases/1").text)}
    assert client.post("/cases/1/reopen", data=form).status_code == 303
    assert client.post("/cases/1/assign", data={**form, "to": "analyst"}).status_code == 303
    assert parts.queue.case(1).row.assignee == "analyst"
    assert client.get("/people").status_code == 403


def test_rows_come_again_only_where_something_changed(log_in, take):
    take(message("t1"))
    client = log_in()
    seen = re.search(r'"seen": "(\d+)"', client.get("/queue").text).group(1)
    assert client.get(f"/queue/rows?seen={seen}").status_code == 204
    take(message("t2", entity_card="card0000BBBB"))
    answer = client.get(f"/queue/rows?seen={seen}")
    assert answer.status_code == 200
    assert "•••• BBBB" in answer.text


def test_what_is_said_of_a_customer_is_no_markup(log_in, take):
    take(message("t1", reasons=[{"code": "X", "text": "<script>alert(1)</script>"}]))
    client = log_in()
    client.post("/cases/1/note", data={"csrf": csrf(client.get("/cases/1").text), "text": "<b>bold</b>"})
    text = client.get("/cases/1").text + client.get("/queue").text
    assert "<script>alert" not in text
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold" in text


def test_a_case_shows_reasons_and_what_is_usual(log_in, take):
    before = [message(f"p{n}", occurred_at=AT - n * 86_400_000, amount_base=900) for n in range(1, 12)]
    take(message("t1", amount_base=500_000), payments=before)
    text = log_in().get("/cases/1").text
    assert "9 payments of the card in 1h" in text
    assert "assumed" not in text
    assert "9.00 in the middle, 9.00 at most" in text
    assert "unusual" in text


def test_a_case_shows_the_payment(log_in, take):
    take(alert("t1", entity_merchant="Kirlin & Sons"))
    text = log_in().get("/cases/1").text
    facts = re.search(r'<dl class="facts".*?</dl>', text, re.DOTALL).group()
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", facts) == [
        ("Merchant", "Kirlin &amp; Sons"), ("Paid", "16,400,000 JPY"), ("Category", "jewellery"),
        ("Channel", "in person"), ("Country", "JP"), ("Time (UTC)", "2025-06-15 15:06:40"), ("Payment", "t1"),
    ]  # fmt: skip
    assert "<dt>Amount, EUR</dt><dd>100.00</dd>" in text


def test_a_case_names_the_list_or_rule_that_decided(log_in, take):
    take(by_rule("t1"))
    client = log_in()
    text = client.get("/cases/1").text
    assert re.search(r"<b>stolen-cards</b> <span[^>]*>decided</span> <code>block list by card</code>", text)
    assert "The model alone would have said approve." in text
    assert "rests on an assumed probability, since a list or rule knows" in text
    assert "stolen-cards: block list by card" in client.get("/queue").text


def test_a_case_without_a_score_says_so_and_why(log_in, take):
    take(fallback("t1", decision="decline"))
    client = log_in()
    text = client.get("/cases/1").text
    assert "no model is ready to score" in text
    assert "The amount alone decided, without a score." in text
    assert "rests on an assumed probability, since there is no score" in text
    assert re.search(r"<dt>Probability of fraud</dt><dd>no score</dd>", text)
    assert "no score, decline by amount alone: no model is ready to score" in client.get("/queue").text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
def test_models_and_stream_say_what_does_not_answer(log_in):
    client = log_in()
    assert "No version yet" in client.get("/models").text
    text = client.get("/stream").text
    assert "Kafka does not answer" in text
    assert "not answered within 3 seconds" in text
    assert client.get("/nowhere").status_code == 404
    assert client.get("/cases/99").status_code == 422
    assert client.get("/cases/x").status_code == 422


@pytest.mark.parametrize("path", ["/stream", "/stream/live"])
def test_a_page_waits_for_kafka_once(log_in, monkeypatch, path):
    def away(_connection, _seconds):
        asked.append("whether it answers")
        raise KafkaError("away")

    asked = []
    monkeypatch.setattr(stream_health, "ping", away)
    monkeypatch.setattr(stream_health.wiring, "kafka_source", lambda *_, **__: asked.append("for records"))
    assert log_in().get(path).status_code == 200
    assert asked == ["whether it answers"]


def test_monitoring_shows_the_last_report(log_in, parts):
    client = log_in()
    assert "No report yet" in client.get("/monitoring").text
    drift = {"psi": 0.31, "ratio": 1.5, "days": 7}
    report = {
        "verdict": "watch", "version": 3, "as_of": AT, "counts": {"decisions": 10, "matured": 5}, "notes": [],
        "findings": [{"severity": "watch", "sentence": "The amount has drifted."}], "drift": {"amount": [drift]},
        "alerts": {"per_day_7d": 41.5}, "performance": None, "labels": {"flow": None, "delay": None}, "parity": None,
    }  # fmt: skip
    parts.monitor_path.write_text(json.dumps(report))
    text = client.get("/monitoring").text
    assert "The amount has drifted." in text
    assert "1.50" in text
