"""What each part's figures say after something has happened."""

from __future__ import annotations

import dataclasses

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from paywarden.errors import StateStoreError
from paywarden.features.manifest import BatchManifest, BatchOutcome
from paywarden.features.state import StoreStats
from paywarden.jobs.alerts import Taken
from paywarden.jobs.archive import Archived
from paywarden.jobs.produce import Produced
from paywarden.monitoring.exposition import Metric, exposition
from paywarden.service.metrics.alerts import AlertMetrics
from paywarden.service.metrics.archiver import ArchiverMetrics
from paywarden.service.metrics.console import ConsoleMetrics
from paywarden.service.metrics.counted_histogram import CountedHistogram
from paywarden.service.metrics.monitor_file import MonitorFile
from paywarden.service.metrics.producer import ProducerMetrics
from paywarden.service.metrics.stream import StreamMetrics

MANIFEST = BatchManifest(1, 7, (), "layout", bundle_version="3", bundle_digest="d" * 64, policy_digest="p")
OUTCOME = BatchOutcome(
    decisions=10, alerts=3, duplicates=2, labels=4, repeated_labels=1, dead_letters=5, latency_p50_ms=80.0,
    latency_p99_ms=400.0, latest_received_at=1, shadows=10, declines=1,
    latencies=(0, 6, 4, *[0] * 12), latency_total_ms=1500.0,
)  # fmt: skip


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def now():
    return [5_000_000]


@pytest.fixture
def stream(registry, now):
    return StreamMetrics(registry, lambda: now[0])


def test_a_batch_is_counted_by_outcome_decision_and_latency(registry, stream):
    for _ in range(2):
        stream.batch(MANIFEST, OUTCOME, 2.5)
    value = registry.get_sample_value
    events = {
        name: value("paywarden_stream_events_total", {"outcome": name}) for name in ("decision", "duplicate", "label")
    }
    assert events == {"decision": 20, "duplicate": 4, "label": 8}
    assert value("paywarden_stream_events_total", {"outcome": "dead_letter"}) == 10
    kinds = [
        value("paywarden_stream_decisions_total", {"decision": kind, "source": "stream"})
        for kind in ("approve", "review", "decline")
    ]
    assert kinds == [14, 4, 2]
    assert value("paywarden_stream_decisions_total", {"decision": "any", "source": "shadow"}) == 20
    below = [
        value("paywarden_stream_latency_seconds_bucket", {"le": bound}) for bound in ("0.05", "0.1", "0.2", "+Inf")
    ]
    assert below == [0, 12, 20, 20]
    assert value("paywarden_stream_latency_seconds_count") == 20
    assert value("paywarden_stream_latency_seconds_sum") == 3.0
    assert value("paywarden_stream_batch_seconds_sum") == 5.0
    assert value("paywarden_stream_last_batch_timestamp_seconds") == 5_000.0


def test_the_model_is_the_last_batchs_alone(registry, stream):
    stream.batch(MANIFEST, OUTCOME, 1.0)
    later = dataclasses.replace(MANIFEST, bundle_version="4", shadow_version="5")
    stream.batch(later, OUTCOME, 1.0)
    (family,) = (found for found in registry.collect() if found.name == "paywarden_stream_model")
    assert [sample.labels for sample in family.samples] == [{"version": "4", "digest": "d" * 12, "shadow_version": "5"}]


def test_the_state_is_measured_once_a_minute_and_may_be_away(registry, stream, now):
    looks = []

    def sizes():
        looks.append(now[0])
        return [StoreStats("card", 7, 900)]

    def away():
        raise StateStoreError("away")

    stream.measure(sizes)
    now[0] += 59_000
    stream.measure(sizes)
    now[0] += 1_000
    stream.measure(away)
    assert looks == [5_000_000]
    assert registry.get_sample_value("paywarden_stream_state_bytes", {"entity": "card"}) == 900


def test_a_counted_histogram_refuses_other_buckets(registry):
    histogram = CountedHistogram("h", "of something", (1.0,), registry)
    with pytest.raises(ValueError, match="zip"):
        histogram.add((1, 2, 3), 1.0)


def test_an_archivers_lag_falls_while_it_works(registry):
    metrics = ArchiverMetrics(registry, lambda: 9_000)
    metrics.progress("labels", 0, 10)
    assert registry.get_sample_value("paywarden_archiver_lag_records", {"topic": "labels"}) == 10
    metrics.progress("labels", 10, 10)
    metrics.round(Archived({"labels": 10}, {"labels": 1}), 0.5)
    assert registry.get_sample_value("paywarden_archiver_lag_records", {"topic": "labels"}) == 0
    assert registry.get_sample_value("paywarden_archiver_rejected_rows_total", {"topic": "labels"}) == 1
    assert registry.get_sample_value("paywarden_archiver_last_round_timestamp_seconds") == 9


def test_a_producer_counts_what_was_acknowledged(registry):
    ProducerMetrics(registry, lambda: 3_000).sent(Produced(4, 2))
    assert registry.get_sample_value("paywarden_producer_events_total", {"kind": "label"}) == 2
    assert registry.get_sample_value("paywarden_producer_last_sent_timestamp_seconds") == 3


def test_a_producer_times_a_portion_from_its_first_event_to_its_acknowledgment(registry):
    sent = []

    class Topics:
        def send_many(self, topic, keys, values):
            sent.append((topic, keys, values))

        def flush(self):
            sent.append("flushed")

    sink = ProducerMetrics(registry, lambda: 0).timed(Topics())
    sink.flush()  # of nothing: nothing is timed
    for topic in ("transactions", "labels"):
        sink.send_many(topic, [b"k"], [b"v"])
    sink.flush()
    assert sent == ["flushed", ("transactions", [b"k"], [b"v"]), ("labels", [b"k"], [b"v"]), "flushed"]
    assert registry.get_sample_value("paywarden_producer_acknowledged_seconds_count") == 1


def test_the_alert_consumer_says_what_it_took_and_what_waits(registry):
    metrics = AlertMetrics(registry, lambda: 3_000)
    metrics.round((Taken(alerts=4, payments=9, unreadable=1), 2), 0.1)
    metrics.standing({"alerts": 5}, 3, {"open": (7, 120_000)}, {"waiting": 4, "failing": 1, "given_up": 2})
    value = registry.get_sample_value
    assert (value("paywarden_alerts_taken_total"), value("paywarden_alerts_labels_sent_total")) == (4, 2)
    assert value("paywarden_alerts_lag_records", {"topic": "alerts"}) == 5
    assert value("paywarden_alerts_labels_waiting") == 3
    assert value("paywarden_alerts_posts", {"state": "given_up"}) == 2
    assert value("paywarden_alerts_expected_loss", {"status": "open"}) == 120_000


def test_the_console_counts_by_route_and_never_by_what_a_path_holds(registry):
    app = FastAPI()
    app.middleware("http")(ConsoleMetrics(registry).counted)

    @app.get("/cases/{case_id}")
    def case(case_id: int) -> int:
        if case_id == 13:
            raise RuntimeError(case_id)
        return case_id

    async def ask():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            for path in ("/cases/1", "/cases/2", "/cases/13", "/nothing/4111"):
                await client.get(path)

    with start_blocking_portal() as another_thread:
        another_thread.call(ask)
    counted = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "paywarden_console_requests_total"
    }
    assert counted == {("/cases/{case_id}", "200"): 2, ("/cases/{case_id}", "500"): 1, ("other", "404"): 1}


def test_what_the_monitor_left_is_handed_on_while_it_is_there(registry, tmp_path):
    path = tmp_path / "metrics.prom"
    MonitorFile(path, registry)
    assert list(registry.collect()) == []
    path.write_text(exposition([Metric("verdict", "The verdict.", [({"verdict": "alarm"}, 1.0)])]))
    assert registry.get_sample_value("paywarden_monitor_verdict", {"verdict": "alarm"}) == 1
    path.write_text("paywarden_monitor_verdict{ no metrics")
    assert list(registry.collect()) == []
