"""POST /v1/score: what is answered, to whom, once, in time."""

from __future__ import annotations

import json
import threading
import time

import pytest
from tests.unit.jobs.test_serving import Registry
from tests.unit.service.conftest import expected_scores

from paywarden.errors import KafkaError, StateStoreError
from paywarden.events.alert_notes import AlertNotes
from paywarden.events.decision import decode_actions, decode_decisions
from paywarden.scoring.policy import DECISIONS
from paywarden.service.api.access import Rates


def values(api, topic):
    return [value for _, value in api.topics.sent.get(topic, [])]


def published(api, count):
    """The decisions on the predictions topic, once so many are there."""
    for _ in range(1000):
        if len(values(api, "predictions")) >= count:
            break
        time.sleep(0.01)
    return decode_decisions(values(api, "predictions"), api.parts.schema).to_pylist()


def test_a_score_is_that_of_the_replay_at_the_same_state(api, engine, bundle, events):
    expected = expected_scores(api, engine, bundle, events)
    batch = [api.transaction(row) for row in range(min(api.first.num_rows, 40))]
    assert len(batch) > 10
    alone = [api.post({**one, "transaction_id": f"x{one['transaction_id']}"}).json() for one in batch[:3]]
    answers = [*api.post(batch).json(), *alone]
    for answer in answers:
        score, decision = expected[answer["transaction_id"].removeprefix("x")]
        assert answer["score"] == pytest.approx(score, abs=1e-6)
        assert answer["decision"] == DECISIONS[decision]
        assert answer["source"] == "api"
        assert answer["model_digest"] == bundle.digest
        assert bool(answer["reasons"]) == (answer["decision"] != "approve")
    assert len({answer["score"] for answer in answers}) > 10


def test_the_state_is_only_read(api):
    sent = api.transaction()
    first = api.post(sent).json()
    again = api.post({**sent, "transaction_id": "another"}).json()
    assert again["score"] == first["score"]  # had the first been folded, counts would have moved


def test_the_age_of_the_state_is_that_of_its_batch(start):
    now = [0]
    api = start(clock=lambda: now[0])
    now[0] = api.parts.models._began_at(api.parts.models.current.state._store.current()) + 1234
    assert api.post(api.transaction()).json()["state_age_ms"] == 1234


def test_a_decision_is_published_and_acts_over_the_streams(api, bundle):
    answer = api.post(api.transaction()).json()
    (decision,) = published(api, 1)
    assert {name: decision[name] for name in ("transaction_id", "decision_id", "score", "decision")} == {
        name: answer[name] for name in ("transaction_id", "decision_id", "score", "decision")
    }
    assert decision["source"] == "api"
    assert decision["state_age_ms"] == answer["state_age_ms"]
    assert len(decision["vector"]) == len(bundle.feature_names)
    message = json.loads(values(api, "predictions")[0])
    streams = {**message, "source": "stream", "decision": "decline", "decided_at": 1}
    (acting,) = decode_actions([json.dumps(streams).encode(), *values(api, "predictions")]).to_pylist()
    assert (acting["source"], acting["decision"]) == ("api", answer["decision"])


def test_what_is_not_approved_is_an_alert_too(api):
    answers = api.post([api.transaction(row) for row in range(min(api.first.num_rows, 40))]).json()
    published(api, len(answers))
    alerted = {json.loads(value)["transaction_id"] for value in values(api, "alerts")}
    assert alerted == {a["transaction_id"] for a in answers if a["decision"] != "approve"}
    for value in values(api, "alerts"):
        assert {"amount", "currency", "transaction_type"} <= AlertNotes.of(value).transaction.keys()
    assert not any(b'"currency"' in value for value in values(api, "predictions"))
    assert all(key.decode().startswith("card") for key, _ in api.topics.sent["predictions"])


def test_the_same_transaction_gets_the_same_answer_and_is_published_once(api, other_bundle):
    first = api.post(api.transaction()).content
    api.parts.models._models._registry.now = 2
    api.parts.models.refresh()
    assert api.parts.models.current.served.bundle.digest == other_bundle.digest
    assert api.post(api.transaction()).content == first
    batch = api.post([api.transaction(), api.transaction(), api.transaction(1)]).json()
    assert [json.dumps(one) for one in batch[:2]] == [json.dumps(json.loads(first))] * 2
    assert len(published(api, 2)) == 2


def test_an_answer_is_forgotten_after_the_horizon(start):
    now = [int(time.time() * 1000)]
    api = start(clock=lambda: now[0], answers_hours=1)
    first = api.post(api.transaction()).json()
    now[0] += 3_599_999
    assert api.post(api.transaction()).json() == first
    now[0] += 1
    assert api.post(api.transaction()).json()["decided_at"] == now[0]


def test_another_transaction_under_the_same_id_is_a_conflict(api):
    api.post(api.transaction())
    other = api.post(api.transaction(amount=77))
    assert other.status_code == 409
    assert other.json()["code"] == "id_taken"


def test_simultaneous_requests_get_one_answer(api):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(api.post(api.transaction()).content)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert len(published(api, 1)) == 1


def test_decisions_wait_while_kafka_is_away(api):
    api.topics.away = KafkaError("no broker answers")
    assert api.post(api.transaction()).status_code == 200
    for _ in range(500):
        if any("no broker answers" in line["event"] for line in api.lines):
            break
        time.sleep(0.01)
    assert api.parts.answers.pending() > 0
    api.topics.away = None
    assert len(published(api, 1)) == 1


@pytest.fixture
def slow(start):
    """An API whose model never answers in time."""
    api, release = start(timeout_ms=30, approve_up_to=5000, above="decline"), threading.Event()
    object.__setattr__(api.parts.models.current.state, "load", lambda *_: release.wait(30))
    yield api
    release.set()


def test_a_late_score_is_replaced_by_the_fallback(slow):
    small, large = slow.post([slow.transaction(0, amount=5000), slow.transaction(1, amount=5001)]).json()
    assert (small["source"], small["decision"], small["score"]) == ("fallback", "approve", None)
    assert (large["source"], large["decision"]) == ("fallback", "decline")
    assert large["reasons"] == [{"code": "FALLBACK_TIMEOUT", "text": "no score within the time allowed"}]
    assert {d["source"] for d in published(slow, 2)} == {"fallback"}
    known, taken = slow.transaction(0, amount=5000), slow.transaction(1, amount=77)
    late = slow.post([{"amount": 1}, known, taken, slow.transaction(2, amount=1)]).json()
    assert [one.get("code") for one in late] == ["missing_field", None, "id_taken", None]
    assert (late[1], late[3]["source"]) == (small, "fallback")
    assert b'paywarden_api_fallbacks_total{reason="timeout"} 3.0' in slow.client.get("/metrics").content


def test_without_a_model_the_fallback_answers_and_it_is_not_ready(start):
    registry = Registry()
    registry.away = True
    api = start(registry=registry)
    assert api.post(api.transaction()).json()["reasons"][0]["code"] == "FALLBACK_NO_MODEL"
    ready = api.client.get("/readyz")
    assert ready.status_code == 503
    assert "MLflow does not answer" in ready.json()["detail"]
    assert api.client.get("/healthz").json() == {"status": "alive"}


@pytest.mark.parametrize(("error", "code"), [(StateStoreError("gone"), "STATE"), (ValueError("odd"), "ERROR")])
def test_a_failure_in_scoring_is_answered_by_the_fallback(api, error, code):
    def fail(*_):
        raise error

    object.__setattr__(api.parts.models.current.state, "load", fail)
    assert api.post(api.transaction()).json()["reasons"][0]["code"] == f"FALLBACK_{code}"


def test_what_breaks_scoring_does_so_alone(api, monkeypatch):
    score = type(api.parts.answering).score

    def fail(answering, rows):
        if "odd" in rows["transaction_id"].to_pylist():
            raise ValueError("odd")
        return score(answering, rows)

    monkeypatch.setattr(type(api.parts.answering), "score", fail)
    names = ["even", "odd", "also even"]
    sent = [api.transaction(row, transaction_id=name) for row, name in enumerate(names)]
    answers = api.post(sent).json()
    assert [answer["transaction_id"] for answer in answers] == names
    assert [answer["source"] for answer in answers] == ["api", "fallback", "api"]
    for place in (0, 2):
        alone = api.post({**sent[place], "transaction_id": f"alone {place}"}).json()
        assert answers[place]["score"] == alone["score"]
    (line,) = [line for line in api.lines if line["event"] == "fallback"]
    assert (line["transaction_id"], line["reason"]) == ("odd", "error")
    (line,) = [line for line in api.lines if line["event"] == "scoring_failed"]
    assert line["transactions"] == 3
    assert "ValueError: odd" in line["exception"]


def test_where_nothing_can_be_scored_few_calls_find_it_out(api, monkeypatch):
    calls = []

    def fail(_, rows):
        calls.append(rows.num_rows)
        raise ValueError("odd")

    monkeypatch.setattr(type(api.parts.answering), "score", fail)
    sent = [api.transaction(0, transaction_id=f"t{number}") for number in range(20)]
    assert {answer["source"] for answer in api.post(sent).json()} == {"fallback"}
    assert calls == [20, 10, 10]
    assert b'paywarden_api_fallbacks_total{reason="error"} 20.0' in api.client.get("/metrics").content


def test_what_a_call_of_others_breaks_is_answered_by_the_fallback(api, monkeypatch):
    find = type(api.parts.answers).find

    def fail(answers, ids, now):
        if threading.current_thread().name.startswith("scoring"):
            raise MemoryError("odd")
        return find(answers, ids, now)

    monkeypatch.setattr(type(api.parts.answers), "find", fail)
    answer = api.post(api.transaction()).json()
    assert answer["reasons"][0]["code"] == "FALLBACK_ERROR"


def test_one_id_several_times_in_a_request_is_one_answer_and_one_message(api):
    one = api.transaction()
    first, again, other = api.post([one, one, {**one, "amount": 77}]).json()
    assert first == again
    assert (other["code"], other["index"]) == ("id_taken", 2)
    api.post([{"amount": 1}, one])
    figures = api.client.get("/metrics").text
    assert "paywarden_api_repeated_total 3.0" in figures
    assert 'paywarden_api_refused_total{reason="missing_field"} 1.0' in figures
    api.post(api.transaction(1))
    assert [d["transaction_id"] for d in published(api, 2)] == [
        one["transaction_id"],
        api.transaction(1)["transaction_id"],
    ]


def test_requests_that_are_scored_together_get_their_own_answers(api, monkeypatch):
    read, take, sizes, came, may = type(api.parts.answering).read, Rates.take, [], [], threading.Event()

    def waiting(answering, payloads, at):
        sizes.append(len(payloads))
        assert may.wait(30)
        return read(answering, payloads, at)

    def counting(rates, key, count):
        take(rates, key, count)
        came.append(count)

    monkeypatch.setattr(type(api.parts.answering), "read", waiting)
    monkeypatch.setattr(Rates, "take", counting)
    sent = [api.transaction(row) for row in range(8)]
    sent += [{**sent[0], "amount": -1}, {**sent[1], "transaction_id": "again"}, b"{"]
    answers = {}

    def ask(place):
        answers[place] = api.post(sent[place])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(sent))]
    for number, thread in enumerate(threads, 1):
        thread.start()
        while len(came) < number:  # it waits now, or has begun
            time.sleep(0.01)
    may.set()
    for thread in threads:
        thread.join()
    assert sizes == [1, len(sent) - 1]
    for place, message in enumerate(sent[:8]):
        assert answers[place].json()["transaction_id"] == message["transaction_id"]
    assert answers[9].json()["score"] == answers[1].json()["score"] != answers[2].json()["score"]
    assert (answers[8].json()["code"], answers[10].json()["code"]) == ("amount_out_of_range", "malformed_json")


def test_what_breaks_a_rule_is_refused_with_the_remedy(api):
    for changes, status, code in (
        ({"amount": -1}, 422, "amount_out_of_range"),
        ({"amount": "5"}, 422, "wrong_type"),
        ({"entities": {"card": "4111111111111111", "merchant": "m"}}, 422, "card_number"),
        ({"currency": "XXQ"}, 422, "unknown_currency"),
    ):
        refused = api.post(api.transaction(**changes))
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == code
        assert refused.json()["remedy"]
    assert api.post(b"{").status_code == 400
    assert api.post(b"[").status_code == 400
    assert api.post([]).status_code == 422
    assert "4111" not in api.log.getvalue()


def test_a_batch_says_which_of_its_transactions_are_refused(api):
    answers = api.post([api.transaction(0), {"amount": 1}, api.transaction(1), 7]).json()
    assert [a.get("code") for a in answers] == [None, "missing_field", None, "not_an_object"]
    assert [a.get("index") for a in answers] == [None, 1, None, 3]


def test_limits_hold(start):
    api = start(largest_body_bytes=1024, largest_batch=2, transactions_per_second=0.001, burst=3)
    assert api.post(b" " * 1025).status_code == 413
    assert api.post([api.transaction()] * 3).json()["code"] == "batch_too_large"
    assert api.post(api.transaction(), **{"Content-Type": "text/plain"}).status_code == 415
    assert api.post([api.transaction(0), api.transaction(1)]).status_code == 200
    refused = api.post([api.transaction(2), api.transaction(3)])
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) > 0


def test_the_audit_log_names_every_decision_and_no_card(api):
    answer = api.post(api.transaction()).json()
    (line,) = [line for line in api.lines if line["event"] == "decision"]
    assert line["decision_id"] == answer["decision_id"]
    assert line["key"] == api.key.split("_")[1]
    assert api.transaction()["entities"]["card"] not in api.log.getvalue()
    assert api.key not in api.log.getvalue()


def test_the_audit_log_says_who_may_ask_and_who_was_refused(start):
    api = start(largest_batch=2, transactions_per_second=0.001, burst=1)
    assert api.post(api.transaction(), Authorization="Bearer pw_nobody").status_code == 401
    assert api.post([api.transaction(i) for i in range(3)]).status_code == 422  # no question of access
    assert [api.post(api.transaction(i)).status_code for i in range(3)] == [200, 200, 429]
    (keys,) = [line for line in api.lines if line["event"] == "keys"]
    own = api.key.split("_")[1]
    assert set(keys["opens"]) == {own}
    refused = [(line["status"], line["key"], line["path"]) for line in api.lines if line["event"] == "refused"]
    assert refused[0] == (401, None, "/v1/score")
    assert set(refused[1:]) == {(429, own, "/v1/score")}


def test_a_champion_of_another_layout_waits_for_the_stream(start, bundle, newer_bundle):
    registry = Registry(v1=bundle, v2=newer_bundle)
    api = start(registry=registry)
    registry.now = 2
    api.parts.models.refresh()
    assert api.parts.models.current.served.version == "1"
    assert "paywarden state build" in api.parts.models.problem
    assert api.client.get("/readyz").json()["ready"]
    assert api.post(api.transaction()).json()["model_version"] == "1"


def test_model_and_figures_are_told(api, bundle):
    told = api.client.get("/v1/model", headers={"Authorization": f"Bearer {api.key}"}).json()
    assert (told["model_version"], told["model_digest"]) == ("1", bundle.digest)
    api.post(api.transaction())
    figures = api.client.get("/metrics").text
    assert 'paywarden_api_requests_total{status="200"} 1.0' in figures
    assert "paywarden_api_request_seconds_bucket" in figures


POLICY = """
lists:
  - {name: stolen, action: block, field: card, entries: [CARD]}
rules:
  - {name: watched, when: score >= 0.0, then: decline, shadow: true}
  - {name: small, when: transaction.amount < 10, then: review}
"""


def test_lists_and_rules_decide_and_are_named(start, tmp_path, bundle):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    api = start(policy={"file": policy})
    before = api.post(api.transaction()).json()
    assert (before["rules"], before["shadow_rules"]) == ([], ["watched"])
    assert before["policy_digest"] != bundle.policy.digest
    policy.write_text(POLICY.replace("CARD", api.transaction()["entities"]["card"]))
    api.parts.rules.refresh()
    blocked = api.post(api.transaction(transaction_id="again")).json()
    assert (blocked["decision"], blocked["rules"], blocked["score"]) == ("decline", ["stolen"], before["score"])
    assert blocked["policy_digest"] != before["policy_digest"]
    policy.write_text("rules: [{name: wrong}]")
    api.parts.rules.refresh()
    assert api.post(api.transaction(transaction_id="third")).json()["rules"] == ["stolen"]
    assert any("rule 'wrong'" in line["event"] for line in api.lines)
    policy.write_text("rules: [{name: odd, when: features.sometime > 1.0, then: review}]")
    api.parts.refresh_rules()
    assert any("there is no feature sometime" in line["event"] for line in api.lines)
    decisions = published(api, 3)
    assert [d["rules"] for d in decisions] == [None, ["stolen"], ["stolen"]]
    alert = next(value for value in values(api, "alerts") if json.loads(value)["transaction_id"] == "again")
    assert AlertNotes.of(alert).rules == (("stolen", "block list by card"),)
    assert AlertNotes.of(alert).without_rules == (None if before["decision"] == "decline" else before["decision"])
    assert not any(b"rule_texts" in value for value in values(api, "predictions"))


def test_the_fallback_obeys_lists_and_rules_that_need_no_score(start, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    registry = Registry()
    registry.away = True
    api = start(registry=registry, policy={"file": policy}, approve_up_to=5000)
    small = api.post(api.transaction(amount=5)).json()
    assert (small["decision"], small["rules"], small["shadow_rules"]) == ("review", ["small"], [])
