"""Vectors in, scores, decisions and reasons out: what stream, service and back-test all call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.errors import ContractMismatch
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.bundle_files import MANIFEST
from paywarden.scoring.policy import Policy
from paywarden.scoring.reasons import Reason


@dataclass(frozen=True)
class Scores:
    """The outcome for N vectors, aligned with them.

    `raw` float64 [N] log-odds, `score` float64 [N] calibrated probability of fraud, `decision` int8 [N] codes of
    :mod:`paywarden.scoring.policy` (0 approve, 1 review, 2 decline), `propensity` float64 [N] the share at which a
    would-be decline was let through, 1 for all others.
    """

    raw: NDArray[np.float64]
    score: NDArray[np.float64]
    decision: NDArray[np.int8]
    propensity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.raw)


class Scorer:
    """A bundle made ready to score, under its own policy or the one given. Safe to share between threads.

    The booster is loaded once, here. Raises BundleError or ContractMismatch where it cannot serve.
    """

    def __init__(self, bundle: ModelBundle, policy: Policy | None = None, threads: int = 1) -> None:
        self.bundle = bundle
        self.policy = policy or bundle.policy
        self._booster = bundle.load_booster(threads)

    def score(self, features: NDArray[np.float32], transaction_ids: pa.Array | pa.ChunkedArray | None = None) -> Scores:
        """Scores and decisions of float32 vectors [N, F] in contract order, NaN meaning absent.

        `transaction_ids` are needed only by a policy that lets a share of its declines through. A row's outcome does
        not depend on the other rows. Raises ContractMismatch for another shape or dtype, or missing ids.
        """
        raw = self._booster.predict_margin(self._encoded(features))
        decision = self.policy.decide(raw)
        propensity = self.policy.let_through(decision, transaction_ids)
        return Scores(raw=raw, score=self.bundle.calibrator.apply(raw), decision=decision, propensity=propensity)

    def explain(self, features: NDArray[np.float32], top: int = 3) -> list[tuple[Reason, ...]]:
        """At most `top` reasons for each of the vectors [n, F], strongest first.

        Meant for alerts: it costs some two hundred times a score. A reason tells what the booster saw: of a category
        its rate of fraud, not its code.
        """
        vectors = self._encoded(features)
        contributions = self._booster.contributions(vectors)
        return self.bundle.reasons.explain_many(self.bundle.feature_names, contributions, vectors, top)

    def explain_alerts(self, features: NDArray[np.float32], alerted: NDArray[np.bool_]) -> list[list[dict[str, str]]]:
        """The reasons of each of the vectors [n, F] as decisions bear them (code, text); none where `alerted` is not.

        The other rows are not explained, since that costs far more than scoring.
        """
        said: list[list[dict[str, str]]] = [[] for _ in features]
        rows = np.flatnonzero(alerted)
        if len(rows):
            for row, found in zip(rows.tolist(), self.explain(features[rows]), strict=True):
                said[row] = [{"code": reason.code, "text": reason.text} for reason in found]
        return said

    def _encoded(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.bundle.encoder.apply(self.bundle.feature_names, self._checked(features))

    def _checked(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        expected = len(self.bundle.feature_names)
        if features.ndim != 2 or features.shape[1] != expected or features.dtype != np.float32:
            raise ContractMismatch(
                f"The model takes float32 vectors [N, {expected}], got {features.dtype} {list(features.shape)}. "
                "Use the catalogue it was trained with."
            )
        return np.ascontiguousarray(features)


def cached_scorer(files: Mapping[str, bytes], policy: Policy | None = None, threads: int = 1) -> Scorer:
    """The scorer of a broadcast bundle (`ModelBundle.to_files()`), verified and loaded once in a process.

    A Spark worker calls this for every task: only a new manifest, policy or thread count loads anything. The last four
    are kept, so that a hot swap does not thrash while batches of both models are under way.
    """
    return _cached_scorer(_ByManifest(files), policy, threads)


class _ByManifest:
    """The files of a bundle, equal and hashed by their manifest, which fixes every other byte."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self._key = files.get(MANIFEST, b"")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByManifest) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=4)
def _cached_scorer(keyed: _ByManifest, policy: Policy | None, threads: int) -> Scorer:
    return Scorer(ModelBundle.from_files(keyed.files), policy, threads)
