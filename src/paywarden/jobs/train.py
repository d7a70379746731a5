"""Train: from the lake to a registered model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import RegistryError
from paywarden.evaluation.report import Contributions, ReportedWindow, write_report
from paywarden.evaluation.splits import DAY_MS, TimeSplit, choose_split
from paywarden.features.catalogue import Catalogue
from paywarden.features.replay import replay
from paywarden.jobs.model_reference import model_reference, write_reference
from paywarden.jobs.once import ONCE_TAG, once_tags
from paywarden.jobs.promotion import Aliases, Contest, PromoteMode, Promotion, Registered, judge_and_promote
from paywarden.jobs.training_data import History, Replayer, data_versions, replayed_dataset
from paywarden.jobs.verdict_record import VerdictRecord
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.reasons import ReasonBook
from paywarden.training.dataset import Dataset
from paywarden.training.gate import GateSettings
from paywarden.training.model_card import model_card, short_description
from paywarden.training.trainer import TrainingResult, TrainingSettings, evenly_spaced, train
from paywarden.training.tuning import TrialRecord

_EXAMPLE_ROWS: Final = 3
_EXPLAINED_ROWS: Final = {"catboost": 500}
"""How many rows a report explains of boosters that take long for it; others explain the whole sample in seconds."""


class TrainingRun(Protocol):
    """A run of the registry under way."""

    def log_trial(self, trial: TrialRecord) -> None:
        """A trial of tuning."""

    def register(
        self,
        result: TrainingResult,
        *,
        tags: Mapping[str, str] | None,
        plots: Sequence[Path],
        example: NDArray[np.float32] | None,
    ) -> Registered:
        """The new version, with the files of its report."""


class Registry(Aliases, Protocol):
    """Where models are logged and registered."""

    def training_run(self, tries: Mapping[str, str] | None = None) -> AbstractContextManager[TrainingRun]:
        """A run that is marked as failed where the block raises; `tries` are tags that tries of one training share."""

    def set_alias(self, alias: str, version: int) -> None:
        """Point an alias at a version."""

    def first_tagged(self, name: str, value: str) -> Registered | None:
        """The first version that bears the tag, if one does."""

    def delete(self, version: int) -> None:
        """The version is no more; its run stays."""


@dataclass(frozen=True)
class Trained:
    """A registered version, how it came about, and what became of it; `promotion` is None where that comes later."""

    version: int
    result: TrainingResult
    split: TimeSplit
    promotion: Promotion | None

    @property
    def gate(self) -> dict[str, Any] | None:
        """The gate's verdict as a JSON document."""
        return None if self.promotion is None else self.promotion.verdict.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """What a scheduler wants to know, as a JSON document."""
        record = None if self.promotion is None else self.promotion.record
        return {
            **outcome(self.version, self.result.bundle, record, self.gate),
            "warnings": list(self.result.warnings),
        }


def outcome(
    version: int, bundle: ModelBundle, record: VerdictRecord | None, gate: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A version and what became of it, as a JSON document; ``gate`` is the verdict with all its figures."""
    return {
        "version": version,
        "digest": bundle.digest,
        "promoted": record is not None and record.promoted,
        "former_champion": None if record is None else record.champion,
        "gate": gate,
        "test": bundle.metrics["test"],
    }


def split_of(dataset: Dataset, train_days: int | None = None) -> TimeSplit:
    """The default split of a data set; ``train_days`` limits training to its last days before the gap."""
    return choose_split(int(dataset.occurred_at.min()), dataset.as_of, dataset.label_delay_ms, train_days)


def windows_of(result: TrainingResult) -> dict[str, ReportedWindow]:
    """The windows of a report."""
    return {
        "validation": ReportedWindow(result.validation, result.validation_predictions),
        "test": ReportedWindow(result.test, result.test_predictions),
    }


def contributions_of(result: TrainingResult) -> Contributions | None:
    """What the features added to the scores of the result's sample of the test window; None without a sample."""
    sample, bundle = result.test_sample, result.bundle
    if sample is None or not len(sample):
        return None
    shown = evenly_spaced(sample, _EXPLAINED_ROWS.get(bundle.booster_kind, len(sample)))
    return Contributions(bundle.load_booster().contributions(shown), shown, bundle.feature_names)


def report_of(
    result: TrainingResult,
    directory: Path,
    title: str,
    facts: Mapping[str, Any] | None = None,
    folds: Sequence[Mapping[str, Any]] = (),
) -> list[Path]:
    """The paths of the report on a result: its windows, its strategies side by side, and what moves its scores."""
    strategies = [figures.to_dict() for figures in result.strategies]
    contributions = contributions_of(result)
    return write_report(
        directory, title, windows_of(result), facts, strategies=strategies, folds=folds, contributions=contributions
    )


def train_and_register(
    history: History,
    catalogue: Catalogue,
    registry: Registry,
    settings: TrainingSettings,
    *,
    label_delay_days: float,
    train_days: int | None = None,
    as_of: int | None = None,
    gate: GateSettings | None = None,
    promote: PromoteMode | Literal["later"] = "gate",
    once: str | None = None,
    reasons: ReasonBook | None = None,
    replayer: Replayer = replay,
    timer: Callable[[], int] = time.perf_counter_ns,
    say: Callable[[str], None] = lambda _text: None,
) -> Trained:
    """Replay the history, train, register the bundle as challenger, and let the gate decide whether it serves.

    ``as_of`` (epoch ms) is what may be known, by default the latest arrival. The gate's decision with its figures and
    the model card are logged with the version; "later" leaves it to be judged (`jobs/judge.py`). ``once`` is the key
    that the version is to be found by (`jobs/once.py`). Raises DataError where the history is too short or bears too
    few labels, RegistryError where MLflow refuses.
    """
    gate = gate or GateSettings(budget=settings.budget, costs=settings.costs)
    say(f"replaying {history.transactions.num_rows:,} transactions and {history.labels.num_rows:,} labels")
    dataset = replayed_dataset(history, catalogue, int(label_delay_days * DAY_MS), as_of, replayer=replayer)
    versions = data_versions(history, dataset)
    for sentence in dataset.maturity.sentences():
        say(sentence)
    split = split_of(dataset, train_days)
    say(f"training on {split.train.days:.0f} days, validating on {split.validation.days:.0f}, testing on "
        f"{split.test.days:.0f}")  # fmt: skip
    with registry.training_run(once_tags(once)) as run:
        result = train(
            dataset,
            split,
            settings,
            data_versions=versions,
            reasons=reasons,
            catalogue=catalogue,
            on_trial=run.log_trial,
            say=say,
        )
        for warning in result.warnings:
            say(warning)
        example = dataset.features[split.test.contains(dataset.occurred_at)][:_EXAMPLE_ROWS]
        with TemporaryDirectory(prefix="paywarden-report-") as directory:
            plots = report_of(result, Path(directory), "Training report")
            reference = model_reference(dataset, history.transactions, split, result.bundle, settings.compromised_days)
            plots.append(write_reference(reference, Path(directory)))
            version = run.register(result, tags=once_tags(once), plots=plots, example=example).version
        _require_first(registry, version, once)
        registry.set_alias("challenger", version)
        if promote == "later":
            say(f"registered version {version}; the gate has not judged it yet")
            _introduce(registry, version, result.bundle)
            return Trained(version, result, split, None)
        say(f"registered version {version}; the gate compares it with what serves")
        contest = Contest(result.bundle, dataset, history, split, settings.compromised_days, replayer, timer)
        promotion = judge_and_promote(contest, version, registry, gate, promote, say)
    say(promotion.record.words(version))
    return Trained(version, result, split, promotion)


def _require_first(registry: Registry, version: int, once: str | None) -> None:
    """Nothing, unless another try of the same key has been quicker: then this version is taken back."""
    first = None if once is None else registry.first_tagged(ONCE_TAG, once)
    if first is not None and first.version != version:
        registry.delete(version)
        raise RegistryError(
            f"Another try of {once!r} has registered version {first.version}; this one is taken back. Run it again to "
            "get that one."
        )


def _introduce(registry: Registry, version: int, bundle: ModelBundle) -> None:
    documents = {"model_card.md": model_card(bundle)}
    registry.describe(version, documents=documents, tags={}, description=short_description(bundle))
