"""Batch manifests: what one micro-batch read and by what it decided, written before the batch does anything.

A retry obeys its manifest, so it decides as the first attempt did; an exact replay reads manifests for the order in
which events were folded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events.stream_minutes import BUCKETS_MS
from paywarden.features.state import BatchTag

NO_BATCH = np.iinfo(np.int64).max
"""The batch number of a row that no manifest covers: it sorts last."""


@dataclass(frozen=True, order=True)
class OffsetRange:
    """Offsets ``[start, end)`` of one topic partition."""

    topic: str
    partition: int
    start: int
    end: int


@dataclass(frozen=True)
class BatchManifest:
    """Everything that decides what a batch gives.

    ``batch`` 0 is a state build or a piece of its catching up, neither of which decides anything. ``from_empty`` says
    that the state held nothing before it. The shadow is a second model that decides the same rows without acting. The
    policy is made of the bundle's thresholds and of lists and rules, whose own digest is None where there are none.
    """

    stream_epoch: int
    batch: int
    ranges: tuple[OffsetRange, ...]
    state_layout: str
    bundle_version: str | None = None
    bundle_digest: str | None = None
    policy_digest: str | None = None
    from_empty: bool = False
    shadow_version: str | None = None
    shadow_digest: str | None = None
    rules_digest: str | None = None

    @property
    def tag(self) -> BatchTag:
        """The tag under which the batch writes state."""
        return BatchTag(self.stream_epoch, self.batch)

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> BatchManifest:
        """The manifest that :meth:`to_json` wrote."""
        fields = json.loads(text)
        ranges = tuple(OffsetRange(**item) for item in fields.pop("ranges"))
        return cls(ranges=ranges, **fields)


@dataclass(frozen=True)
class BatchOutcome:
    """What a batch gave: rows by outcome.

    ``shadows`` are decisions of a challenger, beside the others; ``declines`` are those of the alerts that decline.
    Latency is from Kafka timestamp to decision, milliseconds: ``latencies`` counts decisions by ``BUCKETS_MS``, to 5 %.
    ``latest_received_at`` is the newest arrival among the events decided.
    """

    decisions: int
    alerts: int
    duplicates: int
    labels: int
    repeated_labels: int
    dead_letters: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    latest_received_at: int | None
    shadows: int = 0
    declines: int = 0
    latencies: tuple[int, ...] = (0,) * (len(BUCKETS_MS) + 1)
    latency_total_ms: float = 0.0

    @property
    def by_decision(self) -> dict[str, int]:
        """How many of the acting decisions were which."""
        return {
            "approve": self.decisions - self.alerts,
            "review": self.alerts - self.declines,
            "decline": self.declines,
        }

    @property
    def inputs(self) -> int:
        """Input rows accounted for."""
        return self.decisions + self.duplicates + self.labels + self.repeated_labels + self.dead_letters


def batch_numbers(coordinates: pa.Table, manifests: Sequence[BatchManifest]) -> NDArray[np.int64]:
    """The batch of each row by ``topic``, ``partition`` and ``offset``, int64 ``[n]``; NO_BATCH where none has it."""
    batches = np.full(coordinates.num_rows, NO_BATCH, dtype=np.int64)
    partition, offset = (coordinates[name].to_numpy() for name in ("partition", "offset"))
    by_partition: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
    for manifest in manifests:
        for span in manifest.ranges:
            if span.end > span.start:
                by_partition.setdefault((span.topic, span.partition), []).append((span.start, span.end, manifest.batch))
    for (topic, number), spans in by_partition.items():
        starts, ends, numbers = (np.array(column, dtype=np.int64) for column in zip(*sorted(spans), strict=True))
        rows = np.flatnonzero(
            pc.equal(coordinates["topic"], topic).to_numpy(zero_copy_only=False) & (partition == number)
        )
        span = np.searchsorted(starts, offset[rows], side="right") - 1
        inside = (span >= 0) & (offset[rows] < ends[np.maximum(span, 0)])
        batches[rows[inside]] = numbers[span[inside]]
    return batches
