"""Accounting: every input offset of the stream ended as exactly one thing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.events.decision import of_source
from paywarden.features.manifest import BatchManifest, OffsetRange

COORDINATES = ("topic", "partition", "offset")
STREAM, SHADOW = "stream", "shadow"
"""Sources of decisions: the model that acts, and the one beside it."""


@dataclass(frozen=True)
class Account:
    """Input offsets by what became of them.

    ``inputs`` were planned in manifests; ``unaccounted`` of them have no outcome, ``contradictory`` have two different
    ones, ``stray`` outcomes belong to no input. ``redelivered`` counts records that repeat an outcome (a retried
    batch), which consumers drop. ``conflicting_decisions`` counts decision ids that came with different scores.
    ``shadows`` are decisions of a challenger, each once: they act on nothing and account for no input.
    """

    inputs: int
    decisions: int
    dead_letters: int
    duplicates: int
    labels: int
    repeated_labels: int
    unaccounted: int
    contradictory: int
    stray: int
    redelivered: int
    conflicting_decisions: int
    shadows: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing was lost, doubled or decided twice differently."""
        return not (self.unaccounted or self.contradictory or self.stray or self.conflicting_decisions)

    def to_dict(self) -> dict[str, int | bool]:
        """As a JSON document."""
        return {**asdict(self), "complete": self.complete}


def account(
    manifests: Sequence[BatchManifest], decisions: pa.Table, outcomes: pa.Table, dead_letters: pa.Table
) -> Account:
    """Hold what the stream sent against what its manifests say it read.

    ``decisions`` are decoded predictions as delivered (repeats included), of which those that the stream made account
    for inputs; ``outcomes`` have the columns ``outcome``, ``topic``, ``partition``, ``offset``; ``dead_letters`` the
    coordinates of their originals.
    """
    said = pa.concat_tables(
        [
            _marked(of_source(decisions, STREAM), "decision"),
            outcomes.select([*COORDINATES, "outcome"]),
            _marked(dead_letters, "dead_letter"),
        ],
        promote_options="permissive",
    )
    distinct = said.group_by([*COORDINATES, "outcome"]).aggregate([([], "count_all")])
    places = distinct.group_by(list(COORDINATES)).aggregate([("outcome", "count")])
    planned = _within(places, [span for m in manifests if m.bundle_digest for span in m.ranges])
    inputs = sum(span.end - span.start for m in manifests if m.bundle_digest for span in m.ranges)
    by_outcome = {name: pc.sum(pc.equal(distinct["outcome"], name)).as_py() or 0 for name in _KINDS}
    scores = decisions.select(["decision_id", "score"]).group_by("decision_id").aggregate([("score", "count_distinct")])
    return Account(
        inputs=inputs,
        **{_KINDS[name]: int(count) for name, count in by_outcome.items()},
        unaccounted=inputs - int(planned.sum()),
        contradictory=pc.sum(pc.greater(places["outcome_count"], 1)).as_py() or 0,
        stray=int((~planned).sum()),
        redelivered=said.num_rows - distinct.num_rows,
        conflicting_decisions=pc.sum(pc.greater(scores["score_count_distinct"], 1)).as_py() or 0,
        shadows=pc.count_distinct(of_source(decisions, SHADOW)["decision_id"]).as_py(),
    )


_KINDS = {
    "decision": "decisions",
    "dead_letter": "dead_letters",
    "duplicate": "duplicates",
    "label": "labels",
    "repeated_label": "repeated_labels",
}


def first_by(table: pa.Table, column: str) -> pa.Table:
    """The first row of each value of a column, in order: what an upserting consumer keeps."""
    rows = pa.table({column: table[column], "row": pa.array(np.arange(table.num_rows))})
    first = rows.group_by(column).aggregate([("row", "min")])["row_min"]
    return table.take(first.combine_chunks().sort())


def _marked(table: pa.Table, outcome: str) -> pa.Table:
    return table.select(list(COORDINATES)).append_column("outcome", pa.array([outcome] * table.num_rows, pa.string()))


def _within(places: pa.Table, ranges: Iterable[OffsetRange]) -> np.ndarray:
    """Which coordinates lie in one of the ranges."""
    topics = places["topic"].to_numpy(zero_copy_only=False)
    partitions, offsets = (places[name].to_numpy() for name in ("partition", "offset"))
    inside = np.zeros(places.num_rows, dtype=bool)
    merged: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for span in sorted(ranges):
        merged.setdefault((span.topic, span.partition), []).append((span.start, span.end))
    for (topic, partition), spans in merged.items():
        here = (topics == topic) & (partitions == partition)
        # A stream reads a partition without gaps, so its ranges are one.
        inside |= here & (offsets >= spans[0][0]) & (offsets < spans[-1][1])
    return inside
