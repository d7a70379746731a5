"""One training run: fit on train, stop on selection, calibrate and choose thresholds on calibration, report on test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from paywarden.clock import Clock, system_clock
from paywarden.errors import ConfigurationError, DataError
from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.maturity import LabelMaturity
from paywarden.evaluation.metrics import Metrics, evaluate
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import TimeSplit, Window
from paywarden.features.catalogue import Catalogue
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.policy import Policy
from paywarden.scoring.reasons import ReasonBook
from paywarden.scoring.wording import without_rates
from paywarden.training.boosters import BoosterTrainer, XGBoostTrainer
from paywarden.training.calibration import CalibrationMethod
from paywarden.training.dataset import Dataset
from paywarden.training.encoding import STRENGTH
from paywarden.training.examples import (
    KnownRows,
    Prepared,
    known_rows,
    predictions_of,
    prepare,
    require_both_classes,
)
from paywarden.training.imbalance import Resampling, Strategy, treat
from paywarden.training.strategies import Candidate, StrategyFigures, best_candidate, figures_of, fit_candidate
from paywarden.training.thresholds import AlertBudget, ExpectedCost, ThresholdRule, choose_policy, doubts, rule_to_dict
from paywarden.training.tuning import Fold, TrialRecord, TuningResult, TuningSettings, tune

_SAMPLE_ROWS: Final = 2_000


@dataclass(frozen=True)
class TrainingSettings:
    """What may be chosen about a run.

    `strategies` are the imbalance strategies that are trained and reported side by side, which multiplies the time;
    `imbalance` "auto" takes the one with the highest average precision on the selection window, a strategy's name pins
    that one. `tuning` searches hyperparameters for the one that was taken; None trusts the booster's own. `thresholds`
    is the rule of the policy, by default the alert `budget`. `costs` is what money saved is computed with, unless the
    rule has a matrix of its own.
    `compromised_days` drops, from all windows but train, transactions of cards with a fraud that was already known that
    day and had occurred since so many days before the window: such a card would have been blocked, and finding it again
    is no merit. None drops nothing. 14 days are the Fraud Detection Handbook's (a week of training and one of delay).
    `encoding_strength` is how many transactions the overall rate of fraud weighs in the rate of a category.
    `categories` "ordered" makes rates of codes in time order, "native" leaves them to the booster; "auto" is native for
    CatBoost, whose own statistics are ordered too, and ordered for all others.
    `let_through_share` is the policy's: the share of its declines that goes to review instead, to see their outcome.
    """

    booster: BoosterTrainer = field(default_factory=XGBoostTrainer)
    imbalance: Strategy | Literal["auto"] = "auto"
    strategies: tuple[Strategy, ...] = ("none",)
    resampling: Resampling = field(default_factory=Resampling)
    tuning: TuningSettings | None = None
    calibration: CalibrationMethod = "platt"
    budget: AlertBudget = field(default_factory=AlertBudget)
    thresholds: ThresholdRule | None = None
    costs: CostMatrix = field(default_factory=CostMatrix)
    cards_a_day: int = 100
    compromised_days: int | None = 14
    encoding_strength: float = STRENGTH
    categories: Literal["auto", "ordered", "native"] = "auto"
    let_through_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.native and not self.booster.native_categories:
            raise ConfigurationError(f"{self.booster.kind} has no categories of its own. Set categories to ordered.")

    @property
    def native(self) -> bool:
        """Whether the booster splits categories itself."""
        return self.categories == "native" or (self.categories == "auto" and self.booster.kind == "catboost")

    @property
    def rule(self) -> ThresholdRule:
        """The rule that thresholds are chosen by."""
        return self.thresholds or self.budget

    @property
    def compared(self) -> tuple[Strategy, ...]:
        """The strategies to train: a pinned one is among them."""
        pinned = () if self.imbalance == "auto" or self.imbalance in self.strategies else (self.imbalance,)
        return (*self.strategies, *pinned)

    def to_dict(self) -> dict[str, Any]:
        """The settings as a JSON document; where a search was kept and how long it took are not among them."""
        plain = (
            "calibration",
            "cards_a_day",
            "categories",
            "compromised_days",
            "encoding_strength",
            "imbalance",
            "seed",
        )
        return {
            **{name: getattr(self, name) for name in (*plain, "let_through_share")},
            "booster": self.booster.to_dict(),
            "budget": asdict(self.budget),
            "costs": self.costs.to_dict(),
            "resampling": asdict(self.resampling),
            "strategies": list(self.strategies),
            "thresholds": rule_to_dict(self.rule),
            "tuning": {"folds": self.tuning.folds, "trials": self.tuning.trials} if self.tuning else None,
        }


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The bundle with its figures and the predictions they were computed from.

    `validation` is the calibration window's and flattering, since calibrator and thresholds were chosen on it; `test`
    is the honest one. `validation_average_precision` is the selection window's curve over boosting rounds.
    `strategies` are the figures of every strategy that was trained, with the booster's own hyperparameters; `tuning` is
    the search, if there was one. `warnings` are sentences that a reader of the model should see.
    `maturity` is how long labels take as known at the end; it stays outside the bundle, no byte of which depends on
    labels of training rows that came too late for training.
    `test_sample` float32 [n, F] are vectors of at most 2,000 test rows, evenly spaced, as the booster is given them.
    """

    bundle: ModelBundle
    validation: Metrics
    test: Metrics
    validation_predictions: Predictions
    test_predictions: Predictions
    validation_average_precision: tuple[float, ...]
    strategies: tuple[StrategyFigures, ...] = ()
    tuning: TuningResult | None = None
    warnings: tuple[str, ...] = ()
    maturity: LabelMaturity | None = None
    test_sample: NDArray[np.float32] | None = None


def train(
    dataset: Dataset,
    split: TimeSplit,
    settings: TrainingSettings | None = None,
    *,
    data_versions: Mapping[str, int | str] | None = None,
    reasons: ReasonBook | None = None,
    catalogue: Catalogue | None = None,
    on_trial: Callable[[TrialRecord], None] = lambda _trial: None,
    say: Callable[[str], None] = lambda _text: None,
    clock: Clock = system_clock,
) -> TrainingResult:
    """A model trained, calibrated and measured on the windows of the split; equal arguments give an equal bundle.

    Training sees the labels received by `split.train_cutoff`, selection and calibration those by
    `split.validation_cutoff`, test those by `dataset.as_of`. `data_versions` names the tables' versions, `reasons` the
    words for alerts, `catalogue` what gave the features; all go into the bundle. `on_trial` and `clock` are tuning's.
    Raises DataError where a window has too few frauds or genuine transactions.
    """
    settings = settings or TrainingSettings()
    rows = _rows_of(dataset, split, settings)
    prepared = prepare(dataset, rows, split.train_cutoff, settings.encoding_strength, native=settings.native)
    candidates, warnings = _compared(prepared, settings, say)
    chosen = candidate = _chosen(candidates, prepared, settings)
    strategies = tuple(
        figures_of(some, dataset, prepared, settings.cards_a_day, chosen=some is chosen) for some in candidates
    )
    tuning = None
    if settings.tuning:
        folds = _folds(dataset, split, settings, prepared, chosen.strategy, settings.tuning.folds)
        tuning = tune(settings.booster, folds, settings.tuning, settings.seed, on_trial=on_trial, say=say, clock=clock)
        candidate = _fitted(chosen.strategy, prepared, settings, settings.booster.with_parameters(**tuning.params))
    validation, test = (
        predictions_of(dataset, rows[name], candidate.raw[name], candidate.calibrator.apply(candidate.raw[name]))
        for name in ("calibration", "test")
    )
    days = split.calibration.days
    policy = choose_policy(validation, days, settings.rule)
    policy = replace(policy, let_through_share=settings.let_through_share)
    scored = {"validation": validation, "test": test}
    metrics = {name: _metrics(some, policy, settings) for name, some in scored.items()}
    bundle = ModelBundle(
        booster_kind=candidate.fitted.booster.kind,
        booster_bytes=candidate.fitted.booster.to_bytes(),
        feature_names=dataset.feature_names,
        contract_digest=dataset.contract_digest,
        state_layout_digest=dataset.state_layout_digest,
        calibrator=candidate.calibrator,
        policy=policy,
        encoder=prepared.encoder,
        catalogue=catalogue,
        reasons=without_rates(reasons or ReasonBook()) if settings.native else reasons or ReasonBook(),
        training=_provenance(dataset, split, settings, candidate, rows, strategies, tuning),
        data_versions=dict(data_versions or {}),
        metrics={name: figures.to_dict() for name, figures in metrics.items()},
    )
    return TrainingResult(
        bundle=bundle,
        validation=metrics["validation"],
        test=metrics["test"],
        validation_predictions=validation,
        test_predictions=test,
        validation_average_precision=candidate.fitted.validation_average_precision,
        strategies=strategies,
        tuning=tuning,
        warnings=(*warnings, *doubts(validation, days, settings.rule, policy)),
        maturity=dataset.maturity,
        test_sample=evenly_spaced(prepared.examples["test"].features, _SAMPLE_ROWS),
    )


def evenly_spaced(rows: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """At most so many of the rows ([N, F]) as a copy: all, or the first and every k-th after it."""
    return rows[:: max(-(-len(rows) // most), 1)].copy()


def _rows_of(dataset: Dataset, split: TimeSplit, settings: TrainingSettings) -> dict[str, KnownRows]:
    days, chosen_by = settings.compromised_days, split.validation_cutoff
    rows = {
        "train": known_rows(dataset, split.train, split.train_cutoff, None),
        "selection": known_rows(dataset, split.selection, chosen_by, days),
        "calibration": known_rows(dataset, split.calibration, chosen_by, days),
        "test": known_rows(dataset, split.test, dataset.as_of, days),
    }
    for name, known in rows.items():
        require_both_classes(name, known)
    return rows


def _compared(
    prepared: Prepared, settings: TrainingSettings, say: Callable[[str], None]
) -> tuple[list[Candidate], list[str]]:
    """A candidate a strategy, and why others could not be trained; a pinned one must be."""
    candidates, warnings = [], []
    for strategy in settings.compared:
        say(f"training {settings.booster.kind} with imbalance strategy {strategy}")
        try:
            candidates.append(_fitted(strategy, prepared, settings, settings.booster))
        except DataError as error:
            if strategy == settings.imbalance or len(settings.compared) == 1:
                raise
            warnings.append(f"The imbalance strategy {strategy} was left out. {error}")
    return candidates, warnings


def _fitted(strategy: Strategy, prepared: Prepared, settings: TrainingSettings, booster: BoosterTrainer) -> Candidate:
    return fit_candidate(strategy, booster, prepared, settings.calibration, settings.resampling, settings.seed)


def _chosen(candidates: list[Candidate], prepared: Prepared, settings: TrainingSettings) -> Candidate:
    pinned = [some for some in candidates if some.strategy == settings.imbalance]
    return pinned[0] if pinned else best_candidate(candidates, prepared)


def _folds(
    dataset: Dataset, split: TimeSplit, settings: TrainingSettings, prepared: Prepared, strategy: Strategy, count: int
) -> list[Fold]:
    """Selection as it is, then windows that step back through training, each with what was known when it began.

    Only labels received by the training cut-off judge the latter: a later label of a training row decides nothing.
    Folds that would train on less than they are judged on, or lack a class, are left out.
    """
    folds = [_fold(prepared, settings, strategy)]
    length = split.selection.end - split.selection.start
    for step in range(1, count):
        later = Window(split.train.end - step * length, split.train.end - (step - 1) * length)
        earlier = replace(split.train, end=later.start - split.label_delay_ms)
        if earlier.end - earlier.start < length:
            break
        rows = {
            "train": known_rows(dataset, earlier, later.start, None),
            "selection": known_rows(dataset, later, split.train_cutoff, settings.compromised_days),
        }
        if all(known.target.any() and not known.target.all() for known in rows.values()):
            past = prepare(dataset, rows, later.start, settings.encoding_strength, native=settings.native)
            folds.append(_fold(past, settings, strategy))
    return folds


def _fold(prepared: Prepared, settings: TrainingSettings, strategy: Strategy) -> Fold:
    treated = treat(strategy, prepared.examples["train"], prepared.categories, settings.resampling, settings.seed)
    return Fold(treated.examples, prepared.examples["selection"])


def _metrics(predictions: Predictions, policy: Policy, settings: TrainingSettings) -> Metrics:
    """The figures under the policy; money by the matrix that chose the thresholds, where one did."""
    costs = settings.rule.costs if isinstance(settings.rule, ExpectedCost) else settings.costs
    declines = policy.decline_threshold
    return evaluate(predictions, policy.review_threshold, settings.cards_a_day, decline_threshold=declines, costs=costs)


def _provenance(
    dataset: Dataset,
    split: TimeSplit,
    settings: TrainingSettings,
    candidate: Candidate,
    rows: Mapping[str, KnownRows],
    strategies: tuple[StrategyFigures, ...],
    tuning: TuningResult | None,
) -> dict[str, Any]:
    return {
        "as_of": dataset.as_of,
        "maturity": _maturity(dataset, split),
        "frauds": {name: int(known.target.sum()) for name, known in rows.items()},
        "prior_offset": candidate.prior_offset,
        "rounds": candidate.fitted.rounds,
        "rows": {name: len(known.index) for name, known in rows.items()},
        "settings": settings.to_dict(),
        "split": split.to_dict(),
        "strategies": [figures.to_dict() for figures in strategies],
        "strategy": candidate.strategy,
        "tuning": tuning.to_dict() if tuning else None,
    }


def _maturity(dataset: Dataset, split: TimeSplit) -> dict[str, dict[str, int]]:
    """The rows of each window, before any choice of cards, by what could be said of them at its cut-off."""
    cutoffs = {
        "train": (split.train, split.train_cutoff),
        "selection": (split.selection, split.validation_cutoff),
        "calibration": (split.calibration, split.validation_cutoff),
        "test": (split.test, dataset.as_of),
    }
    return {name: asdict(dataset.maturity_of(window, cutoff)) for name, (window, cutoff) in cutoffs.items()}
