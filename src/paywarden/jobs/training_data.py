"""What is trained on: the lake's history, replayed into a data set.

Whatever replays gives the same vectors: in this process, from a snapshot on (:mod:`paywarden.jobs.incremental_replay`)
or on Spark. What we declined and nobody judged is censored; what was let through stands for what was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.events.decision import ACTIONS, decode_actions
from paywarden.events.schema import EventSchema
from paywarden.features.aggregations.aggregation import Source
from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.events import Verdict, source_of_transactions
from paywarden.features.replay import replay
from paywarden.jobs.archive import valid_rows
from paywarden.jobs.topics import KAFKA_COLUMNS
from paywarden.training.dataset import Dataset, build_dataset

Versions = Mapping[str, int | str]
"""By topic the version of its table, by ``topic/partition`` the Kafka offset after the last row read."""


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
    """Valid transactions and labels of the lake, with what was read to get them.

    ``actions`` are the acting decisions (:data:`~paywarden.events.decision.ACTIONS`).
    """

    transactions: pa.Table
    labels: pa.Table
    versions: Versions
    actions: pa.Table = field(default_factory=ACTIONS.empty_table)


class Replayed(Protocol):
    """What a replay gives of the transactions, aligned with them; see ``features.replay.Replay``."""

    @property
    def features(self) -> NDArray[np.float32]:
        """Vectors, ``[t, f]``."""

    @property
    def verdicts(self) -> NDArray[np.int8]:
        """Whether each was scored, ``[t]``."""


class Replayer(Protocol):
    """Folds canonical transactions and labels in arrival order from nothing, wherever it does so."""

    def __call__(self, transactions: pa.Table, labels: pa.Table, catalogue: Catalogue) -> Replayed:
        """The vectors that an in-process replay gives, bit for bit."""


def read_history(
    lake: Lake,
    transactions_topic: str,
    labels_topic: str,
    predictions_topic: str | None = None,
    until: Versions | None = None,
) -> History:
    """Everything valid in the lake; no labels, and no decisions, where none were ever archived or are asked for.

    ``until`` are the versions of an earlier history: then only what that one held, told by its offsets, so that it does
    not matter what has been archived or compacted since. Raises LakeError where there is no table of transactions,
    DataError where a prediction is no decision.
    """
    topics = (transactions_topic, labels_topic, *([predictions_topic] if predictions_topic else []))
    versions: dict[str, int] = {
        topic: lake.version(topic) for topic in topics if lake.exists(topic) and (until is None or topic in until)
    }
    if transactions_topic not in versions:
        lake.version(transactions_topic)  # says what is missing
    read = {topic: _until(lake.read(topic, version), topic, until) for topic, version in versions.items()}
    transactions, actions = valid_rows(read[transactions_topic]), ACTIONS.empty_table()
    labels = valid_rows(read[labels_topic]) if labels_topic in read else _no_labels(transactions)
    if predictions_topic is not None and predictions_topic in read:
        actions = decode_actions(read[predictions_topic]["value"].to_pylist())
    offsets = {f"{topic}/{p}": end for topic, table in read.items() for p, end in _next_offsets(table).items()}
    return History(transactions, labels, {**versions, **offsets}, actions)


def _until(table: pa.Table, topic: str, until: Versions | None) -> pa.Table:
    """The rows before the offsets, by partition; those of a partition that is not named are later ones."""
    if until is None:
        return table
    partitions = pc.unique(table["partition"])
    ends = pa.array([int(until.get(f"{topic}/{p}", 0)) for p in partitions.to_pylist()], pa.int64())
    return table.filter(pc.less(table["offset"], ends.take(pc.index_in(table["partition"], value_set=partitions))))


def _next_offsets(table: pa.Table) -> dict[int, int]:
    """Partition → the offset after the last row, rejects included: of these very rows, whatever is archived since."""
    last = table.group_by("partition").aggregate([("offset", "max")]).sort_by("partition")
    return {p: end + 1 for p, end in zip(*(last[n].to_pylist() for n in ("partition", "offset_max")), strict=True)}


def _no_labels(transactions: pa.Table) -> pa.Table:
    """An empty table of labels, with the entities and the coordinates that the transactions have."""
    entities = [name.removeprefix("entity_") for name in transactions.schema.names if name.startswith("entity_")]
    coordinates = [transactions.schema.field(name) for name in KAFKA_COLUMNS]
    return pa.schema([*EventSchema(tuple(entities)).label_schema(), *coordinates]).empty_table()


def replayed_dataset(
    history: History,
    catalogue: Catalogue,
    label_delay_ms: int,
    as_of: int | None = None,
    *,
    replayer: Replayer = replay,
) -> Dataset:
    """The training data of a history: replayed vectors of every transaction that was no duplicate.

    ``as_of`` (epoch ms) is what may be known, by default the latest arrival in the history. Transactions that we
    declined are marked, so that silence is no verdict on them; one that was let through weighs 1 ÷ its propensity.
    """
    if not history.transactions.num_rows:
        raise DataError("the lake holds no valid transaction; run `paywarden produce` and `paywarden archive` first")
    replayed = replayer(history.transactions, history.labels, catalogue)
    contract, source = catalogue.contract(), source_of_transactions(history.transactions)
    declined, weight = _acted_on(history)
    return build_dataset(
        history.transactions,
        history.labels,
        replayed.features,
        feature_names=contract.names,
        contract_digest=contract.digest,
        state_layout_digest=Engine(catalogue).digest,
        as_of=as_of if as_of is not None else pc.max(history.transactions["received_at"]).as_py(),
        label_delay_ms=label_delay_ms,
        keep=(replayed.verdicts == Verdict.SCORED) & (source == Source.AUTHORISATIONS),
        declined=declined,
        weight=weight,
    )


def _acted_on(history: History) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Whether we declined each transaction, and for how many it stands: 1 ÷ the propensity of what was let through."""
    actions, ids = history.actions, history.transactions["transaction_id"]
    row = pc.index_in(ids, value_set=actions["transaction_id"].combine_chunks())
    place = row.fill_null(-1).to_numpy().astype(np.int64)  # -1 is the last entry below: nobody decided
    declined = np.append(pc.equal(actions["decision"], "decline").to_numpy(zero_copy_only=False).astype(bool), False)
    propensity = np.append(pc.fill_null(actions["propensity"], 1.0).to_numpy(), 1.0)
    return declined[place], (1.0 / propensity[place]).astype(np.float32)


def data_versions(history: History, dataset: Dataset) -> dict[str, int | str]:
    """What a run records of its data: table versions, Kafka offsets, digests of catalogue and state layout, counts.

    ``count.rows`` are the data set's, the other counts the valid rows read.
    """
    return {
        **history.versions,
        "catalogue": dataset.contract_digest,
        "state_layout": dataset.state_layout_digest,
        "count.transactions": history.transactions.num_rows,
        "count.labels": history.labels.num_rows,
        "count.actions": history.actions.num_rows,
        "count.rows": len(dataset),
    }
