"""States side by side: what the jobs ask of the stores of a deployment and of its manifests.

A deployment keeps one state for each layout. At any time the stream writes one of them, the live one; a `paywarden
state build` may make another beside it, and what was live before stays as it was left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from paywarden.errors import StateStoreError
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.state import BatchTag, Lease, OpenStore, StateStore

TopicOffsets = dict[str, dict[int, int]]
"""Topic → partition → offset."""

UNFINISHED = BatchTag(0, 0)
"""The batch of a state that is being rebuilt: of no stream, for epochs begin at 1."""


class StateEpochs(Protocol):
    """The stores of a deployment, one for each layout."""

    def recipe(self, layout: str) -> OpenStore:
        """What opens the state of a layout, and makes it if absent."""

    def find(self, layout: str) -> OpenStore | None:
        """What opens the state of a layout for reading, or None where there is none."""

    def layouts(self) -> list[str]:
        """The layouts that have a state."""

    def note(self, layout: str, definition: str) -> None:
        """Keep the definition of the catalogue that the state is made for."""

    def noted(self, layout: str) -> str | None:
        """What :meth:`note` kept last."""

    def remove(self, layout: str) -> None:
        """Remove a state whose lease is held, and which is closed."""


class Manifests(Protocol):
    """Durable batch manifests."""

    def read(self, tag: BatchTag) -> BatchManifest | None:
        """The manifest of a batch, or None."""

    def write(self, manifest: BatchManifest) -> None:
        """Store one durably."""

    def create(self, manifest: BatchManifest) -> bool:
        """Store one durably unless its batch has one already; whether it was stored."""

    def epochs(self) -> list[int]:
        """Every epoch that was ever begun, oldest first."""

    def new_epoch(self, above: int = 0) -> int:
        """An epoch that nobody else is given, greater than all others and than ``above``."""


@dataclass(frozen=True)
class OpenState:
    """The state of a layout, open and held: its recipe for other processes, the store in this one, and the lease."""

    layout: str
    recipe: OpenStore
    store: StateStore
    lease: Lease

    @classmethod
    def take(cls, epochs: StateEpochs, layout: str, owner: str, *, takeover: bool = False) -> OpenState:
        """Open the state of a layout, made if absent, and take its lease. Raises LeaseHeld where another has it."""
        recipe = epochs.recipe(layout)
        store = recipe()
        try:
            lease = store.acquire(owner, layout, takeover=takeover)
        except BaseException:
            store.close()
            raise
        return cls(layout, recipe, store, lease)

    def current_epoch(self) -> int:
        """The epoch of the batch begun last; 0 in a state without any."""
        current = self.store.current()
        return current.stream_epoch if current else 0

    def require_lease(self) -> None:
        """Raise Fenced where another stream has taken the state over, or where the store has lost it."""
        self.store.require_lease(self.lease)

    def close(self) -> None:
        """Give the lease back, if it is still the newest, and close the store."""
        self.store.release(self.lease)
        self.store.close()


def newest_manifest(layout: str, current: BatchTag | None, manifests: Manifests) -> BatchManifest:
    """The manifest that says where the state of a layout stands, whose batch begun last is ``current``.

    It may be one that was written and not begun any more. Raises StateStoreError for a state that is not whole: an
    unfinished build, or a store older than its manifests.
    """
    found = manifests.read(current) if current else None
    if current is None or found is None or found.state_layout != layout:
        raise StateStoreError(f"the state of layout {layout[:16]} was never finished; build it again")
    pieces = [manifests.read(BatchTag(e, 0)) for e in manifests.epochs() if e > current.stream_epoch]
    later = [piece for piece in pieces if piece and piece.state_layout == layout]
    if len(later) > 1 or any(piece.from_empty for piece in later):
        raise StateStoreError(f"the state of layout {layout[:16]} is older than its manifests; build it again")
    return later[0] if later else found


def lineages(manifests: Sequence[BatchManifest]) -> list[list[BatchManifest]]:
    """The manifests that made the content of each state, in the order in which they did.

    A state that was made anew has several: one for each time that it began from nothing. Their batches are numbered
    from 0 on, so that a replay which honours them folds in this order.
    """
    found: list[list[BatchManifest]] = []
    for manifest in sorted(manifests, key=lambda m: (m.state_layout, m.tag)):
        if not found or found[-1][-1].state_layout != manifest.state_layout or manifest.from_empty:
            found.append([])
        found[-1].append(replace(manifest, batch=len(found[-1])))
    return found


def is_build(manifest: BatchManifest) -> bool:
    """Whether it is a state build's, which is written once all is done."""
    return manifest.batch == 0 and manifest.from_empty


def ends_of(ranges: Sequence[OffsetRange]) -> TopicOffsets:
    """Where ranges end, by topic and partition."""
    ends: TopicOffsets = {}
    for span in ranges:
        ends.setdefault(span.topic, {})[span.partition] = span.end
    return ends


def starts_of(ranges: Sequence[OffsetRange]) -> TopicOffsets:
    """Where ranges begin, by topic and partition."""
    return ends_of([replace(span, end=span.start) for span in ranges])


def after(ends: Mapping[str, Mapping[int, int]], earliest: TopicOffsets) -> TopicOffsets:
    """``ends``, and ``earliest`` for the partitions that it does not name."""
    topics = {topic: {**partitions, **ends.get(topic, {})} for topic, partitions in earliest.items()}
    return {**{topic: dict(partitions) for topic, partitions in ends.items()}, **topics}
