"""A lake as an archiver leaves it, filled from tables, for tests that need no broker."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.jobs.archive import REJECT_COLUMNS

PARTITIONS = 2


def archive_table(lake: DeltaLake, topic: str, rows: pa.Table) -> None:
    """The rows are in the topic's table, after what it holds, turn by turn from each of the partitions."""
    known = lake.next_offsets(topic, PARTITIONS)
    number = np.arange(rows.num_rows)
    partition = number % PARTITIONS
    first = np.array([known[p] or 0 for p in range(PARTITIONS)])
    coordinates = {
        "topic": pa.array([topic] * rows.num_rows),
        "partition": pa.array(partition, pa.int32()),
        "offset": pa.array(first[partition] + number // PARTITIONS, pa.int64()),
        "timestamp": rows["received_at"],
        **{name: pa.nulls(rows.num_rows, pa.string()) for name in REJECT_COLUMNS},
    }
    for name, values in coordinates.items():
        rows = rows.append_column(name, values)
    ends = {p: int(first[p] + (partition == p).sum()) for p in range(PARTITIONS)}
    lake.append(topic, rows, known, ends)
