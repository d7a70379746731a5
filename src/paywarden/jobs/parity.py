"""Parity: what the stream decided, beside what a replay decides for the same events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.features.catalogue import Catalogue
from paywarden.features.events import Verdict
from paywarden.features.manifest import BatchManifest, batch_numbers
from paywarden.features.replay import replay
from paywarden.scoring.policy import DECISIONS
from paywarden.scoring.scorer import Scorer

_COORDINATES = ("topic", "partition", "offset")
_COLUMNS = {"raw_score": pa.float64(), "score": pa.float64(), "decision": pa.string(), "vector": pa.list_(pa.float32())}
SCORE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Parity:
    """How served decisions compare with replayed ones.

    ``compared`` stand in both; ``missing`` were replayed and not served, ``unexpected`` the reverse.
    ``vectors_differing`` counts rows in which any feature differs by a bit (NaN equals NaN); ``features_differing``
    counts them by feature.
    """

    compared: int
    missing: int
    unexpected: int
    vectors_differing: int
    largest_score_difference: float
    features_differing: dict[str, int]

    @property
    def exact(self) -> bool:
        """Whether every decision is in both, with equal vectors and scores equal to 1e-6."""
        strays = self.missing + self.unexpected + self.vectors_differing
        return strays == 0 and self.largest_score_difference <= SCORE_TOLERANCE

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return {**asdict(self), "exact": self.exact}


def replayed_decisions(
    transactions: pa.Table,
    labels: pa.Table,
    catalogue: Catalogue,
    manifests: Sequence[BatchManifest],
    scorer_of: Callable[[str], Scorer],
    *,
    honour_manifests: bool = True,
) -> pa.Table:
    """What a replay of the whole history decides for the transactions that the stream served.

    ``transactions`` and ``labels`` have their Kafka coordinates. What a manifest without a bundle covers (the state
    build) is folded and not decided; ``scorer_of(digest)`` gives the model of a manifest. Without
    ``honour_manifests`` events fold by arrival only. Columns: those of ``transactions``, ``raw_score``, ``score``,
    ``decision`` and ``vector``.
    """
    replayed = replay(transactions, labels, catalogue, manifests if honour_manifests else ())
    batches = batch_numbers(transactions, manifests)
    parts = []
    for digest in sorted({m.bundle_digest for m in manifests if m.bundle_digest}):
        of_model = np.isin(batches, [m.batch for m in manifests if m.bundle_digest == digest])
        rows = np.flatnonzero(of_model & (replayed.verdicts == Verdict.SCORED))
        scorer = scorer_of(digest)
        vectors = np.ascontiguousarray(replayed.features[rows][:, catalogue.columns(scorer.bundle.feature_names)])
        parts.append(_decided(transactions.take(pa.array(rows)), vectors, scorer))
    return pa.concat_tables(parts) if parts else _undecided(transactions.schema)


def compare(served: pa.Table, replayed: pa.Table, feature_names: Sequence[str]) -> Parity:
    """Hold served decisions (decoded, each once) against :func:`replayed_decisions`, by Kafka coordinates."""
    places = {place: row for row, place in enumerate(_places(served))}
    found = np.array([places.get(place, -1) for place in _places(replayed)], dtype=np.int64)
    both = found >= 0
    left, right = replayed.filter(pa.array(both)), served.take(pa.array(found[both]))
    width = len(feature_names)
    mine, theirs = _matrix(left, width), _matrix(right, width)
    unequal = (mine.view(np.int32) != theirs.view(np.int32)) & ~(np.isnan(mine) & np.isnan(theirs))
    difference = np.abs(left["score"].to_numpy() - right["score"].to_numpy())
    return Parity(
        compared=int(both.sum()),
        missing=int((~both).sum()),
        unexpected=served.num_rows - int(both.sum()),
        vectors_differing=int(unequal.any(axis=1).sum()),
        largest_score_difference=float(difference.max(initial=0.0)),
        features_differing={name: int(n) for name, n in zip(feature_names, unequal.sum(axis=0), strict=True) if n},
    )


def _decided(transactions: pa.Table, vectors: NDArray[np.float32], scorer: Scorer) -> pa.Table:
    scores = scorer.score(vectors)
    width = vectors.shape[1]
    columns = {
        "raw_score": pa.array(scores.raw),
        "score": pa.array(scores.score),
        "decision": pa.array(np.array(DECISIONS)[scores.decision]),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width).cast(_COLUMNS["vector"]),
    }
    for name, values in columns.items():
        transactions = transactions.append_column(name, values)
    return transactions


def _undecided(transactions: pa.Schema) -> pa.Table:
    """No decisions: of a stream that has not run a batch."""
    return pa.schema([*transactions, *_COLUMNS.items()]).empty_table()


def _places(table: pa.Table) -> list[tuple[str, int, int]]:
    return list(zip(*(table[name].to_pylist() for name in _COORDINATES), strict=True))


def _matrix(table: pa.Table, width: int) -> NDArray[np.float32]:
    vectors = table["vector"].combine_chunks()
    flat = vectors.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)  # null, the wire's NaN, becomes NaN
    return flat.astype(np.float32).reshape(-1, width)
