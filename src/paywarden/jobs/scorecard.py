"""The scorecard: what the served decisions were worth, against the truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.evaluation.metrics import evaluate
from paywarden.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Scorecard:
    """Figures of served decisions; money is in minor units of the base currency."""

    transactions: int
    frauds: int
    caught: int
    missed: int
    false_alerts: int
    precision: float
    recall: float
    average_precision: float | None
    card_precision_at_100: float | None
    value_saved: int
    value_of_fraud: int
    caught_by_pattern: dict[str, int] = field(default_factory=dict)
    missed_by_pattern: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def scorecard(decisions: pa.Table, truth: pa.Table, card_entity: str, threshold: float) -> Scorecard:
    """The figures of ``decisions`` (decoded predictions, each once) by ``truth`` (transaction_id, is_fraud, pattern).

    A decision other than approve is an alert; value saved is the amount of the frauds among them. ``threshold`` is the
    policy's review threshold on the raw score.
    """
    row = pc.index_in(decisions["transaction_id"], value_set=truth["transaction_id"].combine_chunks())
    known = decisions.filter(row.is_valid())
    facts = truth.take(row.drop_null().combine_chunks())
    fraud = facts["is_fraud"].to_numpy(zero_copy_only=False).astype(bool)
    pattern = facts["pattern"].to_numpy(zero_copy_only=False)
    alerted = pc.not_equal(known["decision"], "approve").to_numpy(zero_copy_only=False)
    amount = known["amount_base"].to_numpy()
    caught, missed = fraud & alerted, fraud & ~alerted
    metrics = evaluate(_predictions(known, fraud, pattern, card_entity), threshold)
    return Scorecard(
        transactions=known.num_rows,
        frauds=int(fraud.sum()),
        caught=int(caught.sum()),
        missed=int(missed.sum()),
        false_alerts=int((alerted & ~fraud).sum()),
        precision=float(caught.sum() / max(alerted.sum(), 1)),
        recall=float(caught.sum() / max(fraud.sum(), 1)),
        average_precision=metrics.average_precision,
        card_precision_at_100=metrics.card_precision,
        value_saved=int(amount[caught].sum()),
        value_of_fraud=int(amount[fraud].sum()),
        caught_by_pattern=_count(pattern[caught]),
        missed_by_pattern=_count(pattern[missed]),
    )


def _predictions(
    decisions: pa.Table, fraud: NDArray[np.bool_], pattern: NDArray[np.object_], card_entity: str
) -> Predictions:
    cards = decisions[f"entity_{card_entity}"].combine_chunks().dictionary_encode().indices
    return Predictions(
        target=fraud,
        raw=decisions["raw_score"].to_numpy(),
        score=decisions["score"].to_numpy(),
        occurred_at=decisions["occurred_at"].to_numpy(),
        card=pc.fill_null(cards, -1).to_numpy(zero_copy_only=False).astype(np.int64),
        amount=decisions["amount_base"].to_numpy(),
        pattern=pattern,
    )


def _count(patterns: NDArray[np.object_]) -> dict[str, int]:
    names, counts = np.unique(np.array([str(name or "unnamed") for name in patterns], dtype=str), return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}
