"""Archive: from Kafka to the lake, each offset exactly once.

Transactions and labels are validated and stored in columns; what fails validation is stored in the same table with
its original bytes and the reason. Other topics are stored as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from paywarden.errors import StaleArchiver

REJECT_COLUMNS = ("reject_reason", "reject_detail", "raw_key", "raw_value")

Columns = Callable[[pa.Table], pa.Table]
"""From Kafka rows (topic, partition, offset, timestamp, key, value) to the rows of the topic's table."""


class Source(Protocol):
    """Kafka, read by offsets."""

    def end_offsets(self, topics: list[str]) -> dict[str, dict[int, int]]:
        """Topic → partition → the offset after the last record."""

    def earliest_offsets(self, topics: list[str]) -> dict[str, dict[int, int]]:
        """Topic → partition → the first offset still there."""

    def read(self, start: dict[str, dict[int, int]], end: dict[str, dict[int, int]]) -> Iterator[pa.Table]:
        """Everything between the offsets, in tables of bounded size."""


class Lake(Protocol):
    """One table a topic; see ``adapters.lake.delta_lake``."""

    def next_offsets(self, topic: str, partitions: int) -> dict[int, int | None]:
        """Partition → next offset, None before the first."""

    def append(self, topic: str, rows: pa.Table, start: Mapping[int, int | None], end: Mapping[int, int]) -> int:
        """Append rows and offsets in one commit; the new version."""


@dataclass(frozen=True)
class Archived:
    """What one run moved, by topic: rows and how many of them were rejected."""

    rows: dict[str, int]
    rejected: dict[str, int]


def archive(
    source: Source,
    lake: Lake,
    columns: Mapping[str, Columns],
    *,
    rows_per_commit: int = 500_000,
    progress: Callable[[str, int, int], None] = lambda _topic, _done, _total: None,
) -> Archived:
    """Bring every topic of ``columns`` from where the lake stands to the present end of Kafka.

    ``progress(topic, rows done, rows in all)`` is called when a topic begins and after each commit. Run it again at
    any time: it goes on where it was, also after a crash.
    """
    topics = list(columns)
    ends, earliest = source.end_offsets(topics), source.earliest_offsets(topics)
    rows: dict[str, int] = {}
    rejected: dict[str, int] = {}
    for topic in topics:
        known = lake.next_offsets(topic, len(ends[topic]))
        start = {p: earliest[topic][p] if known[p] is None else int(known[p] or 0) for p in ends[topic]}
        total = sum(ends[topic][p] - start[p] for p in ends[topic])
        rows[topic] = rejected[topic] = 0
        progress(topic, 0, total)
        for chunk in _chunks(source.read({topic: start}, {topic: ends[topic]}), rows_per_commit):
            stored = columns[topic](chunk)
            reached = _next_offsets(chunk)
            lake.append(topic, stored, {p: known[p] for p in reached}, reached)
            known |= reached
            rows[topic] += chunk.num_rows
            if "reject_reason" in stored.schema.names:
                rejected[topic] += stored.num_rows - stored["reject_reason"].null_count
            progress(topic, rows[topic], total)
    return Archived(rows, rejected)


_ATTEMPTS = 5


def archive_beside_others(
    source: Source,
    lake: Lake,
    columns: Mapping[str, Columns],
    *,
    progress: Callable[[str, int, int], None] = lambda _topic, _done, _total: None,
) -> Archived:
    """As :func:`archive`, where others archive too: who finds the lake moved on reads again from where it stands.

    The rows counted are those of the last reading. Raises StaleArchiver where others were quicker again and again.
    """
    for _ in range(_ATTEMPTS - 1):
        with suppress(StaleArchiver):
            return archive(source, lake, columns, progress=progress)
    return archive(source, lake, columns, progress=progress)


def _chunks(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of about ``size``: few large commits instead of many small files."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(part.num_rows for part in held) >= size:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _next_offsets(chunk: pa.Table) -> dict[int, int]:
    latest = chunk.group_by("partition").aggregate([("offset", "max")])
    return {
        int(p): int(o) + 1 for p, o in zip(*(latest[c].to_pylist() for c in ("partition", "offset_max")), strict=True)
    }


def valid_rows(table: pa.Table) -> pa.Table:
    """The rows of a typed table that passed validation, without the columns of rejects."""
    valid = table.filter(pc.is_null(table["reject_reason"]))
    return valid.drop_columns(list(REJECT_COLUMNS))
