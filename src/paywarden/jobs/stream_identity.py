"""Which stream a checkpoint belongs to, where it began, and on which state it is now."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from paywarden.errors import LeaseHeld, StateStoreError, StreamError
from paywarden.features.manifest import BatchManifest
from paywarden.features.state import BatchTag
from paywarden.jobs.checkpoint import last_planned
from paywarden.jobs.epochs import (
    UNFINISHED,
    Manifests,
    OpenState,
    StateEpochs,
    TopicOffsets,
    after,
    ends_of,
    is_build,
    newest_manifest,
    starts_of,
)
from paywarden.jobs.serving import ServedModel


@dataclass(frozen=True)
class StreamIdentity:
    """Which stream a checkpoint belongs to; kept beside it, and written anew whenever the stream changes its state.

    From ``first_batch`` on, batches are of ``stream_epoch`` on the state of ``layout``, which held nothing then if
    ``from_empty``; the bundle is the one that served first. ``starting`` are the offsets at which the checkpoint began.
    """

    owner: str
    stream_epoch: int
    first_batch: int
    layout: str
    from_empty: bool
    bundle_version: str
    bundle_digest: str
    starting: TopicOffsets

    @classmethod
    def load(cls, path: Path) -> StreamIdentity | None:
        """The identity at ``path``, or None where no stream has begun. Raises StreamError for one it cannot read."""
        if not path.exists():
            return None
        try:
            fields = json.loads(path.read_text())
            fields["starting"] = {t: {int(p): o for p, o in ps.items()} for t, ps in fields["starting"].items()}
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StreamError(
                f"{path} cannot be read ({error!r}): restore it, or remove {path.parent} and build the state with "
                "`paywarden state build`"
            ) from error

    def save(self, path: Path) -> None:
        """Write it durably, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def begin_stream(
    path: Path,
    epochs: StateEpochs,
    champion: Callable[[], ServedModel],
    manifests: Manifests,
    earliest: Callable[[], TopicOffsets],
    *,
    takeover: bool = False,
) -> tuple[StreamIdentity, OpenState]:
    """Take the state's lease and say which stream this is: the one of the checkpoint, or a new one.

    A new stream is on the champion's state and starts where its build ended, or at Kafka's beginning where there is no
    state at all. One whose checkpoint is gone goes on with the batch that its newest manifest planned. Raises
    StateStoreError where state and checkpoint do not belong together.
    """
    identity = StreamIdentity.load(path)
    if identity:
        state = OpenState.take(epochs, identity.layout, identity.owner, takeover=takeover)
    else:
        served = champion()
        _require_built(epochs, served, None)
        state = OpenState.take(epochs, served.engine.digest, owner_of(path), takeover=takeover)
    try:
        if identity:
            _require_one_lineage(path.parent, identity, state.store.current(), manifests)
            _free_others(epochs, identity)
        else:
            _require_built(epochs, served, state)
            identity = _new_stream(path.parent, state, served, manifests, earliest())
            epochs.note(state.layout, json.dumps(served.engine.catalogue.to_dict(), sort_keys=True))
            identity.save(path)
    except BaseException:
        state.close()  # a stream that never began must not need a takeover
        raise
    return identity, state


def owner_of(identity_path: Path) -> str:
    """Who a new stream is, kept from before it takes a lease: killed before it has begun, it may take it again."""
    path = identity_path.with_name("owner")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(uuid.uuid4().hex)
        draft.replace(path)
    return path.read_text()


def _require_built(epochs: StateEpochs, served: ServedModel, state: OpenState | None) -> None:
    """A stream may begin without any state, but not beside one that another model needs."""
    empty = state.store.current() is None if state else epochs.find(served.engine.digest) is None
    if empty and set(epochs.layouts()) - {served.engine.digest}:
        raise StateStoreError(
            f"there is no state for the champion, version {served.version}, only for other catalogues; build it with "
            f"`paywarden archive` and `paywarden state build --model {served.version}`"
        )


def _require_one_lineage(
    directory: Path, identity: StreamIdentity, current: BatchTag | None, manifests: Manifests
) -> None:
    if current == UNFINISHED:
        raise StateStoreError("a rebuild of the state was cut off; run `paywarden state rebuild` again")
    if current and current.stream_epoch > identity.stream_epoch:
        raise StateStoreError(
            f"the checkpoint at {directory} belongs to stream epoch {identity.stream_epoch}, the state is at "
            f"epoch {current.stream_epoch}; remove that directory to go on from the new state build"
        )
    # A second manifest says that the batch of the first one was done.
    second = manifests.read(BatchTag(identity.stream_epoch, identity.first_batch + 1)) is not None
    if (current is None and not identity.from_empty) or (
        second and (current is None or current.stream_epoch != identity.stream_epoch)
    ):
        raise StateStoreError(
            f"the checkpoint at {directory} belongs to stream epoch {identity.stream_epoch}, but the state is "
            f"{f'at epoch {current.stream_epoch}' if current else 'empty: the store has lost it'}. Restore it, or make "
            "the very same state again from the lake with `paywarden state rebuild`"
        )


def _free_others(epochs: StateEpochs, identity: StreamIdentity) -> None:
    """Give back the leases of other states that this stream held when it was killed between two of them."""
    for layout in epochs.layouts():
        if layout != identity.layout:
            try:
                OpenState.take(epochs, layout, identity.owner).close()
            except LeaseHeld:
                continue


def _new_stream(
    directory: Path, state: OpenState, served: ServedModel, manifests: Manifests, earliest: TopicOffsets
) -> StreamIdentity:
    current = state.store.current()
    if current is None:
        epoch, starting = manifests.new_epoch(), earliest
    elif current.batch == 0:
        build = newest_manifest(state.layout, current, manifests)
        if not is_build(build):
            raise StateStoreError(
                f"the state was given up while it was catching up with a stream whose checkpoint is gone from "
                f"{directory}; start a new epoch with `paywarden state build`"
            )
        epoch, starting = current.stream_epoch, after(ends_of(build.ranges), earliest)
    elif planned := last_planned(current.stream_epoch, current, current.batch, manifests):
        return _restored(state, planned)
    else:
        raise StateStoreError(
            f"the state is at batch {current.batch} of epoch {current.stream_epoch}, but its checkpoint is gone from "
            f"{directory}; restore it, or start a new epoch with `paywarden state build`"
        )
    return StreamIdentity(
        owner=state.lease.owner,
        stream_epoch=epoch,
        first_batch=1,
        layout=state.layout,
        from_empty=current is None,
        bundle_version=served.version,
        bundle_digest=served.bundle.digest,
        starting=starting,
    )


def _restored(state: OpenState, planned: BatchManifest) -> StreamIdentity:
    """The stream that was planned last, whose directory is gone: it goes on with that batch."""
    return StreamIdentity(
        owner=state.lease.owner,
        stream_epoch=planned.stream_epoch,
        first_batch=planned.batch,
        layout=state.layout,
        from_empty=planned.from_empty,
        bundle_version=str(planned.bundle_version),
        bundle_digest=str(planned.bundle_digest),
        starting=starts_of(planned.ranges),
    )
