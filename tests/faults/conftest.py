"""Streams to do faults to, with servers of their own where the fault is the server's."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.faults.kit import FaultyStream
from tests.integration.stream.conftest import redis_url  # noqa: F401  # a fixture
from tests.integration.stream.harness import trained_pair

from paywarden.adapters.local.broker import LocalBroker
from paywarden.adapters.local.mlflow_server import LocalMlflowServer

MEASURED = Path("build/faults/measured.jsonl")
_NUMBERS = itertools.count(1)


@pytest.fixture
def own_registry(tmp_path):
    """A real MLflow server that the test may stop and start."""
    with LocalMlflowServer(tmp_path / "mlflow") as server:
        yield server


@pytest.fixture
def own_broker(tmp_path, jars):
    """A real broker that the test may stop and start."""
    with LocalBroker(tmp_path / "kafka", jars) as broker:
        yield broker


@pytest.fixture(scope="session")
def models():
    """A model, and the same under another policy."""
    return trained_pair()


@pytest.fixture
def new_stream(tmp_path, kafka, mlflow_uri, spark_kafka_jars):
    """Makes a stream with topics, state and lake of its own; it is ended after the test.

    `sections` are settings beside those of the harness, such as `{"stream": {"master": "local[2]"}}`;
    `bootstrap_servers` and `registry` name other servers than the session's.
    """
    made = []

    def new_stream(*, bootstrap_servers=None, registry=None, sections=None, **state):
        name, directory = f"f{os.getpid()}.{next(_NUMBERS)}", tmp_path / f"stream{len(made)}"
        directory.mkdir()
        servers, uri = bootstrap_servers or kafka.bootstrap_servers, registry or mlflow_uri
        made.append(FaultyStream(directory, servers, uri, name, state or {"backend": "lmdb"}, sections))
        return made[-1]

    yield new_stream
    for stream in made:
        stream.process.kill()


@pytest.fixture(params=["lmdb", "redis"])
def stream(request, new_stream):
    """A stream on each store."""
    if request.param == "redis":
        return new_stream(backend="redis", redis_url=request.getfixturevalue("redis_url"))
    return new_stream()


class SmallDisk:
    """A file system of a few bytes, in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def mount(self, size: str) -> None:
        """Have it, empty and of this size, such as `4m`; the test is skipped where that is not allowed."""
        done = self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs")
        if done.returncode:
            pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")

    def resize(self, size: str) -> None:
        """Make it larger; what is on it stays."""
        assert self._mount("-o", f"remount,size={size}").returncode == 0

    def unmount(self) -> None:
        """It is gone, if it was there, whoever still uses it."""
        subprocess.run(["umount", "--lazy", self.path], capture_output=True, check=False)

    def _mount(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["mount", *arguments, self.path], capture_output=True, text=True, check=False)


@pytest.fixture
def small_disk(tmp_path):
    """A disk to be mounted, and filled."""
    disk = SmallDisk(tmp_path / "small")
    yield disk
    disk.unmount()


@pytest.fixture
def measured(request):
    """Notes what was measured, `measured("seconds to restart", 7.1)`, for the table in docs/reliability.md."""

    def note(what, value):
        MEASURED.parent.mkdir(parents=True, exist_ok=True)
        with MEASURED.open("a") as file:
            file.write(json.dumps({"test": request.node.name, "what": what, "value": value}) + "\n")

    return note
