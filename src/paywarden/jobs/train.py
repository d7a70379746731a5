"""Train: from the lake to a registered model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from paywarden.evaluation.report import ReportedWindow, write_report
from paywarden.evaluation.splits import DAY_MS, TimeSplit, choose_split
from paywarden.features.catalogue import Catalogue
from paywarden.features.replay import replay
from paywarden.jobs.training_data import History, Replayer, data_versions, replayed_dataset
from paywarden.scoring.reasons import ReasonBook
from paywarden.training.dataset import Dataset
from paywarden.training.trainer import TrainingResult, TrainingSettings, train


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
class Trained:
    """A registered version and how it came about."""

    version: int
    result: TrainingResult
    split: TimeSplit


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
    replayer: Replayer = replay,
    say: Callable[[str], None] = lambda _text: None,
) -> Trained:
    """Replay the history, train, and register the bundle; ``alias`` (None for none) then points at it.

    Raises DataError where the history is too short or bears too few labels, RegistryError where MLflow refuses.
    """
    delay_ms = int(label_delay_days * DAY_MS)
    say(f"replaying {history.transactions.num_rows:,} transactions and {history.labels.num_rows:,} labels")
    dataset = replayed_dataset(history, catalogue, delay_ms, replayer=replayer)
    history = replace(history, versions=data_versions(history, dataset))
    for sentence in dataset.maturity.sentences():
        say(sentence)
    split = split_of(dataset, train_days)
    say(f"training on {split.train.days:.0f} days, validating on {split.validation.days:.0f}, testing on "
        f"{split.test.days:.0f}")  # fmt: skip
    versions = history.versions
    result = train(dataset, split, settings, data_versions=versions, reasons=reasons, catalogue=catalogue, say=say)
    for warning in result.warnings:
        say(warning)
    with TemporaryDirectory(prefix="paywarden-report-") as directory:
        plots = write_report(Path(directory), "Training report", windows_of(result))
        version = registry.log_and_register(result, plots=plots).version
    if alias:
        registry.set_alias(alias, version)
    say(f"registered version {version}" + (f" as {alias}" if alias else ""))
    return Trained(version, result, split)
