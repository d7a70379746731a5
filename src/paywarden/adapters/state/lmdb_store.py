"""The online state in LMDB files on one machine: the default, with no server to run.

Guarantee: a write of one shard's keys is one transaction, checked against the lease's fence and the batch begun last in
that same transaction; it survives the death of its process (durability: see ``lmdb_environment``). A retry of a batch
reads every record as it was before the batch, whichever keys its first attempt had written.

On disk: ``meta/`` (see ``lmdb_meta``) and an environment for each shard, ``shard-0003/`` (see ``lmdb_shard``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paywarden.adapters.state import record
from paywarden.adapters.state.lmdb_environment import LmdbEnvironment, open_environment
from paywarden.adapters.state.lmdb_meta import LmdbMeta
from paywarden.adapters.state.lmdb_shard import LmdbShard
from paywarden.errors import StateStoreError
from paywarden.features.state import BatchTag, Lease, OpenStore, StoreStats, Words

DEFAULT_MAP_SIZE = 1 << 28
"""256 MiB of address space a shard at first, doubled as needed; files take only what is used."""


class LmdbStateStore:
    """A :class:`~paywarden.features.state.StateStore` in ``path``, made there with ``shards`` shards if absent.

    With ``read_only`` (the API's view) nothing is made and nothing can be written. ``map_size``, in bytes a shard, is
    where growth starts. A store may be used by several threads, and in a forked child, which opens its own files.
    Raises :class:`StateStoreError` for a store made with another number of shards.
    """

    def __init__(
        self, path: str | Path, shards: int, *, read_only: bool = False, map_size: int = DEFAULT_MAP_SIZE
    ) -> None:
        record.check_shards(shards)
        self._path = Path(path)
        self._shards = shards
        self._read_only = read_only
        if read_only and not (self._path / "meta" / "data.mdb").exists():
            raise StateStoreError(f"{self._path} holds no state. Check the path, or start the stream that writes it.")
        # Each opens its files at its first use, so that a task opens those of its own shards only.
        self._environments = {
            name: open_environment(self._path / name, writable=not read_only, map_size=map_size)
            for name in ("meta", *map(_shard_name, range(shards)))
        }
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    @property
    def shards(self) -> int:
        """The number of shards, stored with the state."""
        return self._shards

    def acquire(self, owner: str, layout_digest: str, *, takeover: bool = False) -> Lease:
        """Take the write lease; see :meth:`StateStore.acquire`. Atomic among processes."""
        lease = self._meta(write=True).acquire(owner, layout_digest, takeover=takeover)
        for shard in range(self._shards):
            self._shard(shard, write=True).learn(lease.fence, held=True)
        return lease

    def layout_digest(self) -> str | None:
        """The layout of what the store holds; see :meth:`StateStore.layout_digest`."""
        return self._meta().layout()

    def release(self, lease: Lease) -> None:
        """Give the lease back, after which it writes nothing; a superseded lease is left alone."""
        if self._meta(write=True).release(lease):
            for shard in range(self._shards):
                self._shard(shard, write=True).learn(lease.fence, held=False)

    def require_lease(self, lease: Lease) -> None:
        """Raise :class:`Fenced` unless the lease holds the store now; see :meth:`StateStore.require_lease`."""
        self._meta().check_lease(lease)

    def current(self) -> BatchTag | None:
        """The batch begun last, or None in a store that has none."""
        return self._meta().control().begun

    def begin_batch(self, lease: Lease, tag: BatchTag) -> None:
        """Declare that ``tag`` is being written; see :meth:`StateStore.begin_batch`. A retry finishes half of one."""
        self._meta(write=True).begin(lease, tag)
        for shard in range(self._shards):
            self._shard(shard, write=True).begin(lease, tag)

    def read_many(
        self, entity: str, shard: int, keys: Sequence[bytes], words: int, tag: BatchTag | None = None
    ) -> Words:
        """States of ``keys``, int64 ``[len(keys), words]``, in one snapshot; see :meth:`StateStore.read_many`.

        With ``tag``, raises :class:`StaleWriter` as soon as a later batch has begun.
        """
        record.check_keys(entity, keys)
        return self._shard(shard).read(entity, keys, words, tag)

    def write_many(
        self, lease: Lease, entity: str, shard: int, keys: Sequence[bytes], states: Words, tag: BatchTag
    ) -> None:
        """Write ``keys`` of one shard in one transaction; see :meth:`StateStore.write_many`.

        Raises :class:`StateStoreError` for a batch that has not begun, or a key given twice.
        """
        record.check_keys(entity, keys)
        record.check_states(entity, keys, states)
        self._shard(shard, write=True).write(lease, entity, keys, states, tag)

    def delete_where(
        self, lease: Lease | None, entity: str, shard: int, words: int, idle: Callable[[Words], NDArray[np.bool_]]
    ) -> int:
        """Delete the records that ``idle`` names, a transaction a chunk; see :meth:`StateStore.delete_where`.

        ``idle`` runs inside the transaction, and again where the map had to grow. A retry of the batch begun last
        still reads what was deleted.
        """
        record.check_keys(entity, ())
        return self._shard(shard, write=True).delete_where(lease, entity, words, idle)

    def scan(self, entity: str, shard: int, words: int) -> Iterator[tuple[list[bytes], Words]]:
        """All records of an entity in a shard, in key order and chunks; each chunk is a snapshot of its own."""
        record.check_keys(entity, ())
        return self._shard(shard).scan(entity, words)

    def stats(self) -> list[StoreStats]:
        """Size of each entity's records, by name; kept by every write, so cheap to ask."""
        return record.totals(self._shard(shard).sizes() for shard in range(self._shards))

    def clear(self, lease: Lease) -> None:
        """Remove all records, before-images and the layout; see :meth:`StateStore.clear`.

        ``current()`` stays, since a tag names one batch for ever: begin a later batch before writing again.
        """
        meta = self._meta(write=True)
        meta.check_lease(lease)
        for shard in range(self._shards):
            self._shard(shard, write=True).clear(lease)
        # Last, so that a clearing that died half way lets no other layout in beside old records.
        meta.forget_layout(lease)

    def close(self) -> None:
        """Close the files once no other store of this process uses them; open another store to go on."""
        while self._environments:
            self._environments.popitem()[1].close()

    def _make(self) -> None:
        if not self._read_only and not self._meta().is_made():
            for shard in range(self._shards):
                self._shard(shard).sizes()  # makes the shard's files, which a reader expects to find
            self._meta().make(self._shards)
        self._meta().check_made(self._shards)

    def _meta(self, *, write: bool = False) -> LmdbMeta:
        return LmdbMeta(self._environment("meta", write=write), self._path)

    def _shard(self, shard: int, *, write: bool = False) -> LmdbShard:
        if not 0 <= shard < self._shards:
            raise StateStoreError(f"{self._path} has shards 0 to {self._shards - 1}, not {shard}.")
        return LmdbShard(self._environment(_shard_name(shard), write=write))

    def _environment(self, name: str, *, write: bool) -> LmdbEnvironment:
        if write and self._read_only:
            raise StateStoreError(f"{self._path} was opened read-only. Open it for writing.")
        environment = self._environments.get(name)
        if environment is None:
            raise StateStoreError(f"{self._path}: this store is closed. Open it again.")
        return environment


def _shard_name(shard: int) -> str:
    return f"shard-{shard:04d}"


@dataclass(frozen=True)
class OpenLmdb:
    """A picklable recipe for :class:`LmdbStateStore`."""

    path: str
    shards: int
    read_only: bool = False
    map_size: int = DEFAULT_MAP_SIZE

    def __call__(self) -> LmdbStateStore:
        """The store, opened in this process."""
        return LmdbStateStore(self.path, self.shards, read_only=self.read_only, map_size=self.map_size)


def open_lmdb(path: str | Path, shards: int, *, read_only: bool = False, map_size: int = DEFAULT_MAP_SIZE) -> OpenStore:
    """A picklable recipe that opens the LMDB store of ``path``; see :class:`LmdbStateStore`."""
    return OpenLmdb(str(path), shards, read_only, map_size)
