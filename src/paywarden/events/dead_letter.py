"""Dead letters: a refused record goes on with its key and value untouched, and headers that say where and why.

The header names are those of Kafka Connect's dead letter queue (``DeadLetterQueueReporter``), so that its tools read
ours too; numbers are decimal text, as there. ``paywarden.errors.reason`` adds the stable code to Connect's free text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

Headers = list[tuple[str, bytes]]

PREFIX = "__connect.errors."
REASON_HEADER = "paywarden.errors.reason"
REDRIVEN_HEADER = "paywarden.redriven.from"
"""Of a record that is sent again after a fix: the dead letter it comes from, as topic/partition/offset."""
REDRIVEN_AT_HEADER = "paywarden.redriven.at"
"""When it was sent again, epoch ms in decimal text."""
UNKNOWN_REASON = "unknown"
"""Of a record on the dead-letter topic that bears no headers of ours."""
STAGE = b"VALUE_CONVERTER"  # Connect's name for the step that reads a value


def dead_letter_headers(
    topics: Iterable[str],
    partitions: Iterable[int],
    offsets: Iterable[int],
    reasons: Iterable[str],
    details: Iterable[str],
    original: Sequence[Headers] | None = None,
) -> list[Headers]:
    """Headers of each dead letter, from the coordinates of the refused records and their reasons, all of one length.

    ``reasons`` and ``details`` are those of :class:`~paywarden.events.validation.Parsed`. ``original`` headers, where
    given, come first and stay as they are.
    """
    rows = zip(topics, partitions, offsets, reasons, details, strict=True)
    ours = [
        [
            (f"{PREFIX}topic", topic.encode()),
            (f"{PREFIX}partition", b"%d" % partition),
            (f"{PREFIX}offset", b"%d" % offset),
            (f"{PREFIX}stage", STAGE),
            (f"{PREFIX}exception.message", f"{reason}: {detail}".encode()),
            (REASON_HEADER, reason.encode()),
        ]
        for topic, partition, offset, reason, detail in rows
    ]
    return ours if original is None else [before + added for before, added in zip(original, ours, strict=True)]


@dataclass(frozen=True)
class DeadLetter:
    """A record of a dead-letter topic: where it lies, its bytes, and what its headers say of the original.

    ``refused_at`` is the dead letter's own time, epoch ms. ``origin`` is topic, partition and offset of the refused
    record; None, with reason ``unknown``, where somebody else put the record there.
    """

    topic: str
    partition: int
    offset: int
    refused_at: int
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str
    origin: tuple[str, int, int] | None

    @property
    def place(self) -> str:
        """Where it lies: topic/partition/offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def redriven_headers(self, at_ms: int) -> Headers:
        """The headers of the original when it is sent again."""
        return [(REDRIVEN_HEADER, self.place.encode()), (REDRIVEN_AT_HEADER, b"%d" % at_ms)]


def read_dead_letters(records: pa.Table) -> Iterator[DeadLetter]:
    """The dead letters in Kafka rows (topic, partition, offset, timestamp, key, value, headers)."""
    columns = ("topic", "partition", "offset", "timestamp", "key", "value")
    rows = zip(*(records[name].to_pylist() for name in columns), strict=True)
    for (topic, partition, offset, at, key, value), pairs in zip(rows, records["headers"].to_pylist(), strict=True):
        reason, detail, origin = _told({pair["key"]: pair["value"] or b"" for pair in pairs or []})
        yield DeadLetter(topic, partition, offset, at, key, value, reason, detail, origin)


def _told(headers: dict[str, bytes]) -> tuple[str, str, tuple[str, int, int] | None]:
    """Reason, detail and origin; headers may be anybody's."""
    reason = headers.get(REASON_HEADER, UNKNOWN_REASON.encode()).decode(errors="replace")
    detail = headers.get(f"{PREFIX}exception.message", b"").decode(errors="replace").removeprefix(f"{reason}: ")
    try:
        where = (int(headers[f"{PREFIX}partition"]), int(headers[f"{PREFIX}offset"]))
        return reason, detail, (headers[f"{PREFIX}topic"].decode(), *where)
    except (KeyError, ValueError):
        return reason, detail, None
