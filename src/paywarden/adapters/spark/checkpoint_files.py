"""Spark's checkpoint as files that can be mended: torn ones are found, a lost plan is written anew.

Spark renames its files into place but does not sync them, so a machine that loses power may leave an empty last one.
Formats are Spark's OffsetSeqLog and CommitLog, v1. A file that is written here has no checksum file beside it, which
Hadoop's local file system reads as it is.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paywarden.adapters.spark.checkpoint import last_batch, last_commit, logged
from paywarden.errors import EnvironmentNotReady, StreamError
from paywarden.features.manifest import OffsetRange

_METADATA = '{"batchWatermarkMs":0,"batchTimestampMs":0,"conf":{"spark.sql.shuffle.partitions":"200"}}'
"""Of a batch without any before it, with Spark's own default. Spark 4.2 compares the number with that of the batch
before, and ends where a batch that is not committed has none."""
_COMMITTED = '{"nextBatchWatermarkMs":0}'


@dataclass(frozen=True)
class CheckpointFiles:
    """The logs of offsets and commits under a checkpoint's directory. Batches have Spark's numbers, from 0 on."""

    root: Path

    def last_planned(self) -> int | None:
        """The newest batch whose offsets were logged, readable or not; None in a fresh or lost checkpoint."""
        return last_batch(self.root)

    def torn_plan(self) -> int | None:
        """The newest batch, where its offsets cannot be read."""
        newest = self.last_planned()
        if newest is None:
            return None
        try:
            logged(self.root, newest)
        except EnvironmentNotReady:
            return newest
        return None

    def torn_commit(self) -> int | None:
        """The batch committed last, where that note cannot be read."""
        newest = last_commit(self.root)
        if newest is None:
            return None
        try:
            json.loads((self.root / "commits" / str(newest)).read_text().splitlines()[1])
        except (OSError, IndexError, ValueError):
            return newest
        return None

    def forget_commit(self, batch_id: int) -> None:
        """Remove a commit, so that its batch is run again."""
        self._remove("commits", batch_id)

    def forget_plan(self, batch_id: int) -> None:
        """Remove the offsets of a batch, so that it is planned anew."""
        self._remove("offsets", batch_id)

    def plan(self, batch_id: int, ranges: Sequence[OffsetRange]) -> None:
        """Log the offsets of a batch, and in a checkpoint without any those of the batch before it, as committed."""
        self._name()
        if batch_id > 0 and self.last_planned() is None:
            self._write("offsets", batch_id - 1, _METADATA, _offsets(ranges, "start"))
            self._write("commits", batch_id - 1, _COMMITTED)
        self._write("offsets", batch_id, self._metadata(batch_id - 1), _offsets(ranges, "end"))

    def _metadata(self, batch_id: int) -> str:
        """What Spark noted of a batch beside its offsets; what it would, where that cannot be read."""
        try:
            noted = (self.root / "offsets" / str(batch_id)).read_text().splitlines()[1]
            json.loads(noted)["conf"]["spark.sql.shuffle.partitions"]
        except (OSError, IndexError, ValueError, KeyError, TypeError):
            return _METADATA
        return noted

    def _name(self) -> None:
        """Write the query's id where it is lost: Spark refuses logs without one. The same place, the same id."""
        path = self.root / "metadata"
        try:
            json.loads(path.read_text())["id"]
        except (OSError, ValueError, KeyError, TypeError):
            self._put(path, json.dumps({"id": str(uuid.uuid5(uuid.NAMESPACE_URL, self.root.absolute().as_uri()))}))

    def _write(self, log: str, batch_id: int, *lines: str) -> None:
        self._put(self.root / log / str(batch_id), "\n".join(("v1", *lines)))

    def _put(self, path: Path, text: str) -> None:
        """Write a file in one step, without the checksum of the one that was there."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
            draft = path.with_name(f".{path.name}.draft")
            with draft.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise StreamError(f"the checkpoint at {self.root} cannot be mended: {error}") from error

    def _remove(self, log: str, batch_id: int) -> None:
        for name in (str(batch_id), f".{batch_id}.crc"):
            (self.root / log / name).unlink(missing_ok=True)


def _offsets(ranges: Sequence[OffsetRange], which: str) -> str:
    """One line of the log: topic, partition, offset."""
    found: dict[str, dict[str, int]] = {}
    for span in sorted(ranges):
        found.setdefault(span.topic, {})[str(span.partition)] = getattr(span, which)
    return json.dumps(found, separators=(",", ":"))
