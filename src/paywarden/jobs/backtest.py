"""Back-test: what a new policy would have decided on past payments, beside the one in force.

Both see the same replayed features and the same model's scores; only lists, rules and what follows from them differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.labels import verdicts_at
from paywarden.features.aggregations.aggregation import Source
from paywarden.features.events import Verdict, source_of_transactions
from paywarden.features.replay import replay
from paywarden.jobs.backtest_outcome import Outcome, changes_between, outcome_of
from paywarden.jobs.backtest_rules import RuleOutcome, rule_outcomes
from paywarden.jobs.topics import KAFKA_COLUMNS
from paywarden.jobs.training_data import History, Replayer
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.rules.rule_book import RuleBook
from paywarden.scoring.rules.ruling import fields_of, rule
from paywarden.scoring.scorer import Scorer


@dataclass(frozen=True)
class Backtest:
    """Two policies on the same payments. Times are epoch ms; ``changed`` counts decisions that differ."""

    since: int
    until: int
    model_version: str
    model_digest: str
    payments: int
    frauds: int
    fraud_amount: int
    changed: int
    digests: Mapping[str, str]
    outcomes: Mapping[str, Outcome]
    rules: Mapping[str, Mapping[str, RuleOutcome]]
    changes: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


FORMER, NEW = "in_force", "new"


def backtest(
    history: History,
    version: str,
    bundle: ModelBundle,
    books: Mapping[str, RuleBook],
    costs: CostMatrix,
    since: int,
    *,
    replayer: Replayer = replay,
) -> Backtest:
    """Hold the books :data:`FORMER` and :data:`NEW` against each other on payments from ``since`` (epoch ms) on.

    Labels are those that have arrived by the end of the history. Raises DataError where no payment is that new, and
    ConfigurationError where a rule reads a feature that the model's catalogue has not.
    """
    if bundle.catalogue is None:
        raise DataError("the model bundle carries no catalogue of features; train and register it again")
    # By column: an entity may bear the name of one of Kafka's columns, and its own column is another.
    declared = [field for field in history.transactions.schema if field.name not in KAFKA_COLUMNS]
    for book in books.values():
        book.require(fields_of(pa.schema(declared)), bundle.catalogue.names)
    transactions, vectors = _payments(history, bundle, since, replayer)
    scorer = Scorer(bundle)
    columns = bundle.catalogue.columns(bundle.feature_names)
    scores = scorer.score(np.ascontiguousarray(vectors[:, columns]), transactions["transaction_id"])
    rulings = {
        name: rule(book, transactions, scores.decision, scores.score, vectors, bundle.catalogue.names)
        for name, book in books.items()
    }
    arrivals = [pc.max(table["received_at"]).as_py() for table in (history.transactions, history.labels)]
    until = max(int(at) for at in arrivals if at is not None)
    fraud = verdicts_at(
        transactions["transaction_id"], transactions["occurred_at"].to_numpy(), history.labels, until, 0
    ).fraud
    amount = transactions["amount_base"].to_numpy().astype(np.int64)
    before, after = rulings[FORMER].decision, rulings[NEW].decision
    return Backtest(
        since=since,
        until=until,
        model_version=version,
        model_digest=bundle.digest,
        payments=transactions.num_rows,
        frauds=int(fraud.sum()),
        fraud_amount=int(amount[fraud].sum()),
        changed=int((before != after).sum()),
        digests={name: book.policy_digest(bundle.policy.digest) for name, book in books.items()},
        outcomes={name: outcome_of(ruling.decision, fraud, amount, costs) for name, ruling in rulings.items()},
        rules={name: rule_outcomes(ruling, fraud, amount, costs) for name, ruling in rulings.items()},
        changes=changes_between(before, after),
    )


def _payments(
    history: History, bundle: ModelBundle, since: int, replayer: Replayer
) -> tuple[pa.Table, NDArray[np.float32]]:
    """The authorisations from ``since`` on that the stream would have scored, with their full vectors."""
    catalogue = bundle.catalogue
    if catalogue is None or not history.transactions.num_rows:
        raise DataError("the lake holds no valid transaction; run `paywarden produce` and `paywarden archive` first")
    replayed = replayer(history.transactions, history.labels, catalogue)
    kept = (
        (replayed.verdicts == Verdict.SCORED)
        & (source_of_transactions(history.transactions) == Source.AUTHORISATIONS)
        & (history.transactions["occurred_at"].to_numpy() >= since)
    )
    rows = np.flatnonzero(kept)
    if not len(rows):
        raise DataError("the lake holds no payment since then; choose an earlier --since")
    return history.transactions.take(pa.array(rows)), replayed.features[rows]
