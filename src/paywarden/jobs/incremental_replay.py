"""A nightly replay that folds only what is new: it goes on where the last one's snapshot stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from paywarden.errors import DataError
from paywarden.features.catalogue import Catalogue
from paywarden.features.replay import Replay
from paywarden.features.snapshot import OPEN_MS, Snapshot, continue_replay


class Snapshots(Protocol):
    """Where the last snapshot is kept."""

    def load(self) -> Snapshot | None:
        """The last one saved, whole and verified; None before the first. Raises DataError for a damaged one."""

    def save(self, snapshot: Snapshot) -> None:
        """Keep it instead of the last one, which stays usable until this one is."""


@dataclass(frozen=True)
class IncrementalReplay:
    """A replayer (see :mod:`paywarden.jobs.training_data`) with the vectors of a full replay, bit for bit.

    It replays everything, and says so, where the snapshot is of another catalogue, does not fit the history any more
    (an event turned up that had been received before the snapshot ends), or is damaged.
    """

    snapshots: Snapshots
    say: Callable[[str], None] = lambda _text: None
    open_ms: int = OPEN_MS

    def __call__(self, transactions: pa.Table, labels: pa.Table, catalogue: Catalogue) -> Replay:
        """The replay; the snapshot that it leaves is the next run's beginning."""
        try:
            snapshot = self.snapshots.load()
        except DataError as error:
            self.say(f"{error}")
            snapshot = None
        done = continue_replay(transactions, labels, catalogue, snapshot, self.open_ms)
        count = transactions.num_rows + labels.num_rows
        if done.continued:
            self.say(f"went on from a snapshot of {done.continued:,} events; {count - done.continued:,} are new")
        elif snapshot is not None:
            self.say("the snapshot is of another catalogue or another history, so everything was replayed")
        if snapshot is None or len(done.snapshot.verdicts) != done.continued:
            self.snapshots.save(done.snapshot)
        return done.replay
