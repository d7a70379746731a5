"""Parity: what the stream decided, beside what a replay decides for the same events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import ContractMismatch
from paywarden.features.catalogue import Catalogue
from paywarden.features.events import Verdict
from paywarden.features.manifest import BatchManifest, batch_numbers
from paywarden.features.replay import Replay, replay
from paywarden.jobs.account import SHADOW, STREAM
from paywarden.jobs.epochs import lineages
from paywarden.scoring.policy import DECISIONS
from paywarden.scoring.scorer import Scorer

_COORDINATES = ("topic", "partition", "offset")
_COLUMNS = {
    "raw_score": pa.float64(),
    "score": pa.float64(),
    "decision": pa.string(),
    "bundle_digest": pa.string(),
    "vector": pa.list_(pa.float32()),
}
SCORE_TOLERANCE = 1e-6
_DIGEST_OF: dict[str, Callable[[BatchManifest], str | None]] = {
    STREAM: lambda manifest: manifest.bundle_digest,
    SHADOW: lambda manifest: manifest.shadow_digest,
}


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
    manifests: Sequence[BatchManifest],
    scorer_of: Callable[[str], Scorer],
    *,
    honour_manifests: bool = True,
    source: str = STREAM,
) -> pa.Table:
    """What replays of the whole history decide for the transactions that the stream served.

    ``transactions`` and ``labels`` have their Kafka coordinates. ``scorer_of(digest)`` gives the model of a manifest,
    whose bundle carries its catalogue; each state is replayed by the manifests that made it, over all its stream
    epochs. What a manifest without a bundle covers (a state build, a piece of its catching up) is folded and not
    decided. Without ``honour_manifests`` events fold by arrival only. ``source`` says whose decisions: the acting
    model's, or the shadow's. Columns: those of ``transactions``, ``raw_score``, ``score``, ``decision``,
    ``bundle_digest`` and ``vector``.
    """
    parts, digest_of = [], _DIGEST_OF[source]
    for lineage in lineages(manifests):
        batches = batch_numbers(transactions, lineage)
        replays: dict[Catalogue, Replay] = {}
        for digest in sorted({digest for m in lineage if (digest := digest_of(m))}):
            scorer = scorer_of(digest)
            catalogue = _catalogue_of(scorer)
            if catalogue not in replays:
                replays[catalogue] = replay(transactions, labels, catalogue, lineage if honour_manifests else ())
            replayed = replays[catalogue]
            of_model = np.isin(batches, [m.batch for m in lineage if digest_of(m) == digest])
            rows = np.flatnonzero(of_model & (replayed.verdicts == Verdict.SCORED))
            vectors = np.ascontiguousarray(replayed.features[rows][:, catalogue.columns(scorer.bundle.feature_names)])
            parts.append(_decided(transactions.take(pa.array(rows)), vectors, scorer))
    return pa.concat_tables(parts) if parts else _undecided(transactions.schema)


def _catalogue_of(scorer: Scorer) -> Catalogue:
    if scorer.bundle.catalogue is None:
        raise ContractMismatch("the model bundle carries no catalogue of features, so it cannot be replayed")
    return scorer.bundle.catalogue


def compare(served: pa.Table, replayed: pa.Table, feature_names: Mapping[str, Sequence[str]]) -> Parity:
    """Hold served decisions (decoded, each once, of one source) against :func:`replayed_decisions`.

    They are matched by model and Kafka coordinates. Answers of the API cannot be held so: of the batches that wrote
    what it read they know nothing. ``feature_names`` are those of each model, by the digest of its bundle; what another
    model served is unexpected.
    """
    parts = [
        _compare_one(_of_bundle(served, digest), _of_bundle(replayed, digest), names)
        for digest, names in feature_names.items()
    ]
    compared = sum(part.compared for part in parts)
    differing: Counter[str] = Counter()
    for part in parts:
        differing.update(part.features_differing)
    return Parity(
        compared=compared,
        missing=replayed.num_rows - compared,
        unexpected=served.num_rows - compared,
        vectors_differing=sum(part.vectors_differing for part in parts),
        largest_score_difference=float(np.max([part.largest_score_difference for part in parts], initial=0.0)),
        features_differing=dict(differing),
    )


def _of_bundle(table: pa.Table, digest: str) -> pa.Table:
    return table.filter(pc.equal(table["bundle_digest"], digest))


def _compare_one(served: pa.Table, replayed: pa.Table, feature_names: Sequence[str]) -> Parity:
    """One model's decisions."""
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
    scores = scorer.score(vectors, transactions["transaction_id"])
    width = vectors.shape[1]
    columns = {
        "raw_score": pa.array(scores.raw),
        "score": pa.array(scores.score),
        "decision": pa.array(np.array(DECISIONS)[scores.decision]),
        "bundle_digest": pa.array([scorer.bundle.digest] * len(vectors), pa.string()),
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
