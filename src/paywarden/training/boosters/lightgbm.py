"""Fitting LightGBM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from paywarden.scoring.boosters.lightgbm import LightGBMBooster
from paywarden.training.boosters.booster_trainer import Examples, Fitted, OnRound, Range
from paywarden.training.boosters.hyperparameters import Hyperparameters, no_gpu, require_device
from paywarden.training.boosters.stopping import ValidationCurve

if TYPE_CHECKING:
    import lightgbm


@dataclass(frozen=True)
class LightGBMTrainer(Hyperparameters):
    """LightGBM's hyperparameters, with defaults for one fraud in a hundred to a thousand.

    `boost_from_average` is off and `max_bin` 1023 for the reasons that XGBoost's trainer gives: leaves in which fraud
    sits are small, and rates crowd near 0. `min_sum_hessian_in_leaf` is 1 as XGBoost's `min_child_weight`: with
    LightGBM's 0.001 a leaf of settled rows grows scores without bound. `threads` is part of the result, so it is fixed
    here, and so is that histograms are built row-wise: LightGBM would time both ways and take the faster. `device` is
    cpu or cuda, which the wheels of PyPI are built without.
    """

    learning_rate: float = 0.1
    num_leaves: int = 31
    max_rounds: int = 600
    early_stopping_rounds: int = 50
    min_data_in_leaf: int = 10
    min_sum_hessian_in_leaf: float = 1.0
    lambda_l2: float = 1.0
    bagging_fraction: float = 1.0
    feature_fraction: float = 1.0
    max_bin: int = 1023
    scale_pos_weight: float = 1.0
    device: str = "cpu"
    threads: int = 2

    kind: ClassVar[str] = "lightgbm"
    native_categories: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_device(self.kind, self.device)
        if self.device == "cuda":
            _require_gpu()

    def fit(self, train: Examples, validation: Examples, seed: int, *, on_round: OnRound | None = None) -> Fitted:
        """The booster fitted on `train`, with the rounds after the best average precision on `validation` dropped."""
        import lightgbm  # noqa: PLC0415 -- heavy, and needed only where models are fitted

        parameters = self._parameters(seed)
        curve = ValidationCurve(validation, self.early_stopping_rounds, on_round)
        measured = _Measured(curve)
        rows = self._rows(train, parameters)
        booster = lightgbm.train(
            parameters,
            rows,
            num_boost_round=self.max_rounds,
            valid_sets=[self._rows(validation, parameters, rows)],
            feval=measured.metric,
            callbacks=[measured.stop],
        )
        text = booster.model_to_string(num_iteration=curve.rounds, importance_type="split")
        own = LightGBMBooster(text.encode("ascii"), self.threads)
        return Fitted(own, curve.rounds, tuple(curve.average_precision))

    def search_space(self) -> Mapping[str, Range]:
        """What moves the result most, by name."""
        return {
            "learning_rate": Range(0.02, 0.3, log=True),
            "num_leaves": Range(7, 127, log=True, integer=True),
            "min_data_in_leaf": Range(3, 100, log=True, integer=True),
            "lambda_l2": Range(0.1, 100.0, log=True),
            "bagging_fraction": Range(0.5, 1.0),
            "feature_fraction": Range(0.3, 1.0),
        }

    def _rows(
        self, examples: Examples, parameters: dict[str, Any], reference: lightgbm.Dataset | None = None
    ) -> lightgbm.Dataset:
        import lightgbm  # noqa: PLC0415 -- as above

        return lightgbm.Dataset(
            examples.features,
            label=examples.target.astype(np.float32),
            weight=examples.weight,
            reference=reference,
            categorical_feature=list(examples.categorical),
            params=parameters,
        )

    def _parameters(self, seed: int) -> dict[str, Any]:
        hyperparameters = asdict(self)
        for own in ("max_rounds", "early_stopping_rounds", "threads", "device"):
            del hyperparameters[own]
        fixed = {
            "objective": "binary",
            "metric": "None",
            "boost_from_average": False,
            "bagging_freq": 1 if self.bagging_fraction < 1.0 else 0,
            "deterministic": True,
            "device_type": self.device,
            "feature_pre_filter": False,
            "force_row_wise": True,
            "num_threads": self.threads,
            "seed": seed,
            "verbosity": -1,
        }
        return {**hyperparameters, **fixed}


class _Measured:
    """The curve, as LightGBM asks for it: a metric that gives the figure, a callback that stops by exception."""

    def __init__(self, curve: ValidationCurve) -> None:
        self._curve = curve
        self._ends = False

    def metric(self, score: NDArray[np.float64], _: lightgbm.Dataset) -> tuple[str, float, bool]:
        self._ends = self._curve.ends_with(score)
        return "average_precision", self._curve.average_precision[-1], True

    def stop(self, environment: lightgbm.callback.CallbackEnv) -> None:
        import lightgbm  # noqa: PLC0415 -- as above

        if self._ends:
            raise lightgbm.callback.EarlyStopException(environment.iteration, environment.evaluation_result_list or [])


def _require_gpu() -> None:
    import lightgbm  # noqa: PLC0415 -- as above

    nothing = lightgbm.Dataset(np.zeros((2, 1)), label=np.array([0.0, 1.0]), params={"verbosity": -1})
    try:
        lightgbm.train({"objective": "binary", "device_type": "cuda", "verbosity": -1}, nothing, 1)
    except lightgbm.basic.LightGBMError as error:
        raise no_gpu("lightgbm", str(error).strip().splitlines()[0]) from error
