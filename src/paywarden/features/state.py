"""What the engine asks of an online state store: records fenced by epoch, with before-images for retries.

A record is the state of one entity key: a fixed row of int64 words, all zeros when nothing is known. The store
does not interpret the words. Three rules make a retried batch give the same vectors as its first attempt:

1. A record bears the :class:`BatchTag` of the batch that wrote it. Reading with the same tag gives the record as
   it was *before* that batch (its before-image), so a second attempt starts where the first one started.
2. Writing over a record with a newer tag, or in a batch older than the one begun last, is refused, and so is a
   writer whose :class:`Lease` has been superseded. Check and write are one atomic step.
3. Before-images are dropped once the next batch has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int64]


@dataclass(frozen=True, order=True)
class BatchTag:
    """Names one micro-batch for ever; compared lexicographically.

    ``stream_epoch`` is the lineage of the state (a new checkpoint or a state build begins a new one, from 1 on);
    ``batch`` is 0 for the state build and n + 1 for Spark's batch n.
    """

    stream_epoch: int
    batch: int


@dataclass(frozen=True)
class Lease:
    """The right to write, held by one stream at a time. ``fence`` grows by one at every acquisition."""

    owner: str
    fence: int


@dataclass(frozen=True)
class StoreStats:
    """Records and payload bytes (keys and values, before-images excluded) of one entity in a store."""

    entity: str
    records: int
    payload_bytes: int


class StateStore(Protocol):
    """Keyed int64 records, sharded, shared by the processes of one stream and read by the API.

    Raises :class:`paywarden.errors.StateStoreError` and its children only.
    """

    @property
    def shards(self) -> int:
        """The number of shards, stored with the state; a key's shard is ``hashing.shard_of(key, shards)``."""

    def acquire(self, owner: str, layout_digest: str, *, takeover: bool = False) -> Lease:
        """Take the write lease. An empty store adopts ``layout_digest``.

        Raises :class:`StateLayoutMismatch` where the store holds another layout and :class:`LeaseHeld` where
        another owner holds the lease and ``takeover`` is false. The same owner may always acquire again; every
        acquisition fences the former holder.
        """

    def layout_digest(self) -> str | None:
        """The layout of what the store holds, None in an empty one: what to acquire it with before a rebuild."""

    def release(self, lease: Lease) -> None:
        """Give the lease back; a superseded lease is left alone."""

    def require_lease(self, lease: Lease) -> None:
        """Raise :class:`Fenced` unless the lease holds the store now, also in a store that has lost everything."""

    def current(self) -> BatchTag | None:
        """The batch begun last, or None in a store that has none."""

    def begin_batch(self, lease: Lease, tag: BatchTag) -> None:
        """Declare that ``tag`` is being written: drops the before-images of older batches.

        Beginning the current batch again (a retry) keeps its before-images. Raises :class:`StaleWriter` for a tag
        older than the current one and :class:`Fenced` for a superseded lease.
        """

    def read_many(
        self, entity: str, shard: int, keys: Sequence[bytes], words: int, tag: BatchTag | None = None
    ) -> Words:
        """States of ``keys``, int64 ``[len(keys), words]``; zeros for unknown keys.

        With ``tag``, a record that this very batch wrote gives its before-image; a record of a newer batch raises
        :class:`StaleWriter`. Without ``tag`` (the API's view) the newest record is given.
        """

    def write_many(
        self, lease: Lease, entity: str, shard: int, keys: Sequence[bytes], states: Words, tag: BatchTag
    ) -> None:
        """Write all ``keys`` of one shard atomically, keeping before-images of records from older batches.

        Raises :class:`Fenced` or :class:`StaleWriter`, in which case nothing of the call was written.
        """

    def delete_where(
        self, lease: Lease | None, entity: str, shard: int, words: int, idle: Callable[[Words], NDArray[np.bool_]]
    ) -> int:
        """Delete the records for which ``idle(states [n, words])`` is true; returns how many. Frees space only.

        Without a lease it works beside whoever holds one, and moves no fence: a record is looked at and deleted in one
        atomic step, and the batch begun last still reads it as it was.
        """

    def scan(self, entity: str, shard: int, words: int) -> Iterator[tuple[list[bytes], Words]]:
        """All records of an entity in a shard, in chunks of keys and states."""

    def stats(self) -> list[StoreStats]:
        """Size of each entity's records."""

    def clear(self, lease: Lease) -> None:
        """Remove all records and before-images, keep the fence; the next ``acquire`` may bring a new layout."""

    def close(self) -> None:
        """Release files and connections; the store can be opened again."""


class OpenStore(Protocol):
    """A picklable, hashable recipe that opens a store in the process that calls it (never carried over a fork)."""

    def __hash__(self) -> int:
        """Equal recipes, equal hashes: a worker opens a store once."""

    def __call__(self) -> StateStore:
        """An open store."""
