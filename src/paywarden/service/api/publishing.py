"""The worker's thread that hands kept decisions on to Kafka, one worker at a time."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from paywarden.errors import PaywardenError
from paywarden.events.kept_answer import Record

_AT_ONCE = 1_000
_PAUSE_SECONDS = 0.02
"""Between two looks: how long a decision waits at most before it is on its way."""
_RETRY_SECONDS = 1.0
_FLUSH_SECONDS = 10.0


class Outbox(Protocol):
    """Records that wait, in the order in which they came."""

    def outbox(self, most: int) -> list[tuple[int, Record]]:
        """The oldest ones, numbered."""

    def sent(self, numbers: Sequence[int]) -> None:
        """Forget those that were acknowledged."""


class Sink(Protocol):
    """Acknowledged delivery."""

    def send_many(self, topic: str, keys: Sequence[bytes | None], values: Sequence[bytes]) -> None:
        """Queue records."""

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Return once all are acknowledged."""


class Publisher:
    """Publishes until it is stopped, and then what still waits. A record that is not acknowledged is sent again.

    The workers of a machine share the outbox; whoever holds the lock publishes, and the kernel frees it with its
    holder's death.
    """

    def __init__(self, outbox: Outbox, sink: Callable[[], Sink], lock: Path, warn: Callable[[str], None]) -> None:
        self._outbox = outbox
        self._make_sink = sink
        self._sink: Sink | None = None
        self._lock = lock
        self._warn = warn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Publish what waits, if Kafka takes it, and end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self._lock.open("w") as file:
            while not _taken(file.fileno()):
                if self._stop.wait(_RETRY_SECONDS):
                    return  # the worker that publishes will also hand on what this one has kept
            warned = ""
            while True:
                stopping = self._stop.is_set()
                try:
                    sent, warned = self._publish(), ""
                except PaywardenError as error:
                    sent = 0
                    if str(error) != warned:
                        self._warn(f"decisions wait to be published: {error}")
                    warned = str(error)
                if stopping and (not sent or warned):
                    return
                if not sent:
                    self._stop.wait(_RETRY_SECONDS if warned else _PAUSE_SECONDS)

    def _publish(self) -> int:
        """How many records were acknowledged."""
        waiting = self._outbox.outbox(_AT_ONCE)
        if not waiting:
            return 0
        if self._sink is None:
            self._sink = self._make_sink()
        by_topic: dict[str, list[Record]] = {}
        for _, record in waiting:
            by_topic.setdefault(record.topic, []).append(record)
        for topic, records in by_topic.items():
            self._sink.send_many(topic, [r.key for r in records], [r.value for r in records])
        self._sink.flush(_FLUSH_SECONDS)
        self._outbox.sent([number for number, _ in waiting])
        return len(waiting)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
