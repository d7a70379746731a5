"""Fixtures that every room's tests may ask for: a real Kafka broker, unique topics, a real MLflow server, the data.

Servers start once a session and only for tests that ask for them: the broker in some four seconds, MLflow in twenty.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paywarden.adapters.kafka.admin import ensure_topics
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.local import ivy
from paywarden.adapters.local.broker import LocalBroker
from paywarden.adapters.local.mlflow_server import LocalMlflowServer

DATA_VARIABLE = "PAYWARDEN_DATA"

for _size in ("COLUMNS", "LINES"):
    # pytest-xdist tells its workers the size of a terminal, and a rich console made under it keeps it for ever.
    os.environ.pop(_size, None)


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Where downloaded jars are kept between runs."""
    return Path(os.environ.get("PAYWARDEN_CACHE_DIR", ivy.DEFAULT_CACHE_DIR)).expanduser()


@pytest.fixture(scope="session")
def jars(cache_dir: Path) -> tuple[Path, ...]:
    """The Kafka broker's jars."""
    return ivy.ensure_jars(ivy.BROKER, cache_dir)


@pytest.fixture(scope="session")
def spark_kafka_jars(cache_dir: Path) -> tuple[Path, ...]:
    """The jars of Spark's Kafka connector, for ``spark.jars``."""
    return ivy.ensure_jars(ivy.SPARK_KAFKA, cache_dir)


@pytest.fixture(scope="session")
def kafka_broker(jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A real broker, shared by the session: never stop it in a test."""
    with LocalBroker(tmp_path_factory.mktemp("kafka"), jars) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(kafka_broker: LocalBroker) -> KafkaConnection:
    """The connection to the session's broker."""
    return KafkaConnection(kafka_broker.bootstrap_servers)


@pytest.fixture
def topic_factory(kafka: KafkaConnection, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Gives new topics of the session's broker: ``topic_factory("labels", partitions=2)`` → its unique name."""

    def make(stem: str = "topic", partitions: int = 1) -> str:
        name = f"{stem}.{os.getpid()}.{next(_NUMBERS)}"
        ensure_topics(kafka, {name: partitions})
        return name

    return make


@pytest.fixture(scope="session")
def mlflow_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's MLflow server keeps its database and artifacts."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="session")
def mlflow_uri(mlflow_data: Path) -> Iterator[str]:
    """A real MLflow server, shared by the session: never stop it in a test, and take names of your own."""
    with LocalMlflowServer(mlflow_data) as server:
        yield server.tracking_uri


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of public fraud data that PAYWARDEN_DATA names; skips where there is none."""
    value = os.environ.get(DATA_VARIABLE)
    if not value:
        pytest.skip(f"{DATA_VARIABLE} is not set: it names a folder with the handbook's data")
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f"{DATA_VARIABLE} is {folder}, which is not a folder")
    return folder


_NUMBERS = itertools.count(1)
