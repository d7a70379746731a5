"""The port that Prometheus reads: there while the command runs, and only where one was asked for."""

from __future__ import annotations

import socket

import httpx
import pytest

from paywarden.errors import EnvironmentNotReady
from paywarden.service.metrics.endpoint import metrics_endpoint, new_registry
from paywarden.settings import MetricsSettings


def test_it_answers_while_the_block_lasts_and_no_longer():
    said = []
    with metrics_endpoint(MetricsSettings(port=0), new_registry("stream"), said.append):
        url = said[0].split()[-1]
        assert url.startswith("http://127.0.0.1:")
        text = httpx.get(url).text
    assert 'paywarden_build_info{part="stream",version="' in text
    assert "process_resident_memory_bytes" in text
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_without_a_port_nothing_listens():
    said = []
    with metrics_endpoint(MetricsSettings(), new_registry("stream"), said.append):
        assert said == []


def test_a_port_that_is_taken_is_said_with_the_remedy():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = MetricsSettings(port=other.getsockname()[1])
        with pytest.raises(EnvironmentNotReady, match=r"127\.0\.0\.1:\d+ cannot be listened on.*--metrics-port"):
            metrics_endpoint(taken, new_registry("stream"), print).__enter__()
