"""Evaluate by the Fraud Detection Handbook's protocol: every booster and strategy beside the published figures."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden import __version__
from paywarden.errors import ConfigurationError, DataError
from paywarden.evaluation.handbook import (
    TEST_FOLDS,
    VALIDATION_FOLDS,
    WEEK_DAYS,
    HandbookFigures,
    HandbookFold,
    figures_of,
    rows_of_test,
    rows_of_training,
    summary,
)
from paywarden.evaluation.handbook_report import HandbookReport, write_handbook_report
from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.training.boosters import KINDS, BoosterTrainer, Examples, XGBoostTrainer, trainer_of
from paywarden.training.calibration import fit_calibrator
from paywarden.training.dataset import Dataset
from paywarden.training.imbalance import STRATEGIES, Resampling, Strategy, treat

CHOSEN: Final[Mapping[str, Mapping[str, float | str]]] = MappingProxyType(
    {
        "xgboost": {
            "learning_rate": 0.1,
            "max_depth": 5,
            "max_rounds": 60,
            "early_stopping_rounds": 0,
            "reg_lambda": 3.0,
            "subsample": 0.7,
            "colsample_bynode": 0.3,
            "num_parallel_tree": 6,
        }
    }
)
"""Hyperparameters by booster, chosen on the validation folds only; others keep their defaults.

A week of training holds about 400 frauds, so that single trees follow chance: six a round gave the validation folds an
AP of 0.750 where one gave 0.744. Twelve, 40 or 90 rounds, depths of 6 or 8, half or twice the regularisation gave 0.747
to 0.749, so that nothing hangs on them; 256 bins in place of 1024 cost 0.02.
"""
THEIR_TRAINER: Final = XGBoostTrainer(
    learning_rate=0.3,
    max_depth=3,
    max_rounds=50,
    early_stopping_rounds=0,
    tree_method="exact",
    base_score=0.5,
    threads=1,
)
"""The handbook's own XGBoost."""
_AT_ONCE: Final = 2  # folds are fitted side by side with one thread each, which also makes the trees reproducible


@dataclass(frozen=True)
class HandbookPlan:
    """What is compared: boosters, strategies, the days of training (7 are the protocol's), the seed."""

    boosters: tuple[str, ...] = KINDS
    strategies: tuple[Strategy, ...] = STRATEGIES
    train_days: int = WEEK_DAYS
    resampling: Resampling = field(default_factory=Resampling)
    seed: int = 0

    def __post_init__(self) -> None:
        for what, asked, known in (("booster", self.boosters, KINDS), ("strategy", self.strategies, STRATEGIES)):
            strange = [name for name in asked if name not in known]
            if strange or not asked:
                raise ConfigurationError(
                    f"There is no {what} {', '.join(strange) or 'named'}. Choose among {', '.join(known)}."
                )
        if self.train_days < 1:
            raise ConfigurationError(f"{self.train_days} days of training are none. Give 1 or more; 7 is the protocol.")

    def trainer(self, kind: str) -> BoosterTrainer:
        """The booster's trainer."""
        return trainer_of(kind, threads=1).with_parameters(**CHOSEN.get(kind, {}))

    def to_dict(self) -> dict[str, Any]:
        """The plan as a JSON document."""
        return {**asdict(self), "trainers": {kind: self.trainer(kind).to_dict() for kind in self.boosters}}


def evaluate_handbook(
    dataset: Dataset,
    data_digest: str,
    directory: Path,
    plan: HandbookPlan | None = None,
    *,
    their_features: pa.Table | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> list[Path]:
    """The paths of the report on the handbook's data, replayed: `report.json`, `report.md` and plots.

    Probabilities are calibrated (Platt) on the four validation folds together. Boosters that stop early do so on the
    week before their training. `their_features` (TRANSACTION_ID and 14 columns) adds the check that the evaluation is
    the handbook's. Scores of finished folds are kept in `directory/cells` and used again where data, features and
    hyperparameters are equal. Raises DataError where the file is not the handbook's, whole.
    """
    plan = plan or HandbookPlan()
    tested = {}
    for fold in (*VALIDATION_FOLDS, *TEST_FOLDS):
        rows_of_training(fold, dataset.occurred_at, plan.train_days)
        tested[fold] = rows_of_test(fold, dataset.occurred_at, dataset.card, dataset.target)
    check = None
    if their_features is not None:
        say("checking the evaluation with the handbook's own 15 inputs")
        check = their_figures(dataset, their_features)
    scores = _Scores(dataset, tested, data_digest, directory / "cells", plan)
    pairs = list(itertools.product(plan.boosters, plan.strategies))
    figures: dict[str, dict[str, list[HandbookFigures]]] = {kind: {} for kind in plan.boosters}
    curve = None
    for number, (kind, strategy) in enumerate(pairs, 1):
        folds, default = _measured(scores, kind, strategy)
        figures[kind][strategy] = folds
        curve = default if curve is None else curve
        say(f"{number} of {len(pairs)}: {kind}, {strategy}: {_words(folds)}")
    report = HandbookReport(figures, tuple(fold.name for fold in TEST_FOLDS), plan.to_dict(), check, curve)
    return write_handbook_report(directory, report)


def their_figures(dataset: Dataset, their_features: pa.Table) -> list[HandbookFigures]:
    """The test folds' figures with the handbook's 14 features, the amount, and its XGBoost."""
    ids = their_features["TRANSACTION_ID"].cast(pa.string()).combine_chunks()
    found = pc.index_in(dataset.transaction_ids, value_set=ids)
    if found.null_count:
        raise DataError(
            f"The file of features lacks {found.null_count} of the transactions. Give the one that belongs to the data."
        )
    columns = [column.to_numpy() for column in their_features.drop_columns(["TRANSACTION_ID"]).columns]
    place = found.to_numpy()
    features = np.column_stack([dataset.amount / 100.0, *(column[place] for column in columns)]).astype(np.float32)
    return [_theirs(dataset, features, fold) for fold in TEST_FOLDS]


def _theirs(dataset: Dataset, features: NDArray[np.float32], fold: HandbookFold) -> HandbookFigures:
    train = rows_of_training(fold, dataset.occurred_at)
    test = rows_of_test(fold, dataset.occurred_at, dataset.card, dataset.target)
    examples = Examples(features[train], dataset.target[train])
    raw = THEIR_TRAINER.fit(examples, examples, seed=0).booster.predict_margin(features[test])
    return figures_of(dataset.target[test], raw, dataset.card[test], dataset.occurred_at[test])


def _measured(
    scores: _Scores, kind: str, strategy: Strategy
) -> tuple[list[HandbookFigures], tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """The test folds' figures, and outcomes and raw scores of the latest."""
    dataset, rows = scores.dataset, scores.tested
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        raws = dict(zip(rows, pool.map(lambda fold: scores.of(kind, strategy, fold), rows), strict=True))
    calibrator = fit_calibrator(
        "platt",
        np.concatenate([raws[fold] for fold in VALIDATION_FOLDS]),
        np.concatenate([dataset.target[rows[fold]] for fold in VALIDATION_FOLDS]),
    )
    folds = []
    for fold in TEST_FOLDS:
        chosen, raw = rows[fold], raws[fold]
        outcome, card, at = dataset.target[chosen], dataset.card[chosen], dataset.occurred_at[chosen]
        folds.append(figures_of(outcome, raw, card, at, calibrator.apply(raw)))
    return folds, (dataset.target[rows[TEST_FOLDS[0]]], raws[TEST_FOLDS[0]])


@dataclass(frozen=True, eq=False)
class _Scores:
    """Raw scores (float64) of a fold's `tested` rows (int64), from the directory where they were computed before."""

    dataset: Dataset
    tested: Mapping[HandbookFold, NDArray[np.int64]]
    data_digest: str
    directory: Path
    plan: HandbookPlan

    def of(self, kind: str, strategy: Strategy, fold: HandbookFold) -> NDArray[np.float64]:
        path = self.directory / f"{kind}-{strategy}-{fold.name}-{self._digest(kind)[:16]}.npy"
        if path.exists():
            kept: NDArray[np.float64] = np.load(path, allow_pickle=False)
            return kept
        raw = self._fitted(kind, strategy, fold)
        self.directory.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.save(file, raw, allow_pickle=False)
        unfinished.replace(path)  # a run that is killed leaves no half file that the next one would believe
        return raw

    def _digest(self, kind: str) -> str:
        plan = self.plan
        said = [self.data_digest, self.dataset.contract_digest, plan.trainer(kind).to_dict(), plan.train_days]
        said += [asdict(plan.resampling), plan.seed, __version__]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def _fitted(self, kind: str, strategy: Strategy, fold: HandbookFold) -> NDArray[np.float64]:
        dataset, plan = self.dataset, self.plan
        train = self._examples(rows_of_training(fold, dataset.occurred_at, plan.train_days))
        began = fold.training(plan.train_days).start
        before = Window(began - WEEK_DAYS * DAY_MS, began).contains(dataset.occurred_at)
        held_out = self._examples(np.flatnonzero(before)) if before.any() else train
        treated = treat(strategy, train, {}, plan.resampling, plan.seed)
        booster = plan.trainer(kind).fit(treated.examples, held_out, plan.seed).booster
        return booster.predict_margin(dataset.features[self.tested[fold]]) + treated.prior_offset

    def _examples(self, rows: NDArray[np.int64]) -> Examples:
        return Examples(self.dataset.features[rows], self.dataset.target[rows])


def _words(folds: Sequence[HandbookFigures]) -> str:
    found = summary(folds)
    names = {"average_precision": "AP", "card_precision": "CP@100", "roc_auc": "AUC", "brier": "Brier"}
    return ", ".join(
        f"{words} {found[name]['mean']:.5f} ± {found[name]['sd']:.5f}" for name, words in names.items() if name in found
    )
