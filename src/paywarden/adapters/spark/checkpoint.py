"""What Spark's checkpoint says: the offsets of a micro-batch, logged before it runs.

Format: ``offsets/<batch>`` holds a version line, a metadata line and one line a source, for Kafka
``{topic: {partition: end offset}}`` (Spark's OffsetSeqLog, v1).
"""

from __future__ import annotations

import json
from pathlib import Path

from paywarden.errors import EnvironmentNotReady
from paywarden.features.manifest import OffsetRange

TopicOffsets = dict[str, dict[int, int]]


def batch_ranges(checkpoint: Path, batch_id: int, starting: TopicOffsets) -> tuple[OffsetRange, ...]:
    """The offsets of a batch: from the end of the one before it (``starting`` for the first) to its own end.

    Raises EnvironmentNotReady where the log cannot be read.
    """
    end = logged(checkpoint, batch_id)
    start = logged(checkpoint, batch_id - 1) if batch_id > 0 else starting
    return tuple(
        OffsetRange(topic, partition, start.get(topic, {}).get(partition, 0), offset)
        for topic, partitions in sorted(end.items())
        for partition, offset in sorted(partitions.items())
    )


def last_batch(checkpoint: Path) -> int | None:
    """The newest batch that the checkpoint has planned, None in a fresh one."""
    return _newest(checkpoint / "offsets")


def last_commit(checkpoint: Path) -> int | None:
    """The newest batch that the checkpoint says is done, None where none is."""
    return _newest(checkpoint / "commits")


def _newest(log: Path) -> int | None:
    return max((int(path.name) for path in log.glob("*") if path.name.isdigit()), default=None)


def logged(checkpoint: Path, batch_id: int) -> TopicOffsets:
    """Where a batch ends. Raises EnvironmentNotReady where its offsets cannot be read."""
    path = checkpoint / "offsets" / str(batch_id)
    try:
        sources = path.read_text().splitlines()[2:]
        parsed = json.loads(sources[0])
    except (OSError, IndexError, ValueError) as error:
        raise EnvironmentNotReady(f"cannot read the offsets of batch {batch_id} in {path}: {error}") from error
    return {topic: {int(p): int(o) for p, o in partitions.items()} for topic, partitions in parsed.items()}
