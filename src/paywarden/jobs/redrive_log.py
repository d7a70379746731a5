"""Which dead letters have been sent again, kept in a compacted topic, so that none is sent twice by mistake.

A parcel of letters is announced before it is sent, with the ends of the topics it goes to, and noted letter by letter
once all are acknowledged. After a crash in between, the announced topics are read from those ends on: whatever bears
the header of a letter did arrive.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from paywarden.events.dead_letter import REDRIVEN_HEADER, DeadLetter
from paywarden.jobs.archive import Source
from paywarden.jobs.epochs import TopicOffsets


class Sender(Protocol):
    """Acknowledged delivery."""

    def send_many(
        self,
        topic: str,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        timestamps_ms: Sequence[int] | None = None,
        headers: Sequence[Sequence[tuple[str, bytes]]] | None = None,
    ) -> None:
        """Queue records."""

    def flush(self) -> None:
        """Return once everything sent is acknowledged."""


class RedriveLog:
    """The log of one dead-letter topic in ``log_topic``. Reading it settles what a crash left open."""

    def __init__(self, source: Source, sender: Sender, dead_letters: str, log_topic: str) -> None:
        self._source = source
        self._sender = sender
        self._log_topic = log_topic
        self._announcement = f"{dead_letters}/announced".encode()
        self._done, self._announced = self._read(f"{dead_letters}/".encode())

    def __contains__(self, letter: DeadLetter) -> bool:
        """Whether this letter has been sent again."""
        return letter.place in self._done

    def settle(self) -> int:
        """Find out which letters of an interrupted parcel did arrive, and note them; how many."""
        if self._announced is None:
            return 0
        places, ends = set(self._announced["letters"]), self._announced["ends"]
        since = {topic: {int(number): end for number, end in parts.items()} for topic, parts in ends.items()}
        arrived = sorted(places & self._arrived_since(since))
        self._note(arrived)
        return len(arrived)

    def announce(self, letters: Sequence[DeadLetter]) -> None:
        """These letters are about to be sent to the topics they came from."""
        topics = sorted({letter.origin[0] for letter in letters if letter.origin})
        document = {"letters": [letter.place for letter in letters], "ends": self._source.end_offsets(topics)}
        self._sender.send_many(self._log_topic, [self._announcement], [json.dumps(document).encode()])
        self._sender.flush()

    def note(self, letters: Sequence[DeadLetter]) -> None:
        """These letters have been sent, and were acknowledged."""
        self._note([letter.place for letter in letters])

    def _note(self, places: Sequence[str]) -> None:
        keys = [*(place.encode() for place in places), self._announcement]
        values = [*(b"sent" for _ in places), None]
        self._sender.send_many(self._log_topic, keys, values)
        self._sender.flush()
        self._done |= set(places)
        self._announced = None

    def _read(self, prefix: bytes) -> tuple[set[str], dict[str, Any] | None]:
        done: set[str] = set()
        announced = None
        topics = [self._log_topic]
        for table in self._source.read(self._source.earliest_offsets(topics), self._source.end_offsets(topics)):
            for key, value in zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True):
                if key == self._announcement:
                    announced = json.loads(value) if value else None
                elif key is not None and key.startswith(prefix) and value:
                    done.add(key.decode())
        return done, announced

    def _arrived_since(self, since: TopicOffsets) -> set[str]:
        """The places that records of these topics name in their headers, from these offsets on."""
        topics = list(since)
        earliest, ends = self._source.earliest_offsets(topics), self._source.end_offsets(topics)
        start = {t: {p: max(since[t].get(p, 0), first) for p, first in earliest[t].items()} for t in topics}
        found = set()
        for table in self._source.read(start, ends):
            for headers in table["headers"].to_pylist():
                found |= {pair["value"].decode() for pair in headers or [] if pair["key"] == REDRIVEN_HEADER}
        return found
