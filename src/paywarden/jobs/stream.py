"""The stream's decisions about itself: from which offsets, on which state, and what each micro-batch runs with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from paywarden.clock import Clock
from paywarden.errors import BundleError, PaywardenError, RegistryError, StreamError
from paywarden.features.batch import Execute
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest, BatchOutcome, OffsetRange
from paywarden.features.state import BatchTag
from paywarden.jobs.catch_up import CatchUp
from paywarden.jobs.epochs import Manifests, OpenState, starts_of
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.state_sweep import sweep
from paywarden.jobs.stream_identity import StreamIdentity


class Models(Protocol):
    """Where served models come from."""

    def champion(self) -> ServedModel:
        """The model to serve now."""

    def exact(self, version: str, digest: str) -> ServedModel:
        """The very model that a manifest names."""


class StreamJob:
    """Runs micro-batches: manifest first, then state, then the one action.

    Between two batches it looks for a new champion. One whose features need another layout is taken up as soon as its
    state is built and caught up with the stream; until then, and where its state is missing, the former model goes on.
    ``publish`` sends a manifest on its way to the lake; ``report`` hears what a batch gave and its seconds.
    """

    def __init__(
        self,
        path: Path,
        identity: StreamIdentity,
        state: OpenState,
        *,
        manifests: Manifests,
        models: Models,
        catch_up: CatchUp,
        publish: Callable[[BatchManifest], None],
        report: Callable[[BatchManifest, BatchOutcome, float], None],
        warn: Callable[[str], None],
        say: Callable[[str], None],
        clock: Clock,
        forget_every_batches: int = 500,
    ) -> None:
        self._path = path
        self._identity = identity
        self._state = state
        self._manifests = manifests
        self._models = models
        self._catch_up = catch_up
        self._publish = publish
        self._report = report
        self._warn = warn
        self._say = say
        self._clock = clock
        self._forget_every_batches = forget_every_batches
        self._warned: str | None = None

    def __call__(self, batch_id: int, ranges: tuple[OffsetRange, ...], execute: Execute) -> None:
        """Run Spark's batch ``batch_id`` over ``ranges``; a retry does what its manifest says."""
        began = self._clock()
        manifest, served = self._plan(batch_id + 1, ranges)
        state = self._state
        self._publish(manifest)
        state.store.begin_batch(state.lease, manifest.tag)
        outcome = execute(manifest, served.bundle.to_files(), served.engine.catalogue, state.recipe, state.lease)
        self._report(manifest, outcome, (self._clock() - began) / 1000)
        if manifest.batch % self._forget_every_batches == 0 and outcome.latest_received_at is not None:
            self.forget(served.engine, outcome.latest_received_at)

    def forget(self, engine: Engine, now_ms: int) -> int:
        """Delete records that have read as empty for one more lifetime; returns how many. Frees space only."""
        return sweep(self._state.store, engine, self._state.lease, now_ms)

    def close(self) -> None:
        """Give all leases back and close the states."""
        self._catch_up.give_up()
        self._state.close()

    def _plan(self, batch: int, ranges: Sequence[OffsetRange]) -> tuple[BatchManifest, ServedModel]:
        manifest = self._manifests.read(BatchTag(self._identity.stream_epoch, batch))
        if manifest is None:
            return self._new_plan(batch, ranges)
        if manifest.ranges != tuple(ranges):
            raise StreamError(
                f"batch {batch} of epoch {manifest.stream_epoch} was planned over {manifest.ranges}, the checkpoint "
                f"now says {tuple(ranges)}; restore the checkpoint, or start a new epoch with `paywarden state build`"
            )
        return manifest, self._models.exact(str(manifest.bundle_version), str(manifest.bundle_digest))

    def _new_plan(self, batch: int, ranges: Sequence[OffsetRange]) -> tuple[BatchManifest, ServedModel]:
        if batch == self._identity.first_batch:
            build = self._manifests.read(BatchTag(self._identity.stream_epoch, 0))
            if build:
                self._publish(build)  # the lake needs it to replay what follows
        served = self._model_for(batch, ranges)
        manifest = BatchManifest(
            stream_epoch=self._identity.stream_epoch,
            batch=batch,
            ranges=tuple(ranges),
            state_layout=self._state.layout,
            bundle_version=served.version,
            bundle_digest=served.bundle.digest,
            policy_digest=served.bundle.policy.digest,
            from_empty=self._state.store.current() is None,
        )
        self._manifests.write(manifest)
        return manifest, served

    def _model_for(self, batch: int, ranges: Sequence[OffsetRange]) -> ServedModel:
        """The champion, with the state going over to its layout if need be; the former model where that cannot be."""
        try:
            champion = self._models.champion()
        except (RegistryError, BundleError) as error:
            former = self._former(batch)
            self._warn_once(f"still serving version {former.version}: {error}")
            return former
        if champion.engine.digest == self._state.layout:
            self._catch_up.give_up()
            self._warned = None
        elif not self._go_over(champion, batch, ranges):
            return self._former(batch)
        return champion

    def _go_over(self, champion: ServedModel, batch: int, ranges: Sequence[OffsetRange]) -> bool:
        """Whether the stream has gone over to the state that the champion needs, from this batch on."""
        self._state.require_lease()  # a stream that was taken over must stop here, not go on elsewhere
        try:
            reached = self._catch_up.advance(champion.engine, self._identity.owner, starts_of(ranges))
        except PaywardenError as error:
            self._warn_once(
                f"version {champion.version} is the champion but cannot serve yet, the former model goes on: {error}. "
                f"`paywarden archive` and `paywarden state build --model {champion.version}` make its state"
            )
            return False
        if reached is None:
            return False
        self._identity = replace(
            self._identity,
            stream_epoch=self._manifests.new_epoch(reached.current_epoch()),
            first_batch=batch,
            layout=reached.layout,
            from_empty=False,
            bundle_version=champion.version,
            bundle_digest=champion.bundle.digest,
        )
        self._identity.save(self._path)  # from here on, a restart goes on with the new state
        former, self._state = self._state, reached
        former.close()
        self._warned = None
        self._say(f"version {champion.version} serves from batch {batch} on, with the state of {reached.layout[:16]}")
        return True

    def _former(self, batch: int) -> ServedModel:
        """The model of the batch before, or the one with which this epoch began."""
        before = self._manifests.read(BatchTag(self._identity.stream_epoch, batch - 1))
        named = before if before and before.bundle_digest else self._identity
        return self._models.exact(str(named.bundle_version), str(named.bundle_digest))

    def _warn_once(self, text: str) -> None:
        if text != self._warned:
            self._warn(text)
        self._warned = text
