"""A child server process: started in its own group, watched until ready, stopped with us."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from paywarden.errors import EnvironmentNotReady

_POLL_SECONDS = 0.1
_TAIL_BYTES = 16_384
_KILLED_WAIT_SECONDS = 30.0

_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG survives the exec below
if os.getppid() != parent:
    sys.exit("the parent is gone already")
os.execvp(sys.argv[2], sys.argv[2:])
"""


class ChildProcess:
    """One server process of ours. Its output goes to ``log_path``, which every start begins anew.

    The child has its own process group: Ctrl-C reaches only us, and stopping it takes its own children along. It dies
    with us: at a normal exit by ``atexit``; at SIGKILL, on Linux, by the kernel, as long as ``start`` was called in
    the main thread (the kernel watches the thread, and a worker thread may end long before the process does).
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
        self._reaped = False

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id; raises :class:`EnvironmentNotReady` before the first start."""
        if self._process is None:
            raise EnvironmentNotReady(f"{self.name} has not been started.")
        return self._process.pid

    def start(self) -> None:
        """Start the process; nothing happens when it is running already."""
        if self.running:
            return
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._owner = os.getpid()
        self._reaped = False
        try:
            with self.log_path.open("wb") as log:
                self._process = subprocess.Popen(
                    self._supervised_command(),
                    stdin=subprocess.DEVNULL,
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
        while not ready():
            if self._process is None or self._process.poll() is not None:
                status = None if self._process is None else self._process.returncode
                raise self._not_ready(f"ended with status {status} before it was ready")
            if time.monotonic() > deadline:
                self.kill()
                raise self._not_ready(f"was not ready within {timeout_seconds:.0f} s and was killed")
            time.sleep(_POLL_SECONDS)

    def stop(self, grace_seconds: float = 20.0) -> None:
        """End the process with SIGTERM, and with SIGKILL when it is still there after ``grace_seconds``."""
        if self._process is None or self._reaped:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self.kill()  # also what the process may have left in its group

    def kill(self) -> None:
        """End the process and its group with SIGKILL, as a crash would, and wait for its end."""
        if self._process is None or self._reaped:
            return  # its id may belong to another process by now
        if os.getpid() != self._owner:
            return  # a fork of ours must not take the server down at its own exit
        self._signal(signal.SIGKILL)
        self._process.wait(_KILLED_WAIT_SECONDS)
        self._reaped = True
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

    def _supervised_command(self) -> list[str]:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not (sys.platform == "linux" and in_main_thread):
            return self._command
        # Not preexec_fn: it is unsafe beside threads, and librdkafka and the JVM gateway both run some.
        return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *self._command]

    def _signal(self, number: signal.Signals) -> None:
        # The group may have ended already; macOS says "permission" for a group of zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _not_ready(self, what: str) -> EnvironmentNotReady:
        return EnvironmentNotReady(f"{self.name} {what}. Its log is {self.log_path}; it ends with:\n{self.log_tail()}")
