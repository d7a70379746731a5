"""Kafka and MLflow on this machine, started and stopped together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from paywarden.adapters.local import ivy
from paywarden.adapters.local.broker import LocalBroker
from paywarden.adapters.local.mlflow_server import LocalMlflowServer


class LocalServers:
    """A broker and a tracking server on free ports, with their data under ``directory``.

    The jars of the broker and of Spark's connector are fetched into ``cache_dir`` where they are missing.
    """

    def __init__(self, directory: Path, cache_dir: Path) -> None:
        self._broker = LocalBroker(directory / "kafka", ivy.ensure_jars(ivy.BROKER, cache_dir))
        self._mlflow = LocalMlflowServer(directory / "mlflow")
        ivy.ensure_jars(ivy.SPARK_KAFKA, cache_dir)

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's host:port."""
        return self._broker.bootstrap_servers

    @property
    def tracking_uri(self) -> str:
        """MLflow's URL."""
        return self._mlflow.tracking_uri

    def start(self) -> None:
        """Both answer. Raises EnvironmentNotReady where one does not come up."""
        with ThreadPoolExecutor(2) as pool:
            for started in [pool.submit(self._broker.start), pool.submit(self._mlflow.start)]:
                started.result()

    def stop(self) -> None:
        """Both have ended; their data stays."""
        self._broker.stop()
        self._mlflow.stop()
