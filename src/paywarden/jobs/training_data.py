"""What is trained on: the lake's history, replayed into a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from paywarden.errors import DataError
from paywarden.events.schema import EventSchema
from paywarden.features.aggregations.aggregation import Source
from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.events import Verdict, source_of_transactions
from paywarden.features.replay import replay
from paywarden.jobs.archive import valid_rows
from paywarden.jobs.topics import KAFKA_COLUMNS
from paywarden.training.dataset import Dataset, build_dataset


class Lake(Protocol):
    """Versioned tables, one a topic."""

    def exists(self, topic: str) -> bool:
        """Whether the topic has a table."""

    def version(self, topic: str) -> int:
        """The latest version."""

    def read(self, topic: str, version: int | None = None) -> pa.Table:
        """All rows of a version."""


@dataclass(frozen=True)
class History:
    """Valid transactions and labels of the lake, with the table versions they were read at."""

    transactions: pa.Table
    labels: pa.Table
    versions: Mapping[str, int | str]


def read_history(lake: Lake, transactions_topic: str, labels_topic: str) -> History:
    """Everything valid in the lake; no labels where none was ever archived.

    Raises LakeError where there is no table of transactions.
    """
    versions = {topic: lake.version(topic) for topic in (transactions_topic, labels_topic) if lake.exists(topic)}
    transactions = valid_rows(lake.read(transactions_topic, versions.get(transactions_topic)))
    if labels_topic in versions:
        labels = valid_rows(lake.read(labels_topic, versions[labels_topic]))
    else:
        labels = _no_labels(transactions)
    return History(transactions, labels, dict(versions))


def _no_labels(transactions: pa.Table) -> pa.Table:
    """An empty table of labels, with the entities and the coordinates that the transactions have."""
    entities = [name.removeprefix("entity_") for name in transactions.schema.names if name.startswith("entity_")]
    coordinates = [transactions.schema.field(name) for name in KAFKA_COLUMNS]
    return pa.schema([*EventSchema(tuple(entities)).label_schema(), *coordinates]).empty_table()


def replayed_dataset(history: History, catalogue: Catalogue, label_delay_ms: int, as_of: int | None = None) -> Dataset:
    """The training data of a history: replayed vectors of every transaction that was no duplicate.

    ``as_of`` (epoch ms) is what may be known, by default the latest arrival in the history.
    """
    if not history.transactions.num_rows:
        raise DataError("the lake holds no valid transaction; run `paywarden produce` and `paywarden archive` first")
    engine = Engine(catalogue)
    replayed = replay(history.transactions, history.labels, catalogue)
    contract, source = catalogue.contract(), source_of_transactions(history.transactions)
    return build_dataset(
        history.transactions,
        history.labels,
        replayed.features,
        feature_names=contract.names,
        contract_digest=contract.digest,
        state_layout_digest=engine.digest,
        as_of=as_of if as_of is not None else pc.max(history.transactions["received_at"]).as_py(),
        label_delay_ms=label_delay_ms,
        keep=(replayed.verdicts == Verdict.SCORED) & (source == Source.AUTHORISATIONS),
    )
