"""A child server process: started in its own session, watched until ready, stopped with us."""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from paywarden.errors import EnvironmentNotReady

_SUPERVISOR = [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py"))]
_POLL_SECONDS = 0.1
_TAIL_BYTES = 16_384
_KILLED_WAIT_SECONDS = 30.0


class ChildProcess:
    """One server process of ours. Its output goes to ``log_path``, which every start begins anew.

    The server has a session of its own: Ctrl-C reaches only us, and stopping it takes its own children along. It dies
    with us, however we die, because its supervisor (``supervisor.py``) notices that our end of a pipe has closed.
    """

    def __init__(
        self, name: str, command: Sequence[str], log_path: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._command = list(command)
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id of its supervisor, whose child it is; None before the first start."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process; nothing happens when it is running already."""
        if self.running:
            return
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._owner = os.getpid()
        try:
            with self.log_path.open("wb") as log:
                self._process = subprocess.Popen(
                    [*_SUPERVISOR, *self._command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=None if self._environment is None else dict(self._environment),
                    start_new_session=True,
                )
        except OSError as error:
            raise EnvironmentNotReady(f"{self.name} does not start: {error}.") from error
        atexit.register(self.kill)

    def wait_until(self, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Return once ``ready()`` is true.

        Raises :class:`EnvironmentNotReady` with the end of the log when the process ends first, and kills it and
        raises when it is not ready within ``timeout_seconds``.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            # Looked at before `ready`, which may be answered by another server on the same port.
            if not self.running:
                raise self._not_ready(f"ended with status {self._status} before it was ready")
            if ready():
                return
            if time.monotonic() > deadline:
                self.kill()
                raise self._not_ready(f"was not ready within {timeout_seconds:.0f} s and was killed")
            time.sleep(_POLL_SECONDS)

    def stop(self, grace_seconds: float = 20.0) -> None:
        """End the process with SIGTERM, and with SIGKILL when it is still there after ``grace_seconds``."""
        if self._process is None or os.getpid() != self._owner:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        """End the process and its children with SIGKILL, as a crash would, and wait for its end."""
        if self._process is None or os.getpid() != self._owner:
            return  # a fork of ours must not take the server down at its own exit
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(_KILLED_WAIT_SECONDS)
        atexit.unregister(self.kill)

    def log_tail(self, lines: int = 25) -> str:
        """The last ``lines`` lines that the process wrote."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - _TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    @property
    def _status(self) -> int | None:
        return None if self._process is None else self._process.returncode

    def _not_ready(self, what: str) -> EnvironmentNotReady:
        self.kill()
        return EnvironmentNotReady(f"{self.name} {what}. Its log is {self.log_path}; it ends with:\n{self.log_tail()}")
