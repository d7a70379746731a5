"""The stream's page over a real broker: what waits, what was refused, and sending it again."""

from __future__ import annotations

import re
import shutil
import time

import httpx
import pytest
from tests.console_server import listening
from tests.integration.console.conftest import PASSWORD

from paywarden import wiring
from paywarden.adapters.kafka.source import KafkaSource
from paywarden.events.dead_letter import REDRIVEN_HEADER, dead_letter_headers
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.settings import Settings
from paywarden.wiring.console import console_parts


@pytest.fixture
def settings(kafka, tmp_path, new_database):
    shutil.copy(new_database, tmp_path)
    stem = f"stream-page{time.time_ns()}"
    names = ("transactions", "labels", "alerts", "predictions", "dead_letters", "manifests", "outcomes", "redriven")
    made = Settings(
        kafka={"bootstrap_servers": kafka.bootstrap_servers, "topics": {name: f"{stem}.{name}" for name in names}},
        cases={"database": f"sqlite:///{tmp_path / 'cases.sqlite'}"},
    )
    wiring.make_topics(made)
    return made


@pytest.fixture
def client(settings):
    """Logs in with a role, over a console of these settings."""
    parts = console_parts(settings)
    with listening(parts) as address, httpx.Client(base_url=address, timeout=60) as client:

        def log_in(role):
            client.post("/login", data={"name": role, "password": PASSWORD})
            return client

        yield log_in
    parts.health.database.close()


@pytest.fixture
def refused(settings):
    """Three letters of one reason and one of another, and a batch of which two more payments came after."""
    topics = settings.kafka.topics
    reasons = ["malformed_json"] * 3 + ["unknown_currency"]
    headers = dead_letter_headers([topics.transactions] * 4, [0] * 4, range(4), reasons, ["why"] * 4)
    span = OffsetRange(topics.transactions, 0, 0, 2)
    with wiring.kafka_sink(settings) as sink:
        sink.send_many(topics.dead_letters, [None] * 4, [b"{"] * 4, headers=headers)
        sink.send_many(topics.manifests, [None], [BatchManifest(1, 1, (span,), "layout").to_json().encode()])
        # All of one key, so in one partition: its number stands in the manifest.
        sink.send_many(topics.transactions, [b"k"] * 4, [b"x"] * 4)
        sink.flush()
    (partition,) = [p for p, end in KafkaSource(wiring.kafka(settings)).end_offsets([topics.transactions])[
        topics.transactions].items() if end]  # fmt: skip
    later = BatchManifest(1, 2, (OffsetRange(topics.transactions, partition, 0, 2),), "layout")
    with wiring.kafka_sink(settings) as sink:
        sink.send_many(topics.manifests, [None], [later.to_json().encode()])
        sink.flush()
    return topics


def csrf(text):
    return re.search(r'name="csrf" value="([^"]+)"', text).group(1)


def test_a_lead_sends_the_letters_of_a_reason_again_once(client, refused, settings):
    lead = client("lead")
    text = lead.get("/stream").text
    assert text.count("<code>malformed_json</code>") == 3
    assert re.search(r"<dt>Records to decide</dt><dd>2</dd>", text)
    form = {"csrf": csrf(text), "reason": "malformed_json"}
    assert "3 sent again" in lead.get(lead.post("/stream/redrive", data=form).headers["location"]).text
    rows = KafkaSource(wiring.kafka(settings), headers=True).read_all(refused.transactions).to_pylist()
    assert sum(any(h["key"] == REDRIVEN_HEADER for h in row["headers"] or []) for row in rows) == 3
    again = lead.get(lead.post("/stream/redrive", data=form).headers["location"]).text
    assert "0 sent again, 3 were sent again before" in again


def test_only_a_lead_with_a_form_of_ours_sends_again(client, refused, settings):
    analyst = client("analyst")
    text = analyst.get("/stream").text
    assert "/stream/redrive" not in text
    assert analyst.post("/stream/redrive", data={"csrf": csrf(text), "reason": "malformed_json"}).status_code == 403
    lead = client("lead")
    assert lead.post("/stream/redrive", data={"csrf": "wrong", "reason": "malformed_json"}).status_code == 403
    foreign = {"Origin": "https://elsewhere.example"}
    form = {"csrf": csrf(lead.get("/stream").text), "reason": "malformed_json"}
    assert lead.post("/stream/redrive", data=form, headers=foreign).status_code == 403
    assert KafkaSource(wiring.kafka(settings)).read_all(refused.transactions).num_rows == 4
