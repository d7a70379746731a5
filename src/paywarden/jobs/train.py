"""Train: from the lake to a registered model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from paywarden.errors import DataError
from paywarden.evaluation.report import ReportedWindow, write_report
from paywarden.evaluation.splits import DAY_MS, TimeSplit, choose_split
from paywarden.events.schema import EventSchema
from paywarden.features.aggregations.aggregation import Source
from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.events import Verdict, source_of_transactions
from paywarden.features.replay import replay
from paywarden.jobs.archive import valid_rows
from paywarden.jobs.topics import KAFKA_COLUMNS
from paywarden.scoring.reasons import ReasonBook
from paywarden.training.dataset import Dataset, build_dataset
from paywarden.training.trainer import TrainingResult, TrainingSettings, train


class Lake(Protocol):
    """Versioned tables, one a topic."""

    def exists(self, topic: str) -> bool:
        """Whether the topic has a table."""

    def version(self, topic: str) -> int:
        """The latest version."""

    def read(self, topic: str, version: int | None = None) -> pa.Table:
        """All rows of a version."""


class Registered(Protocol):
    """A version in the registry."""

    @property
    def version(self) -> int:
        """Its number."""


class Registry(Protocol):
    """Where models are logged and registered."""

    def log_and_register(self, result: TrainingResult, *, plots: Sequence[Path]) -> Registered:
        """The new version, with the files of its report."""

    def set_alias(self, alias: str, version: int) -> None:
        """Point an alias at a version."""


@dataclass(frozen=True)
class History:
    """Valid transactions and labels of the lake, with the table versions they were read at."""

    transactions: pa.Table
    labels: pa.Table
    versions: Mapping[str, int | str]


@dataclass(frozen=True)
class Trained:
    """A registered version and how it came about."""

    version: int
    result: TrainingResult
    split: TimeSplit


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


def split_of(dataset: Dataset, train_days: int | None = None) -> TimeSplit:
    """The default split of a data set; ``train_days`` limits training to its last days before the gap."""
    return choose_split(int(dataset.occurred_at.min()), dataset.as_of, dataset.label_delay_ms, train_days)


def windows_of(result: TrainingResult) -> dict[str, ReportedWindow]:
    """The windows of a report."""
    return {
        "validation": ReportedWindow(result.validation, result.validation_predictions),
        "test": ReportedWindow(result.test, result.test_predictions),
    }


def train_and_register(
    history: History,
    catalogue: Catalogue,
    registry: Registry,
    settings: TrainingSettings,
    *,
    label_delay_days: float,
    train_days: int | None = None,
    alias: str | None = "champion",
    reasons: ReasonBook | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> Trained:
    """Replay the history, train, and register the bundle; ``alias`` (None for none) then points at it.

    Raises DataError where the history is too short or bears too few labels, RegistryError where MLflow refuses.
    """
    delay_ms = int(label_delay_days * DAY_MS)
    say(f"replaying {history.transactions.num_rows:,} transactions and {history.labels.num_rows:,} labels")
    dataset = replayed_dataset(history, catalogue, delay_ms)
    split = split_of(dataset, train_days)
    say(f"training on {split.train.days:.0f} days, validating on {split.validation.days:.0f}, testing on "
        f"{split.test.days:.0f}")  # fmt: skip
    result = train(dataset, split, settings, data_versions=history.versions, reasons=reasons, catalogue=catalogue)
    with TemporaryDirectory(prefix="paywarden-report-") as directory:
        plots = write_report(Path(directory), "Training report", windows_of(result))
        version = registry.log_and_register(result, plots=plots).version
    if alias:
        registry.set_alias(alias, version)
    say(f"registered version {version}" + (f" as {alias}" if alias else ""))
    return Trained(version, result, split)
