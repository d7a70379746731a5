"""Kafka as the archive reads it: by explicit offsets, to a fixed end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from paywarden.adapters.kafka.admin import earliest_offsets, end_offsets
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.consumer import RECORD_SCHEMA, RECORD_SCHEMA_WITH_HEADERS, KafkaBatchReader

Offsets = dict[str, dict[int, int]]


@dataclass(frozen=True)
class KafkaSource:
    """Offsets and bounded reads of a cluster. Guarantee: every record between the offsets, once, in partition order."""

    connection: KafkaConnection
    headers: bool = False

    def end_offsets(self, topics: list[str]) -> Offsets:
        """Topic → partition → the offset after the last record."""
        return end_offsets(self.connection, topics)

    def earliest_offsets(self, topics: list[str]) -> Offsets:
        """Topic → partition → the first offset still there."""
        return earliest_offsets(self.connection, topics)

    def read(self, start: Offsets, end: Offsets) -> Iterator[pa.Table]:
        """Everything from ``start`` up to ``end`` (exclusive), in tables of bounded size."""
        with KafkaBatchReader(self.connection, list(end), start=start, end=end, with_headers=self.headers) as reader:
            yield from reader

    def read_all(self, topic: str) -> pa.Table:
        """Everything that the topic holds now, in one table."""
        earliest, ends = self.earliest_offsets([topic]), self.end_offsets([topic])
        tables = list(self.read(earliest, ends))
        schema = RECORD_SCHEMA_WITH_HEADERS if self.headers else RECORD_SCHEMA
        return pa.concat_tables([schema.empty_table(), *tables])
