"""Dead letters: a refused record goes on with its key and value untouched, and headers that say where and why.

The header names are those of Kafka Connect's dead letter queue (``DeadLetterQueueReporter``), so that its tools read
ours too; numbers are decimal text, as there. ``paywarden.errors.reason`` adds the stable code to Connect's free text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Headers = list[tuple[str, bytes]]

PREFIX = "__connect.errors."
REASON_HEADER = "paywarden.errors.reason"
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
