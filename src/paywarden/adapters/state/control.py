"""Who may write a shard: the fence and the batch that each shard keeps beside its records.

Both stores keep one :class:`Control` for the store as a whole (the *meta* control, the authority) and a copy in
every shard, because a shard's write can be atomic only with what lives in that shard. Changes go to the meta control
first and then to each shard, where they only ever move forward; so an `acquire` or `begin_batch` that dies half way
is finished by its retry, and two that race leave every shard with the newer one.

A batch never writes before it has begun, so no record is newer than the batch its shard has begun. Comparing the
batch with the shard's control therefore refuses every write over a newer record.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from paywarden.errors import Fenced, LeaseHeld, StaleWriter, StateLayoutMismatch, StateStoreError
from paywarden.features.state import BatchTag, Lease

_PACKED = struct.Struct("<4q")
_NO_BATCH = (-1, -1)


@dataclass(frozen=True)
class Control:
    """The highest fence given, whether its lease is still held, and the batch begun last."""

    fence: int = 0
    held: bool = False
    begun: BatchTag | None = None

    def check_lease(self, lease: Lease, place: str) -> None:
        """Raise :class:`Fenced` unless ``lease`` is the one that holds the store now."""
        if not self.held or lease.fence != self.fence:
            raise fenced(lease, self.fence, place)

    def check_write(self, lease: Lease, tag: BatchTag, place: str) -> None:
        """Raise unless ``lease`` holds the store and ``tag`` is the batch begun last."""
        self.check_lease(lease, place)
        self.check_read(tag, place)
        if self.begun != tag:
            raise not_begun(tag, place)

    def check_read(self, tag: BatchTag, place: str) -> None:
        """Raise :class:`StaleWriter` where a batch after ``tag`` has begun: its before-images are gone."""
        if self.begun is not None and tag < self.begun:
            raise stale(tag, self.begun, place)

    def begin(self, lease: Lease, tag: BatchTag, place: str) -> Control:
        """This control with ``tag`` begun; raises :class:`Fenced` or :class:`StaleWriter`."""
        self.check_lease(lease, place)
        self.check_read(tag, place)
        return replace(self, begun=tag)

    def learn(self, fence: int, *, held: bool) -> Control:
        """This control once it knows of an acquisition or a release; news of an older fence changes nothing."""
        return self if fence < self.fence else replace(self, fence=fence, held=held)

    def pack(self) -> bytes:
        """32 bytes: fence, held, epoch and batch as little-endian int64."""
        epoch, batch = (self.begun.stream_epoch, self.begun.batch) if self.begun else _NO_BATCH
        return _PACKED.pack(self.fence, self.held, epoch, batch)

    @classmethod
    def unpack(cls, packed: bytes | memoryview | None) -> Control:
        """The control of :meth:`pack`; a new one for None."""
        if packed is None:
            return cls()
        fence, held, epoch, batch = _PACKED.unpack(packed)
        return cls(fence, bool(held), None if (epoch, batch) == _NO_BATCH else BatchTag(epoch, batch))


def fenced(lease: Lease, fence: int, place: str) -> Fenced:
    """The error for a lease that was superseded, released or never given by this store."""
    if fence < lease.fence:
        return Fenced(
            f"{place}: the store is at fence {fence}, the lease of {lease.owner!r} at {lease.fence}: it has lost what "
            "was written, as a Redis does that is restarted without its data. Make the same state again from the lake "
            "with `paywarden state rebuild`, then start the stream."
        )
    if fence == lease.fence:
        return Fenced(
            f"{place}: the lease of {lease.owner!r} (fence {lease.fence}) was given back and no longer holds the "
            "store. Acquire a new one before writing."
        )
    return Fenced(
        f"{place}: the lease of {lease.owner!r} (fence {lease.fence}) was taken over; the store is at fence {fence}. "
        "Stop this writer; the one that took over goes on."
    )


def stale(tag: BatchTag, begun: BatchTag, place: str) -> StaleWriter:
    """The error for a batch older than the one begun last."""
    return StaleWriter(
        f"{place}: batch {tag.batch} of stream epoch {tag.stream_epoch} is older than batch {begun.batch} of epoch "
        f"{begun.stream_epoch}, which has begun. Stop this task, or restore the checkpoint that belongs to the state."
    )


def not_begun(tag: BatchTag, place: str) -> StateStoreError:
    """The error for a write in a batch that nobody has begun."""
    return StateStoreError(
        f"{place}: batch {tag.batch} of stream epoch {tag.stream_epoch} has not begun here. "
        "Call begin_batch before its first write."
    )


def lease_held(owner: str, place: str) -> LeaseHeld:
    """The error for an acquisition while another owner holds the lease."""
    return LeaseHeld(f"{place}: {owner!r} holds the write lease. Stop that stream, or take over if it is dead.")


def layout_mismatch(stored: str, wanted: str, place: str) -> StateLayoutMismatch:
    """The error for a store that holds another layout than the catalogue in use."""
    return StateLayoutMismatch(
        f"{place} holds state of layout {stored}, and the catalogue in use needs {wanted}. "
        "Build a new state beside it: paywarden state build."
    )


def wrong_shards(stored: int, wanted: int, place: str) -> StateStoreError:
    """The error for opening a store with another number of shards than it was made with."""
    return StateStoreError(
        f"{place} was made with {stored} shards, not {wanted}. Open it with {stored}, or build a new state."
    )


def wrong_format(stored: int, readable: int, place: str) -> StateStoreError:
    """The error for records written by a version with another record format."""
    return StateStoreError(f"{place} has record format {stored}; this version reads {readable}. Build a new state.")
