"""`paywarden serve` and `paywarden keys` as commands: two workers, a real broker, and no model anywhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

from paywarden.adapters.kafka.source import KafkaSource
from paywarden.events.decision import decode_decisions
from paywarden.events.schema import EventSchema

PAYWARDEN = [sys.executable, "-m", "paywarden.cli.app"]
SENT = {"transaction_id": "t-1", "occurred_at": 1_767_250_358_042, "amount": 99_000, "currency": "EUR"}
SENT |= {"entities": {"card": "card-1", "merchant": "m-1"}}


@pytest.fixture
def environment(kafka, topic_factory, tmp_path):
    topics = {name: topic_factory(name) for name in ("predictions", "alerts")}
    return os.environ | {
        "PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "PAYWARDEN_KAFKA__TOPICS": json.dumps(topics),
        "PAYWARDEN_MLFLOW__TRACKING_URI": "http://127.0.0.1:9",
        "PAYWARDEN_API__DIRECTORY": str(tmp_path / "api"),
        "PAYWARDEN_API__KEYS": str(tmp_path / "keys.json"),
        "PAYWARDEN_STATE__PATH": str(tmp_path / "state"),
    }


def test_two_workers_answer_publish_and_end_in_good_order(environment, kafka, tmp_path):
    def run(*words):
        return subprocess.run(
            [*PAYWARDEN, *words], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
        )

    key = run("keys", "create", "checkout").stdout.strip()
    assert "checkout" in run("keys", "list").stdout
    with (tmp_path / "log").open("w+") as log:
        server = subprocess.Popen(
            [*PAYWARDEN, "serve", "--port", "0", "--workers", "2"], env=environment, stderr=log, cwd=tmp_path
        )
        try:
            url = _address(tmp_path / "log", server)
            with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
                answers = {client.post("/v1/score", json=SENT).content for _ in range(10)}
                figures = client.get("/metrics").text
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
    (answer,) = map(json.loads, answers)  # the same from both
    assert (answer["source"], answer["decision"]) == ("fallback", "review")
    assert 'paywarden_api_requests_total{status="200"} 10.0' in figures  # of both together
    topics = json.loads(environment["PAYWARDEN_KAFKA__TOPICS"])
    for topic in topics.values():
        values = KafkaSource(kafka).read_all(topic)["value"].to_pylist()
        (decision,) = decode_decisions(values, EventSchema()).to_pylist()
        assert decision["decision_id"] == answer["decision_id"]
    assert "Traceback" not in (tmp_path / "log").read_text()


def _address(log, server):
    for _ in range(3600):
        found = re.search(r"http://[\d.]+:\d+", log.read_text())
        if found:
            return found[0]
        assert server.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())
