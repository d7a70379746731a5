"""An MLflow tracking server and model registry on this machine, for the demo and the tests.

Guarantee: runs and registry live in one SQLite file, artifacts in a folder beside it, both in ``data_dir``; a restart
on the same folder finds them again. Artifacts go through the server, so clients need no access to the folder.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import final

from paywarden.adapters.local.ports import chosen_port
from paywarden.adapters.local.process import ChildProcess
from paywarden.errors import EnvironmentNotReady

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its job runners are for GenAI evaluation and cost 1 GB
    "PYTHONWARNINGS": "ignore",
}
_IN_USE = "address already in use"
_START_ATTEMPTS = 3


@final
class LocalMlflowServer:
    """``mlflow server`` with one worker on 127.0.0.1, its data in ``data_dir``.

    ``port`` None takes the port of the last run on this data directory where it is free, else any free one.
    """

    def __init__(self, data_dir: Path, *, port: int | None = None) -> None:
        self._data_dir = Path(data_dir).resolve()
        self._asked_port = port
        self._port: int | None = None
        self._process: ChildProcess | None = None

    @property
    def tracking_uri(self) -> str:
        """The URL to give to MLflow's clients; raises :class:`EnvironmentNotReady` before the first start."""
        if self._port is None:
            raise EnvironmentNotReady("The local MLflow server has not been started.")
        return f"http://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._process is not None and self._process.running

    @property
    def log_path(self) -> Path:
        """The server's log of its latest start."""
        return self._data_dir / "server.log"

    def start(self, timeout_seconds: float = 180.0) -> None:
        """Start the server and return once its health page answers (5 to 20 s; the first time it makes its tables).

        Raises :class:`EnvironmentNotReady` when the asked port is taken or the server dies.
        """
        if self.running:
            return
        (self._data_dir / "artifacts").mkdir(parents=True, exist_ok=True)
        for attempt in range(_START_ATTEMPTS):
            self._port = chosen_port(self._asked_port, self._data_dir / "port")
            environment = {**os.environ, **_ENVIRONMENT}
            self._process = ChildProcess("The local MLflow server", self._command(), self.log_path, environment)
            self._process.start()
            try:
                self._process.wait_until(self._healthy, timeout_seconds)
            except EnvironmentNotReady:
                taken = _IN_USE in self.log_path.read_text(errors="replace").lower()
                if not taken or self._asked_port is not None or attempt + 1 == _START_ATTEMPTS:
                    raise
            else:
                (self._data_dir / "port").write_text(str(self._port))
                return

    def stop(self) -> None:
        """Stop the server; its data stays."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kill the server as a crash would; its data stays."""
        if self._process is not None:
            self._process.kill()

    def __enter__(self) -> LocalMlflowServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)),
            *("--workers", "1", "--backend-store-uri", f"sqlite:///{self._data_dir / 'mlflow.db'}"),
            *("--serve-artifacts", "--artifacts-destination", str(self._data_dir / "artifacts")),
        ]

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.tracking_uri}/health", timeout=2) as answer:  # noqa: S310  # our own URL
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
