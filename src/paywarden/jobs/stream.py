"""The stream's decisions about itself: from which offsets, on which state, and what each micro-batch runs with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from paywarden.clock import Clock
from paywarden.errors import BundleError, PaywardenError, RegistryError, StreamError
from paywarden.features.batch import Execute
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest, BatchOutcome, OffsetRange
from paywarden.features.state import BatchTag, StoreStats
from paywarden.jobs.catch_up import CatchUp
from paywarden.jobs.epochs import Manifests, OpenState, starts_of
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.shadow import unfit_beside
from paywarden.jobs.state_sweep import sweep
from paywarden.jobs.stream_identity import StreamIdentity
from paywarden.jobs.stream_rules import StreamRules
from paywarden.scoring.rules.rule_book import RuleBook


class Models(Protocol):
    """Where served models come from."""

    def champion(self) -> ServedModel:
        """The model to serve now."""

    def challenger(self) -> ServedModel | None:
        """The model to score beside it, if any."""

    def exact(self, version: str, digest: str) -> ServedModel:
        """The very model that a manifest names."""


Measure = Callable[[Callable[[], Sequence[StoreStats]]], None]
"""Is offered a look at the state's size after each batch, and takes it or not."""


@dataclass(frozen=True)
class Plan:
    """What a batch runs with, and the manifest that says so."""

    manifest: BatchManifest
    served: ServedModel
    shadow: ServedModel | None
    rules: RuleBook


class StreamJob:
    """Runs micro-batches: manifest first, then state, then the one action.

    Between two batches it looks for a new champion. One whose features need another layout is taken up as soon as its
    state is built and caught up with the stream; until then, and where its state is missing, the former model goes on.
    A challenger that can be scored on the same vectors is, as the batch's shadow: its decisions act on nothing. Lists
    and rules are those in force when a batch is planned.
    ``publish`` sends a manifest on its way to the lake; ``report`` hears what a batch gave and its seconds,
    ``measure`` may then look at the state's size.
    """

    def __init__(
        self,
        path: Path,
        identity: StreamIdentity,
        state: OpenState,
        *,
        manifests: Manifests,
        models: Models,
        rules: StreamRules,
        catch_up: CatchUp,
        publish: Callable[[BatchManifest], None],
        report: Callable[[BatchManifest, BatchOutcome, float], None],
        warn: Callable[[str], None],
        say: Callable[[str], None],
        clock: Clock,
        measure: Measure = lambda _sizes: None,
        forget_every_batches: int = 500,
    ) -> None:
        self._path = path
        self._identity = identity
        self._state = state
        self._manifests = manifests
        self._models = models
        self._rules = rules
        self._catch_up = catch_up
        self._publish = publish
        self._report = report
        self._warn = warn
        self._say = say
        self._clock = clock
        self._measure = measure
        self._forget_every_batches = forget_every_batches
        self._warned: str | None = None
        self._shadow_warned: str | None = None

    def __call__(self, batch_id: int, ranges: tuple[OffsetRange, ...], execute: Execute) -> None:
        """Run Spark's batch ``batch_id`` over ``ranges``; a retry does what its manifest says."""
        began = self._clock()
        plan = self._plan(batch_id + 1, ranges)
        manifest, served, shadow, state = plan.manifest, plan.served, plan.shadow, self._state
        state.store.begin_batch(state.lease, manifest.tag)
        self._publish(manifest)  # not before: a stream that was taken over says nothing any more
        outcome = execute(
            manifest,
            served.bundle.to_files(),
            served.engine.catalogue,
            state.recipe,
            state.lease,
            plan.rules.content if plan.rules else None,
            shadow.bundle.to_files() if shadow else None,
        )
        if shadow and outcome.shadows < outcome.decisions:
            self._warn_of_shadow(
                f"the challenger, version {shadow.version}, has failed on {outcome.decisions - outcome.shadows:,} of "
                f"{outcome.decisions:,} transactions of batch {manifest.batch}; the acting model is not concerned"
            )
        self._report(manifest, outcome, (self._clock() - began) / 1000)
        self._measure(self._state.store.stats)
        if manifest.batch % self._forget_every_batches == 0 and outcome.latest_received_at is not None:
            self.forget(served.engine, outcome.latest_received_at)

    def forget(self, engine: Engine, now_ms: int) -> int:
        """Delete records that have read as empty for one more lifetime; returns how many. Frees space only."""
        return sweep(self._state.store, engine, self._state.lease, now_ms)

    def close(self) -> None:
        """Give all leases back and close the states."""
        self._catch_up.give_up()
        self._state.close()

    def _plan(self, batch: int, ranges: Sequence[OffsetRange]) -> Plan:
        tag = BatchTag(self._identity.stream_epoch, batch)
        manifest = self._manifests.read(tag)
        if manifest is None:
            return self._new_plan(batch, ranges)
        if manifest.ranges != tuple(ranges):
            begun = self._state.store.current()
            if begun is None or begun < tag:
                # By a stream that was taken over before it began this batch: nobody has read it by that plan.
                return self._new_plan(batch, ranges, instead=True)
            raise StreamError(
                f"batch {batch} of epoch {manifest.stream_epoch} was planned over {manifest.ranges}, the checkpoint "
                f"now says {tuple(ranges)}; restore the checkpoint, or start a new epoch with `paywarden state build`"
            )
        served = self._models.exact(str(manifest.bundle_version), str(manifest.bundle_digest))
        return Plan(manifest, served, self._planned_shadow(manifest), self._rules.planned(manifest))

    def _new_plan(self, batch: int, ranges: Sequence[OffsetRange], *, instead: bool = False) -> Plan:
        if batch == self._identity.first_batch:
            build = self._manifests.read(BatchTag(self._identity.stream_epoch, 0))
            if build:
                self._publish(build)  # the lake needs it to replay what follows
        served = self._model_for(batch, ranges)
        shadow, rules = self._shadow_for(served), self._rules.now(served)
        manifest = BatchManifest(
            stream_epoch=self._identity.stream_epoch,
            batch=batch,
            ranges=tuple(ranges),
            state_layout=self._state.layout,
            bundle_version=served.version,
            bundle_digest=served.bundle.digest,
            policy_digest=rules.policy_digest(served.bundle.policy.digest),
            from_empty=self._state.store.current() is None,
            shadow_version=shadow.version if shadow else None,
            shadow_digest=shadow.bundle.digest if shadow else None,
            rules_digest=rules.digest if rules else None,
        )
        self._state.require_lease()
        if instead:
            self._manifests.write(manifest)
        elif not self._manifests.create(manifest):
            raise StreamError(
                f"another stream has just planned batch {batch} of epoch {manifest.stream_epoch}; let one of them run"
            )
        return Plan(manifest, served, shadow, rules)

    def _shadow_for(self, acting: ServedModel) -> ServedModel | None:
        """The challenger, if it can be scored beside the acting model. Nothing about it stops the stream."""
        try:
            challenger = self._models.challenger()
        except (RegistryError, BundleError):
            return None  # the look at the champion has said so
        if challenger is None or challenger.bundle.digest == acting.bundle.digest:
            return None
        reason = unfit_beside(challenger, acting)
        if reason:
            self._warn_of_shadow(f"version {challenger.version} is the challenger but is not scored: {reason}")
            return None
        return challenger

    def _planned_shadow(self, manifest: BatchManifest) -> ServedModel | None:
        """The shadow of a batch that is run again; without its bundle the acting model goes on alone."""
        if manifest.shadow_digest is None:
            return None
        try:
            return self._models.exact(str(manifest.shadow_version), manifest.shadow_digest)
        except (RegistryError, BundleError) as error:
            self._warn_of_shadow(f"batch {manifest.batch} is repeated without its challenger: {error}")
            return None

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

    def _warn_of_shadow(self, text: str) -> None:
        if text != self._shadow_warned:
            self._warn(text)
        self._shadow_warned = text

    def _warn_once(self, text: str) -> None:
        if text != self._warned:
            self._warn(text)
        self._warned = text
