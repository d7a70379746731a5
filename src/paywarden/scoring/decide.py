"""Features in, decisions out: model, thresholds, lists and rules, as the stream and the scoring API both apply them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.features.catalogue import Catalogue
from paywarden.scoring.policy import APPROVE
from paywarden.scoring.rules.rule_book import RuleBook
from paywarden.scoring.rules.ruling import Ruling, rule
from paywarden.scoring.scorer import Scorer, Scores


@dataclass(frozen=True)
class Decided:
    """What a model and a rule book make of N transactions, aligned with them.

    ``vectors`` float32 [N, F] are the model's own features, ``ruling`` has the decisions and what fired.
    """

    scorer: Scorer
    vectors: NDArray[np.float32]
    scores: Scores
    ruling: Ruling
    policy_digest: str

    @property
    def alerted(self) -> NDArray[np.bool_]:
        """Which are not approved, bool [N]."""
        return self.ruling.decision != APPROVE

    @property
    def propensity(self) -> NDArray[np.float64]:
        """The share at which a would-be decline was let through, float64 [N]; 1 also where a list or rule decided."""
        return np.where(self.ruling.decision == self.scores.decision, self.scores.propensity, 1.0)

    def reasons(self) -> list[list[dict[str, str]]]:
        """The model's reasons of what is not approved, as decisions bear them."""
        return self.scorer.explain_alerts(self.vectors, self.alerted)


def decide(
    scorer: Scorer, catalogue: Catalogue, features: NDArray[np.float32], transactions: pa.Table, book: RuleBook
) -> Decided:
    """The decisions on transactions, given all features of the catalogue, float32 [N, width].

    ``transactions`` need the columns ``transaction_id``, ``occurred_at``, and those that the book reads. A row's
    outcome does not depend on the other rows.
    """
    vectors = np.ascontiguousarray(features[:, catalogue.columns(scorer.bundle.feature_names)])
    scores = scorer.score(vectors, transactions["transaction_id"])
    ruling = rule(book, transactions, scores.decision, scores.score, features, catalogue.names)
    return Decided(scorer, vectors, scores, ruling, book.policy_digest(scorer.bundle.policy.digest))
