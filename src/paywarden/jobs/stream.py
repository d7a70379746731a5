"""The stream's decisions about itself: which epoch, from which offsets, and what each micro-batch runs with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from paywarden.clock import Clock
from paywarden.errors import StateStoreError, StreamError
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest, BatchOutcome, OffsetRange
from paywarden.features.state import BatchTag, Lease, StateStore
from paywarden.jobs.serving import ServedModel

TopicOffsets = dict[str, dict[int, int]]
Execute = Callable[[BatchManifest, Mapping[str, bytes]], BatchOutcome]


class Manifests(Protocol):
    """Durable batch manifests."""

    def read(self, tag: BatchTag) -> BatchManifest | None:
        """The manifest of a batch, or None."""

    def write(self, manifest: BatchManifest) -> None:
        """Store one durably."""

    def latest_epoch(self) -> int:
        """The newest stream epoch that has a manifest; 0 where none has."""


class Models(Protocol):
    """Where served models come from."""

    def champion(self) -> ServedModel:
        """The model to serve now."""

    def exact(self, version: str, digest: str) -> ServedModel:
        """The very model that a manifest names."""


@dataclass(frozen=True)
class StreamIdentity:
    """Which stream a checkpoint belongs to; written once, beside the checkpoint."""

    owner: str
    stream_epoch: int
    starting: TopicOffsets

    @classmethod
    def load(cls, path: Path) -> StreamIdentity | None:
        """The identity at ``path``, or None where no stream has begun."""
        if not path.exists():
            return None
        fields = json.loads(path.read_text())
        starting = {t: {int(p): o for p, o in ps.items()} for t, ps in fields["starting"].items()}
        return cls(fields["owner"], fields["stream_epoch"], starting)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=1))
        draft.replace(path)


def begin_stream(
    path: Path,
    store: StateStore,
    layout_digest: str,
    manifests: Manifests,
    earliest: Callable[[], TopicOffsets],
    *,
    takeover: bool = False,
) -> tuple[StreamIdentity, Lease]:
    """Take the lease and say which stream this is: the one of the checkpoint, or a new one.

    A new stream starts where the state build ended, or at Kafka's beginning where the state is empty. Raises
    StateStoreError where state and checkpoint do not belong together.
    """
    identity = StreamIdentity.load(path)
    lease = store.acquire(identity.owner if identity else uuid.uuid4().hex, layout_digest, takeover=takeover)
    try:
        if identity:
            _require_one_lineage(path.parent, identity, store.current(), manifests)
        else:
            identity = _new_stream(path.parent, lease.owner, store.current(), manifests, earliest())
            identity.save(path)
    except BaseException:
        store.release(lease)  # a stream that never began must not need a takeover
        raise
    return identity, lease


def _require_one_lineage(
    directory: Path, identity: StreamIdentity, current: BatchTag | None, manifests: Manifests
) -> None:
    if current and current.stream_epoch != identity.stream_epoch:
        raise StateStoreError(
            f"the checkpoint at {directory} belongs to stream epoch {identity.stream_epoch}, the state is at "
            f"epoch {current.stream_epoch}; remove that directory to go on from the new state build"
        )
    if current is None and _state_was_written(manifests, identity.stream_epoch):
        raise StateStoreError(
            f"the checkpoint at {directory} belongs to stream epoch {identity.stream_epoch}, but the state is "
            "empty; restore it, or remove that directory and build the state with `paywarden state build`"
        )


def _new_stream(
    directory: Path, owner: str, current: BatchTag | None, manifests: Manifests, earliest: TopicOffsets
) -> StreamIdentity:
    if current is None:
        return StreamIdentity(owner, next_epoch(current, manifests), earliest)
    if current.batch == 0:
        return StreamIdentity(owner, current.stream_epoch, _after_build(manifests, current, earliest))
    raise StateStoreError(
        f"the state is at batch {current.batch} of epoch {current.stream_epoch}, but its checkpoint is gone from "
        f"{directory}; restore it, or start a new epoch with `paywarden state build`"
    )


def _state_was_written(manifests: Manifests, epoch: int) -> bool:
    """Whether the state of an epoch must hold a batch: a build's, or the one before a second manifest."""
    return any(manifests.read(BatchTag(epoch, batch)) is not None for batch in (0, 2))


def next_epoch(current: BatchTag | None, manifests: Manifests) -> int:
    """A stream epoch that neither the state nor any manifest has seen."""
    return max(current.stream_epoch if current else 0, manifests.latest_epoch()) + 1


def _after_build(manifests: Manifests, tag: BatchTag, earliest: TopicOffsets) -> TopicOffsets:
    build = manifests.read(tag)
    if build is None:
        raise StateStoreError(f"the manifest of the state build of epoch {tag.stream_epoch} is missing; build it again")
    starting = {topic: dict(partitions) for topic, partitions in earliest.items()}
    for span in build.ranges:
        starting.setdefault(span.topic, {})[span.partition] = span.end
    return starting


@dataclass(frozen=True)
class StreamJob:
    """Runs micro-batches: manifest first, then state, then the one action.

    ``publish`` sends a manifest on its way to the lake; ``report`` hears what a batch gave and its seconds.
    """

    engine: Engine
    stream_epoch: int
    store: StateStore
    lease: Lease
    manifests: Manifests
    models: Models
    publish: Callable[[BatchManifest], None]
    report: Callable[[BatchManifest, BatchOutcome, float], None]
    clock: Clock
    forget_every_batches: int = 500

    def __call__(self, batch_id: int, ranges: tuple[OffsetRange, ...], execute: Execute) -> None:
        """Run Spark's batch ``batch_id`` over ``ranges``; a retry does what its manifest says."""
        tag = BatchTag(self.stream_epoch, batch_id + 1)
        began = self.clock()
        manifest, served = self._plan(tag, ranges)
        self.publish(manifest)
        self.store.begin_batch(self.lease, tag)
        outcome = execute(manifest, served.bundle.to_files())
        self.report(manifest, outcome, (self.clock() - began) / 1000)
        if tag.batch % self.forget_every_batches == 0 and outcome.latest_received_at is not None:
            self.forget(outcome.latest_received_at)

    def forget(self, now_ms: int) -> int:
        """Delete records that have read as empty for one more lifetime; returns how many. Frees space only."""
        # The extra lifetime keeps an event that is late by less than that exact.
        cutoff = now_ms - self.engine.catalogue.memory.record_ttl_ms
        forgotten = 0
        for entity in (ROUTING, *self.engine.catalogue.records):
            idle = partial(self.engine.idle, entity, now_ms=cutoff)
            for shard in range(self.store.shards):
                forgotten += self.store.delete_where(self.lease, entity, shard, self.engine.words(entity), idle)
        return forgotten

    def _plan(self, tag: BatchTag, ranges: Sequence[OffsetRange]) -> tuple[BatchManifest, ServedModel]:
        manifest = self.manifests.read(tag)
        if manifest is None:
            served = self.models.champion()
            manifest = BatchManifest(
                stream_epoch=tag.stream_epoch,
                batch=tag.batch,
                ranges=tuple(ranges),
                state_layout=self.engine.digest,
                bundle_version=served.version,
                bundle_digest=served.bundle.digest,
                policy_digest=served.bundle.policy.digest,
            )
            self.manifests.write(manifest)
            return manifest, served
        if manifest.ranges != tuple(ranges):
            raise StreamError(
                f"batch {tag.batch} of epoch {tag.stream_epoch} was planned over {manifest.ranges}, the checkpoint now "
                f"says {tuple(ranges)}; restore the checkpoint, or start a new epoch with `paywarden state build`"
            )
        return manifest, self.models.exact(str(manifest.bundle_version), str(manifest.bundle_digest))
