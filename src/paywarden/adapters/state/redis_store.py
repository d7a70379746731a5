"""The online state in Redis, Valkey or a Redis Cluster: shared by many executors and by the scoring API.

Guarantee: a write of one shard's keys is one script, checked against the lease's fence and the batch begun last in that
same script, and all or nothing. A retry of a batch reads every record as it was before the batch, whichever keys its
first attempt had written. It holds as long as the server loses no acknowledged write: after a restart without
persistence, or a failover to a replica that lagged, writers are refused or the state is older than the checkpoint;
rebuild it by replay. A server that evicts keys is refused, since an evicted hash would be read as unknown cards.

Keys: ``{namespace:meta}:control`` and, for each shard, ``{namespace:3}:control``, ``:undo`` and ``:state:<entity>``,
all hashes; the braces put a shard's keys in one slot of a cluster. See ``redis_scripts`` for their fields.
A write holds the server for about 6 microseconds a key: write in smaller calls where an API shares the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from redis import Redis
from redis.cluster import RedisCluster

from paywarden.adapters.state import record
from paywarden.adapters.state.redis_part import RedisMeta
from paywarden.adapters.state.redis_server import RedisServer
from paywarden.adapters.state.redis_shard import RedisShard
from paywarden.errors import StateStoreError
from paywarden.features.state import BatchTag, Lease, OpenStore, StoreStats, Words


class RedisStateStore:
    """A :class:`~paywarden.features.state.StateStore` in the keys of ``namespace``, made there if absent.

    ``client_or_url`` is a client that does not decode responses, or ``redis://``, ``rediss://``, ``unix://`` or, for a
    cluster, ``redis+cluster://`` or ``rediss+cluster://``. With ``read_only`` (the API's view) nothing is made and
    nothing can be written. A store may be used by several threads, and in a forked child. Raises
    :class:`StateStoreError` for a store made with another number of shards, and for a server that does not answer.
    """

    def __init__(
        self, client_or_url: Redis | RedisCluster | str, namespace: str, shards: int, *, read_only: bool = False
    ) -> None:
        if not namespace or set(namespace) & set("{}"):
            raise StateStoreError(f"the Redis namespace {namespace!r} must be a name without braces.")
        record.check_shards(shards)
        self._read_only = read_only
        self._server = RedisServer(client_or_url)
        self._meta = RedisMeta(self._server, namespace)
        self._parts = [RedisShard(self._server, namespace, shard) for shard in range(shards)]
        try:
            if not read_only:
                self._meta.make(shards)
            self._meta.check_made(shards)
        except BaseException:
            self.close()
            raise

    @property
    def shards(self) -> int:
        """The number of shards, stored with the state."""
        return len(self._parts)

    def acquire(self, owner: str, layout_digest: str, *, takeover: bool = False) -> Lease:
        """Take the write lease; see :meth:`StateStore.acquire`. Refuses a server that evicts keys."""
        self._check_writable()
        self._server.check_keeps_keys()
        lease = self._meta.acquire(owner, layout_digest, takeover=takeover)
        for shard in self._parts:
            shard.learn(lease)
        return lease

    def layout_digest(self) -> str | None:
        """The layout of what the store holds; see :meth:`StateStore.layout_digest`."""
        return self._meta.layout()

    def release(self, lease: Lease) -> None:
        """Give the lease back, after which it writes nothing; a superseded lease is left alone."""
        self._check_writable()
        for part in (self._meta, *self._parts):
            part.release(lease)

    def require_lease(self, lease: Lease) -> None:
        """Raise :class:`Fenced` unless the lease holds the store now; see :meth:`StateStore.require_lease`."""
        self._meta.control().check_lease(lease, self._meta.place)

    def current(self) -> BatchTag | None:
        """The batch begun last, or None in a store that has none."""
        return self._meta.control().begun

    def begin_batch(self, lease: Lease, tag: BatchTag) -> None:
        """Declare that ``tag`` is being written; see :meth:`StateStore.begin_batch`. A retry finishes half of one."""
        self._check_writable()
        for part in (self._meta, *self._parts):
            part.begin(lease, tag)

    def read_many(
        self, entity: str, shard: int, keys: Sequence[bytes], words: int, tag: BatchTag | None = None
    ) -> Words:
        """States of ``keys``, int64 ``[len(keys), words]``, each of its own moment; see :meth:`StateStore.read_many`.

        With ``tag``, raises :class:`StaleWriter` as soon as a later batch has begun.
        """
        record.check_keys(entity, keys)
        part = self._shard(shard)
        return part.read(entity, keys, words) if tag is None else part.read_before(entity, keys, words, tag)

    def write_many(
        self, lease: Lease, entity: str, shard: int, keys: Sequence[bytes], states: Words, tag: BatchTag
    ) -> None:
        """Write ``keys`` of one shard in one script; see :meth:`StateStore.write_many`.

        Raises :class:`StateStoreError` for a batch that has not begun, a key given twice, or more than the server
        takes in one argument (512 MB by default).
        """
        record.check_keys(entity, keys)
        record.check_states(entity, keys, states)
        self._shard(shard, write=True).write(lease, entity, keys, states, tag)

    def delete_where(
        self, lease: Lease | None, entity: str, shard: int, words: int, idle: Callable[[Words], NDArray[np.bool_]]
    ) -> int:
        """Delete the records that ``idle`` names, unless written meanwhile; see :meth:`StateStore.delete_where`.

        A retry of the batch begun last still reads what was deleted.
        """
        record.check_keys(entity, ())
        return self._shard(shard, write=True).delete_where(lease, entity, words, idle)

    def scan(self, entity: str, shard: int, words: int) -> Iterator[tuple[list[bytes], Words]]:
        """All records of an entity in a shard, in chunks and no order; see :meth:`StateStore.scan`.

        What is written or deleted meanwhile may be given as it was or as it is.
        """
        record.check_keys(entity, ())
        return self._shard(shard).scan(entity, words)

    def stats(self) -> list[StoreStats]:
        """Size of each entity's records, by name; kept by every write, so cheap to ask."""
        return record.totals(shard.sizes() for shard in self._parts)

    def clear(self, lease: Lease) -> None:
        """Remove all records, before-images and the layout; see :meth:`StateStore.clear`.

        ``current()`` stays, since a tag names one batch for ever: begin a later batch before writing again.
        """
        self._check_writable()
        self.require_lease(lease)
        for shard in self._parts:
            shard.clear(lease)
        # Last, so that a clearing that died half way lets no other layout in beside old records.
        self._meta.forget_layout(lease)

    def close(self) -> None:
        """Close the connections, unless the client was given; open another store to go on."""
        self._server.close()

    def _shard(self, shard: int, *, write: bool = False) -> RedisShard:
        if write:
            self._check_writable()
        if not 0 <= shard < len(self._parts):
            raise StateStoreError(f"{self._meta.place}: there are shards 0 to {len(self._parts) - 1}, not {shard}.")
        return self._parts[shard]

    def _check_writable(self) -> None:
        if self._read_only:
            raise StateStoreError(f"{self._meta.place} was opened read-only. Open it for writing.")


@dataclass(frozen=True)
class OpenRedis:
    """A picklable recipe for :class:`RedisStateStore`; its repr leaves the URL out, which may hold a password."""

    url: str = field(repr=False)
    namespace: str
    shards: int
    read_only: bool = False

    def __call__(self) -> RedisStateStore:
        """The store, connected from this process."""
        return RedisStateStore(self.url, self.namespace, self.shards, read_only=self.read_only)


def open_redis(url: str, namespace: str, shards: int, *, read_only: bool = False) -> OpenStore:
    """A picklable recipe that opens the Redis store of ``namespace``; see :class:`RedisStateStore`."""
    return OpenRedis(url, namespace, shards, read_only)
