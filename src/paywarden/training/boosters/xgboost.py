"""Fitting XGBoost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError
from paywarden.scoring.boosters.xgboost import XGBoostBooster
from paywarden.training.boosters.booster_trainer import Examples, Fitted, OnRound, Range
from paywarden.training.boosters.hyperparameters import Hyperparameters, no_gpu, require_device
from paywarden.training.boosters.stopping import ValidationCurve

if TYPE_CHECKING:
    import xgboost


@dataclass(frozen=True)
class XGBoostTrainer(Hyperparameters):
    """XGBoost's hyperparameters, with defaults for one fraud in a hundred to a thousand.

    `base_score` is 0.5 on purpose: started from the estimated fraud rate, every row's hessian is so small that
    `min_child_weight` forbids the small leaves in which fraud sits. `max_bin` is 1024, because rates and risks crowd
    near 0: on the Fraud Detection Handbook's data it gave AP 0.702 where XGBoost's 256 gave 0.681. `threads` is part of
    the result (histograms are summed in the order of the threads), so it is fixed here, not taken from the machine.
    `device` is cpu or cuda; another device may give other trees. Where frauds are few, several trees a round
    (`num_parallel_tree`), each on a sample of rows and, at each split, of features (`colsample_bynode`), steady the
    model as a forest does; by default there is one.
    """

    learning_rate: float = 0.1
    max_depth: int = 6
    max_rounds: int = 600
    early_stopping_rounds: int = 50
    min_child_weight: float = 1.0
    reg_lambda: float = 1.0
    subsample: float = 1.0
    colsample_bytree: float = 1.0
    colsample_bynode: float = 1.0
    num_parallel_tree: int = 1
    max_bin: int = 1024
    scale_pos_weight: float = 1.0
    base_score: float = 0.5
    tree_method: str = "hist"
    max_cat_to_onehot: int = 4
    device: str = "cpu"
    threads: int = 2

    kind: ClassVar[str] = "xgboost"

    def __post_init__(self) -> None:
        require_device(self.kind, self.device)
        if self.device == "cuda":
            _require_gpu()

    @property
    def native_categories(self) -> bool:
        """Exact trees know no categories."""
        return self.tree_method != "exact"

    def fit(self, train: Examples, validation: Examples, seed: int, *, on_round: OnRound | None = None) -> Fitted:
        """The booster fitted on `train`, with the rounds after the best average precision on `validation` dropped."""
        import xgboost  # noqa: PLC0415 -- heavy, and needed only where models are fitted

        if train.categorical and not self.native_categories:
            raise ConfigurationError("XGBoost's exact trees take no categories. Set tree_method to hist.")
        curve = ValidationCurve(validation, self.early_stopping_rounds, on_round)
        measured = _Measured(curve)
        booster = xgboost.train(
            self._parameters(train, seed),
            self._matrix(train),
            num_boost_round=self.max_rounds,
            evals=[(self._matrix(validation), "validation")],
            custom_metric=measured.metric,
            callbacks=[measured.callback()],
            verbose_eval=False,
        )
        own = XGBoostBooster(booster[: curve.rounds], self.threads)
        return Fitted(own, curve.rounds, tuple(curve.average_precision))

    def search_space(self) -> Mapping[str, Range]:
        """What moves the result most, by name."""
        return {
            "learning_rate": Range(0.02, 0.3, log=True),
            "max_depth": Range(3, 9, integer=True),
            "min_child_weight": Range(0.3, 30.0, log=True),
            "reg_lambda": Range(0.1, 100.0, log=True),
            "subsample": Range(0.5, 1.0),
            "colsample_bytree": Range(0.3, 1.0),
        }

    def _matrix(self, examples: Examples) -> xgboost.DMatrix:
        import xgboost  # noqa: PLC0415 -- as above

        types = None
        if examples.categorical:
            types = ["c" if column in examples.categorical else "q" for column in range(examples.features.shape[1])]
        return xgboost.DMatrix(
            examples.features,
            label=examples.target,
            weight=examples.weight,
            feature_types=types,
            enable_categorical=types is not None,
            nthread=self.threads,
        )

    def _parameters(self, train: Examples, seed: int) -> dict[str, Any]:
        hyperparameters = asdict(self)
        for own in ("max_rounds", "early_stopping_rounds", "threads"):
            del hyperparameters[own]
        if self.tree_method == "exact":
            del hyperparameters["max_bin"]
        if not train.categorical:
            del hyperparameters["max_cat_to_onehot"]
        fixed = {
            "objective": "binary:logistic",
            "disable_default_eval_metric": True,
            "nthread": self.threads,
            "seed": seed,
        }
        return {**hyperparameters, **fixed}


class _Measured:
    """The curve, as XGBoost asks for it: a metric that gives the figure, a callback that says whether to stop."""

    def __init__(self, curve: ValidationCurve) -> None:
        self._curve = curve
        self._ends = False

    def metric(self, score: NDArray[np.float32], _: xgboost.DMatrix) -> tuple[str, float]:
        self._ends = self._curve.ends_with(score)
        return "average_precision", self._curve.average_precision[-1]

    def callback(self) -> xgboost.callback.TrainingCallback:
        import xgboost  # noqa: PLC0415 -- as above

        measured = self

        class Stop(xgboost.callback.TrainingCallback):
            def after_iteration(self, _model: object, _epoch: int, _log: object) -> bool:
                return measured._ends

        return Stop()


def _require_gpu() -> None:
    """XGBoost itself would warn and go on with the CPU."""
    import xgboost  # noqa: PLC0415 -- as above

    if not xgboost.build_info().get("USE_CUDA"):
        raise no_gpu("xgboost", "this build is without CUDA.")
    with xgboost.config_context(verbosity=0):
        nothing = xgboost.DMatrix(np.zeros((1, 1), dtype=np.float32))
        configuration = json.loads(xgboost.Booster({"device": "cuda"}, cache=[nothing]).save_config())
    if not configuration["learner"]["generic_param"]["device"].startswith("cuda"):
        raise no_gpu("xgboost", "it sees none.")
