"""The few Redis commands the store needs, on one server or a cluster, with Redis's errors translated.

An address for messages is built from the URL's host and path only: a password is never repeated.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, ResponseError

from paywarden.errors import StateStoreError

_CLUSTER = "+cluster"
_CONNECT_TIMEOUT_SECONDS = 5
_ANSWER_TIMEOUT_SECONDS = 60
"""Far above the longest script (a write of 100,000 keys takes about a second), so that only a dead server meets it."""

_RUN = 1000
"""Fields of one command: a millisecond of the server, so that others are answered in between."""


class RedisServer:
    """A client and its address; opened from a URL it is closed here, else by who gave it."""

    def __init__(self, client_or_url: Redis | RedisCluster | str) -> None:
        self._owned = isinstance(client_or_url, str)
        self._closed = False
        if isinstance(client_or_url, str):
            self.address = _address(client_or_url)
            with self._translated():
                self._client = _connect(client_or_url, self.address)
        else:
            self.address = "Redis (the client given)"
            self._client = client_or_url
        if self._client.get_encoder().decode_responses:
            raise StateStoreError(f"{self.address}: the client decodes responses, and state is binary. Turn that off.")

    def run(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> list[Any]:
        """What ``script`` answers. Its text is sent only where the server does not have it yet."""
        with self._translated():
            command: Any = self._client
            try:
                return list(command.evalsha(_sha(script), len(keys), *keys, *arguments))
            except NoScriptError:
                return list(command.eval(script, len(keys), *keys, *arguments))

    def fields(self, key: str) -> dict[bytes, bytes]:
        """A small hash; empty where there is none."""
        with self._translated():
            command: Any = self._client
            return dict(command.hgetall(key))

    def values(self, key: str, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of ``names`` in a large hash, a thousand a command."""
        values: list[bytes | None] = []
        command: Any = self._client
        for start in range(0, len(names), _RUN):
            with self._translated():
                values += command.hmget(key, names[start : start + _RUN])
        return values

    def set_if_absent(self, key: str, field: str, value: int) -> None:
        """Set a field of a hash unless it has a value."""
        with self._translated():
            self._client.hsetnx(key, field, str(value))

    def set(self, key: str, field: str, value: str) -> None:
        """Set a field of a hash."""
        with self._translated():
            self._client.hset(key, field, value)

    def names(self, pattern: str) -> list[bytes]:
        """The keys of all servers that match a pattern of Redis's; braces in it stand for themselves."""
        with self._translated():
            return sorted(set(self._client.scan_iter(match=pattern, count=_RUN)))

    def unlink(self, key: bytes) -> None:
        """Remove a key; its memory is freed beside the server's other work."""
        with self._translated():
            self._client.unlink(key)

    def scan(self, key: str) -> Iterator[dict[bytes, bytes]]:
        """A large hash in pieces of about a thousand fields; a field may come twice."""
        cursor = 0
        while True:
            with self._translated():
                command: Any = self._client
                cursor, piece = command.hscan(key, cursor, count=_RUN)
            if piece:
                yield dict(piece)
            if not int(cursor):
                return

    def check_keeps_keys(self) -> None:
        """Raise :class:`StateStoreError` where the server may evict keys without an expiry, as the state's are."""
        evicting = [policy for policy in self._eviction_policies() if policy.startswith("allkeys")]
        if evicting:
            raise StateStoreError(
                f"{self.address} evicts keys ({evicting[0]}), so state would vanish unseen. Set noeviction."
            )

    def facts(self) -> dict[str, str]:
        """Version and memory settings as the server tells them; of a cluster, those of one of its nodes."""
        command: Any = self._client
        with self._translated():
            report = {**command.execute_command("INFO", "server"), **command.execute_command("INFO", "memory")}
        if report and all(isinstance(value, dict) for value in report.values()):
            report = next(iter(report.values()))
        return {str(name): str(value) for name, value in report.items()}

    def close(self) -> None:
        """Close the connections that were opened here."""
        self._closed = True
        if self._owned:
            self._client.close()
            # A cluster's close leaves its nodes' sockets to the garbage collector; only a cluster has this method.
            getattr(self._client, "disconnect_connection_pools", lambda: None)()

    def _eviction_policies(self) -> list[str]:
        command: Any = self._client
        primaries = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(self._client, RedisCluster) else {}
        with self._translated():
            try:
                report = command.execute_command("INFO", "memory", **primaries)
            except ResponseError:  # a hosted server may forbid INFO; it then answers for its own settings
                return []
        nodes = [report] if "maxmemory_policy" in report else list(report.values())
        return [str(node["maxmemory_policy"]) for node in nodes]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self._closed:
            raise StateStoreError(f"{self.address}: this store is closed. Open it again.")
        try:
            yield
        except (RedisError, RedisClusterException) as error:
            what = f"{self.address}: {type(error).__name__}: {error}"
            raise StateStoreError(f"{what}. Is the server up, are the credentials right, is there memory?") from error


def _connect(url: str, address: str) -> Redis | RedisCluster:
    options: dict[str, Any] = {
        "socket_connect_timeout": _CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": _ANSWER_TIMEOUT_SECONDS,
    }
    scheme, _, rest = url.partition("://")
    try:
        if scheme.endswith(_CLUSTER):
            return RedisCluster.from_url(f"{scheme.removesuffix(_CLUSTER)}://{rest}", **options)
        return Redis.from_url(url, **options)
    except (ValueError, TypeError):
        # Without its cause: the parser's message may repeat a piece of the password.
        raise StateStoreError(f"{address}: this is no Redis URL. Use redis://host:6379/0 or one of its kind.") from None


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "Redis"
    if parts.scheme.removesuffix(_CLUSTER) not in {"redis", "rediss", "unix"}:
        return "Redis"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


@functools.cache
def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
