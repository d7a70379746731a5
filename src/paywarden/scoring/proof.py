"""The proof that a model can serve: it scores and explains once, before any payment depends on it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from paywarden.errors import BundleError
from paywarden.scoring.scorer import Scorer


def prove(scorer: Scorer) -> None:
    """Nothing, where the model scores and explains a vector of zeros and one of absent values.

    What is compiled or loaded at first use has been, after this. Raises BundleError where a score is no probability.
    """
    width = len(scorer.bundle.feature_names)
    vectors = np.stack([np.zeros(width, np.float32), np.full(width, np.nan, np.float32)])
    scores = scorer.score(vectors, pa.array(["first", "second"]))
    if not (np.isfinite(scores.raw).all() and ((scores.score >= 0) & (scores.score <= 1)).all()):
        raise BundleError(
            f"The model {scorer.bundle.digest[:12]} gives {scores.score.tolist()} where probabilities are due. "
            "Train and register again."
        )
    scorer.explain(vectors)
