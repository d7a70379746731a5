"""How models are trained, judged and registered here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from paywarden.adapters.local.snapshot_files import SnapshotFiles
from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.evaluation.costs import CostMatrix
from paywarden.features.replay import replay
from paywarden.jobs.incremental_replay import IncrementalReplay
from paywarden.jobs.judge import Judge
from paywarden.jobs.training_data import History, Replayer, Versions, read_history
from paywarden.settings import Settings
from paywarden.training.boosters import trainer_of
from paywarden.training.gate import GateSettings
from paywarden.training.imbalance import Resampling
from paywarden.training.thresholds import AlertBudget, ExpectedCost, MinimumPrecision, ThresholdRule
from paywarden.training.trainer import TrainingSettings
from paywarden.training.tuning import TuningSettings
from paywarden.wiring.storage import lake


def registry(settings: Settings) -> MlflowRegistry:
    """The model registry."""
    return MlflowRegistry(settings.mlflow.tracking_uri, settings.mlflow.experiment, settings.mlflow.model_name)


def cost_matrix(settings: Settings) -> CostMatrix:
    """What decisions cost here."""
    return CostMatrix(**settings.costs.model_dump(exclude={"declines"}))


def threshold_rule(settings: Settings) -> ThresholdRule:
    """What the policy's thresholds are chosen by."""
    policy = settings.policy
    if policy.thresholds == "expected_cost":
        return ExpectedCost(cost_matrix(settings), declines=settings.costs.declines)
    if policy.thresholds == "minimum_precision":
        return MinimumPrecision(policy.review_precision, policy.decline_precision)
    return alert_budget(settings)


def alert_budget(settings: Settings) -> AlertBudget:
    """How many alerts analysts take."""
    return AlertBudget(settings.policy.alerts_per_day, decline_precision=settings.policy.decline_precision)


def training_settings(settings: Settings) -> TrainingSettings:
    """How models are trained here."""
    training = settings.training
    return TrainingSettings(
        booster=trainer_of(
            training.booster, threads=training.threads, device=training.device, **training.hyperparameters
        ),
        categories=training.categories,
        imbalance=training.imbalance,
        strategies=training.strategies,
        resampling=Resampling(training.resampling_ratio),
        tuning=_tuning(settings),
        calibration=training.calibration,
        budget=alert_budget(settings),
        thresholds=threshold_rule(settings),
        costs=cost_matrix(settings),
        cards_a_day=training.cards_a_day,
        compromised_days=training.compromised_days,
        let_through_share=settings.policy.let_through_share,
        seed=training.seed,
    )


def _tuning(settings: Settings) -> TuningSettings | None:
    training = settings.training
    if training.tuning_trials is None and training.tuning_minutes is None:
        return None
    storage = training.tuning_storage.get_secret_value() if training.tuning_storage else None
    return TuningSettings(training.tuning_trials, training.tuning_minutes, storage, training.tuning_folds)


def training_history(settings: Settings, until: Versions | None = None) -> History:
    """Everything in the lake that training reads: transactions, labels, and what was done about the former.

    ``until`` are the data versions of a bundle: then only what it was trained on.
    """
    topics = settings.kafka.topics
    return read_history(lake(settings), topics.transactions, topics.labels, topics.predictions, until)


def judge(settings: Settings, replayer: Replayer, say: Callable[[str], None]) -> Judge:
    """Who judges versions by the gate."""

    def history(until: Versions) -> History:
        return training_history(settings, until)

    return Judge(registry(settings), history, gate_settings(settings), replayer, say=say)


def gate_settings(settings: Settings) -> GateSettings:
    """What a challenger must show here."""
    return GateSettings(**settings.gate.model_dump(), budget=alert_budget(settings), costs=cost_matrix(settings))


@contextmanager
def replayer(settings: Settings, say: Callable[[str], None] = lambda _text: None) -> Iterator[Replayer]:
    """What replays history for training: here, from the last snapshot on if there is one, or on Spark."""
    training = settings.training
    if training.replay == "local":
        yield IncrementalReplay(SnapshotFiles(training.snapshots), say) if training.snapshots else replay
        return
    # As in `stream`: Spark is imported only by what runs it.
    from paywarden.adapters.spark.replay import SparkReplay
    from paywarden.adapters.spark.session import spark_session

    session = spark_session(
        "paywarden-replay", [], master=settings.stream.master, options=settings.stream.spark_options
    )
    try:
        yield SparkReplay(session)
    finally:
        session.stop()
