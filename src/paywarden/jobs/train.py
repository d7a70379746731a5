"""Train: from the lake to a registered model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.report import Contributions, ReportedWindow, write_report
from paywarden.evaluation.splits import DAY_MS, TimeSplit, choose_split
from paywarden.features.catalogue import Catalogue
from paywarden.features.replay import replay
from paywarden.jobs.promotion import Aliases, Contest, PromoteMode, Promotion, Registered, judge_and_promote
from paywarden.jobs.training_data import History, Replayer, data_versions, replayed_dataset
from paywarden.scoring.reasons import ReasonBook
from paywarden.training.dataset import Dataset
from paywarden.training.gate import GateSettings
from paywarden.training.gate_report import gate_markdown
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
        self, result: TrainingResult, *, plots: Sequence[Path], example: NDArray[np.float32] | None
    ) -> Registered:
        """The new version, with the files of its report."""

    def describe(
        self,
        number: int,
        *,
        documents: Mapping[str, str | Mapping[str, Any]],
        tags: Mapping[str, str],
        description: str,
    ) -> None:
        """What is known of the version after it was registered."""


class Registry(Aliases, Protocol):
    """Where models are logged and registered."""

    def training_run(self) -> AbstractContextManager[TrainingRun]:
        """A run that is marked as failed where the block raises."""

    def set_alias(self, alias: str, version: int) -> None:
        """Point an alias at a version."""


@dataclass(frozen=True)
class Trained:
    """A registered version, how it came about, and what became of it."""

    version: int
    result: TrainingResult
    split: TimeSplit
    promotion: Promotion

    def to_dict(self) -> dict[str, Any]:
        """What a scheduler wants to know, as a JSON document."""
        return {
            "version": self.version,
            "digest": self.result.bundle.digest,
            "promoted": self.promotion.promoted,
            "former_champion": self.promotion.former,
            "gate": self.promotion.verdict.to_dict(),
            "test": self.result.test.to_dict(),
            "warnings": list(self.result.warnings),
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
    result: TrainingResult, directory: Path, title: str, facts: Mapping[str, Any] | None = None
) -> list[Path]:
    """The paths of the report on a result: its windows, its strategies side by side, and what moves its scores."""
    strategies = [figures.to_dict() for figures in result.strategies]
    contributions = contributions_of(result)
    return write_report(directory, title, windows_of(result), facts, strategies=strategies, contributions=contributions)


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
    promote: PromoteMode = "gate",
    reasons: ReasonBook | None = None,
    replayer: Replayer = replay,
    timer: Callable[[], int] = time.perf_counter_ns,
    say: Callable[[str], None] = lambda _text: None,
) -> Trained:
    """Replay the history, train, register the bundle as challenger, and let the gate decide whether it serves.

    ``as_of`` (epoch ms) is what may be known, by default the latest arrival. The gate's decision with its figures and
    the model card are logged with the version. Raises DataError where the history is too short or bears too few labels,
    RegistryError where MLflow refuses.
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
    with registry.training_run() as run:
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
            version = run.register(result, plots=plots, example=example).version
        registry.set_alias("challenger", version)
        say(f"registered version {version}; the gate compares it with what serves")
        contest = Contest(result, dataset, history, split, settings.compromised_days, replayer, timer)
        promotion = judge_and_promote(contest, version, registry, gate, promote, say)
        _describe(run, version, result, promotion)
    say(words_of(version, promotion))
    return Trained(version, result, split, promotion)


def words_of(version: int, promotion: Promotion) -> str:
    """What became of the version, in a sentence or two."""
    verdict, before = promotion.verdict, promotion.former
    instead = "there was none before" if before is None else f"version {before} is the previous one"
    if promotion.promoted:
        words = f"version {version} is champion; {instead}"
        return (
            words
            if verdict.decision == "promote"
            else f"{words}. The gate would not have promoted it: " + (" ".join(verdict.reasons))
        )
    serves = "none serves" if before is None else f"version {before} goes on serving"
    said = {"promote": "passed the gate, but was not to be promoted", "refuse": "was refused by the gate"}
    outcome = said.get(verdict.decision, "was not judged: the gate abstains")
    return f"version {version} {outcome}; {serves}. " + " ".join(verdict.reasons)


def _describe(run: TrainingRun, version: int, result: TrainingResult, promotion: Promotion) -> None:
    verdict = promotion.verdict
    gain = next((check for check in verdict.checks if check.name == "gain"), None)
    interval = f"{gain.low} to {gain.high}" if gain else "not compared"
    run.describe(
        version,
        documents={
            "gate.json": {**verdict.to_dict(), "promoted": promotion.promoted},
            "gate.md": gate_markdown(verdict),
            "model_card.md": model_card(result.bundle, verdict),
        },
        tags={
            "paywarden.gate": verdict.decision,
            "paywarden.gate.promoted": "yes" if promotion.promoted else "no",
            "paywarden.gate.against": verdict.opponent,
            "paywarden.gate.measure": verdict.settings.measure,
            "paywarden.gate.gain": str(gain.figure if gain else None),
            "paywarden.gate.interval": interval,
            "paywarden.gate.margin": str(gain.bound if gain else None),
            "paywarden.gate.reasons": " ".join(verdict.reasons),
        },
        description=short_description(result.bundle, verdict),
    )
