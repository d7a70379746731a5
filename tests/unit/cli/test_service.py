"""Figures of a service: what waits is looked at beside the work, and only where somebody may read it."""

from __future__ import annotations

import threading

from paywarden.cli import service
from paywarden.cli.service import figures
from paywarden.errors import KafkaError
from paywarden.settings import Settings


class Looks:
    """Counts looks; the first one fails, as where Kafka is away for a moment."""

    def __init__(self, _registry, _clock):
        self.count = 0
        self.again = threading.Event()

    def look(self):
        self.count += 1
        if self.count == 1:
            raise KafkaError("away")
        self.again.set()


def test_what_waits_is_looked_at_again_after_a_look_that_failed(monkeypatch):
    monkeypatch.setattr(service, "_LOOK_SECONDS", 0.001)
    with figures(Settings(metrics={"port": 0}), "alerts", Looks, Looks.look) as made:
        assert made.again.wait(60)


def test_nobody_looks_where_nobody_reads(monkeypatch):
    monkeypatch.setattr(service, "_LOOK_SECONDS", 0.001)
    before = threading.active_count()
    with figures(Settings(), "alerts", Looks, Looks.look):
        assert threading.active_count() == before
