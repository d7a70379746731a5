"""Verdicts from the outbox to the labels topic: none is lost, none is sent twice.

A verdict is written to the outbox in the transaction that gives it. Before a label is first sent, the outbox keeps
where the topic ends; whoever finds a label that was sent and not marked (the process was killed, or no acknowledgement
came) looks for it from there on, and sends only what is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from paywarden.events.cases import QueuedLabel
from paywarden.jobs.archive import Source
from paywarden.jobs.produce import Sink


class LabelOutbox(Protocol):
    """Labels that wait to be sent."""

    def waiting(self, most: int) -> Sequence[QueuedLabel]:
        """The oldest labels that are not marked as sent."""

    def seek_from(self, labels: Iterable[QueuedLabel], ends: Mapping[int, int]) -> None:
        """Keep where the topic ended before these are sent."""

    def mark_sent(self, labels: Iterable[QueuedLabel]) -> None:
        """These are on the topic."""


class OpenSink(Protocol):
    """Makes a sink for one sending: what failed with it is not tried by it later."""

    def __call__(self) -> AbstractContextManager[Sink]:
        """The sink, closed at the end of the block."""


def send_verdicts(outbox: LabelOutbox, source: Source, open_sink: OpenSink, topic: str, most: int = 500) -> int:
    """Send what waits in the outbox, in order; how many labels were acknowledged now or found on the topic."""
    waiting = outbox.waiting(most)
    if not waiting:
        return 0
    there = _already_there(waiting, source, topic)
    outbox.mark_sent(there)
    found = {label.label_id for label in there}
    rest = [label for label in waiting if label.label_id not in found]
    outbox.seek_from([label for label in rest if label.sought_from is None], source.end_offsets([topic])[topic])
    if rest:
        with open_sink() as sink:
            sink.send_many(topic, [label.key for label in rest], [label.value for label in rest])
            sink.flush()
        outbox.mark_sent(rest)
    return len(waiting)


def _already_there(waiting: Sequence[QueuedLabel], source: Source, topic: str) -> list[QueuedLabel]:
    doubtful = [label for label in waiting if label.sought_from is not None]
    if not doubtful:
        return []
    ends, earliest = source.end_offsets([topic])[topic], source.earliest_offsets([topic])[topic]
    start = {
        p: max(earliest[p], min(*((label.sought_from or {}).get(p, 0) for label in doubtful), ends[p])) for p in ends
    }
    messages: set[tuple[bytes, bytes]] = set()
    for table in source.read({topic: start}, {topic: ends}):
        messages |= set(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True))
    return [label for label in doubtful if (label.key, label.value) in messages]
