"""Catch-up: the state of another layout is brought to where the stream stands, so that the stream can go on with it.

Guarantee: every piece is a batch of an epoch of its own, whose manifest is durable before anything is folded. Killed at
any point, the next attempt folds the last piece again, which changes nothing that was right, and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from paywarden.errors import StateStoreError
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.jobs.epochs import (
    Manifests,
    OpenState,
    StateEpochs,
    TopicOffsets,
    after,
    ends_of,
    is_build,
    newest_manifest,
)
from paywarden.jobs.state_fold import fold_into

ReadEvents = Callable[[Sequence[OffsetRange]], tuple[pa.Table, pa.Table]]
"""The valid transactions and labels between offsets, with their Kafka coordinates."""


@dataclass
class CatchUp:
    """Catches up in pieces of at most ``piece_records``: the stream waits for one of them between two micro-batches.

    ``publish`` sends a piece's manifest on its way to the lake; ``earliest`` gives Kafka's first offsets.
    """

    epochs: StateEpochs
    manifests: Manifests
    read: ReadEvents
    earliest: Callable[[], TopicOffsets]
    publish: Callable[[BatchManifest], None]
    say: Callable[[str], None]
    piece_records: int = 200_000
    _taken: OpenState | None = field(default=None, init=False)
    _is_new: bool = field(default=True, init=False)

    def advance(self, engine: Engine, owner: str, position: TopicOffsets) -> OpenState | None:
        """The state for ``engine``, once it stands exactly at ``position``; None while there is more to do.

        The caller then has the state, and closes it. Raises StateStoreError where there is none to go on from, or
        another process is writing it, and KafkaError where the records between are gone.
        """
        try:
            state = self._take(engine.digest, owner)
            tail = newest_manifest(state.layout, state.store.current(), self.manifests)
            if self._is_new:
                self.publish(tail)  # a build's was not, and the lake needs it to replay what follows
            if self._is_new and not is_build(tail):
                # Whether it was cut short is not known: folding it again leaves the same state.
                self._fold(state, engine, tail)
            self._is_new = False
            reached = self._go_on(engine, state, after(ends_of(tail.ranges), self.earliest()), position)
        except BaseException:
            self.give_up()
            raise
        if not reached:
            return None
        self._taken = None
        return state

    def give_up(self) -> None:
        """Close the state that is being caught up, if any; it stays as it is."""
        if self._taken is not None:
            self._taken.close()
            self._taken = None

    def _take(self, layout: str, owner: str) -> OpenState:
        if self._taken is None or self._taken.layout != layout:
            self.give_up()
            if self.epochs.find(layout) is None:
                raise StateStoreError(f"there is no state of layout {layout[:16]}")
            self._taken, self._is_new = OpenState.take(self.epochs, layout, owner), True
        return self._taken

    def _go_on(self, engine: Engine, state: OpenState, start: TopicOffsets, position: TopicOffsets) -> bool:
        """Fold the next piece between the offsets; whether that was the last one."""
        gaps = {(t, p): end - start[t].get(p, 0) for t, ends in position.items() for p, end in ends.items()}
        ahead, total = sum(-gap for gap in gaps.values() if gap < 0), sum(gaps.values())
        if ahead:
            self.say(f"the state of layout {state.layout[:16]} is {ahead:,} records ahead: waiting for the stream")
            return False
        if total:
            piece = {place: min(gap, -(-gap * self.piece_records // total)) for place, gap in gaps.items()}
            spans = [OffsetRange(t, p, start[t].get(p, 0), start[t].get(p, 0) + n) for (t, p), n in piece.items()]
            epoch = self.manifests.new_epoch(state.current_epoch())
            manifest = BatchManifest(epoch, 0, tuple(sorted(spans)), state.layout)
            self.manifests.write(manifest)
            self.publish(manifest)
            self._fold(state, engine, manifest)
            total -= sum(piece.values())
            self.say(f"the state of layout {state.layout[:16]} caught up; {total:,} records to go")
        return total == 0

    def _fold(self, state: OpenState, engine: Engine, manifest: BatchManifest) -> None:
        state.store.begin_batch(state.lease, manifest.tag)
        fold_into(state.store, state.lease, engine, *self.read(manifest.ranges), manifest.tag)
