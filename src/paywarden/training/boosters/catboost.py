"""Fitting CatBoost."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.scoring.boosters.catboost import CatBoostBooster, rows_for_catboost
from paywarden.training.boosters.booster_trainer import Examples, Fitted, OnRound, Range
from paywarden.training.boosters.hyperparameters import Hyperparameters, no_gpu, require_device
from paywarden.training.boosters.stopping import ValidationCurve

if TYPE_CHECKING:
    import catboost

_PROVENANCE: Final = ("model_guid", "output_options", "params", "train_finish_time", "training")
"""What CatBoost notes in a model and predicting does not need: with it, no two files would be equal."""


@dataclass(frozen=True)
class CatBoostTrainer(Hyperparameters):
    """CatBoost's hyperparameters, with defaults for one fraud in a hundred to a thousand.

    `boost_from_average` is off, as XGBoost's trainer says why. `threads` is fixed here, not taken from the machine.
    `device` is cpu or cuda; another device may give other trees.
    """

    learning_rate: float = 0.1
    depth: int = 6
    max_rounds: int = 600
    early_stopping_rounds: int = 50
    l2_leaf_reg: float = 3.0
    random_strength: float = 1.0
    rsm: float = 1.0
    border_count: int = 254
    scale_pos_weight: float = 1.0
    device: str = "cpu"
    threads: int = 2

    kind: ClassVar[str] = "catboost"
    native_categories: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_device(self.kind, self.device)
        if self.device == "cuda":
            _require_gpu()

    def fit(self, train: Examples, validation: Examples, seed: int, *, on_round: OnRound | None = None) -> Fitted:
        """The booster fitted on `train`, with the rounds after the best average precision on `validation` dropped."""
        import catboost  # noqa: PLC0415 -- heavy, and needed only where models are fitted

        curve = ValidationCurve(validation, self.early_stopping_rounds, on_round)
        measured = _Measured(curve, validation.target)
        model = catboost.CatBoost({**self._parameters(seed), "eval_metric": measured})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it says that it could not compile our metric with numba
            model.fit(_pool(train), eval_set=_pool(validation), callbacks=[measured])
        model.shrink(ntree_end=curve.rounds)
        return Fitted(CatBoostBooster(_bytes(model), self.threads), curve.rounds, tuple(curve.average_precision))

    def search_space(self) -> Mapping[str, Range]:
        """What moves the result most, by name."""
        return {
            "learning_rate": Range(0.02, 0.3, log=True),
            "depth": Range(3, 9, integer=True),
            "l2_leaf_reg": Range(0.3, 30.0, log=True),
            "random_strength": Range(0.1, 10.0, log=True),
            "rsm": Range(0.3, 1.0),
        }

    def _parameters(self, seed: int) -> dict[str, Any]:
        hyperparameters = asdict(self)
        for own in ("max_rounds", "early_stopping_rounds", "threads", "device"):
            del hyperparameters[own]
        if self.device == "cuda":
            del hyperparameters["rsm"]  # the GPU draws no columns
        fixed = {
            "allow_writing_files": False,
            "boost_from_average": False,
            "iterations": self.max_rounds,
            "logging_level": "Silent",
            "loss_function": "Logloss",
            "random_seed": seed,
            "task_type": "GPU" if self.device == "cuda" else "CPU",
            "thread_count": self.threads,
            "use_best_model": False,
        }
        return {**hyperparameters, **fixed}


class _Measured:
    """The curve, as CatBoost asks for it: a metric that it also asks of training rows, and a callback that stops."""

    def __init__(self, curve: ValidationCurve, target: NDArray[np.bool_]) -> None:
        self._curve = curve
        self._target = target
        self._score: NDArray[np.float64] | None = None

    def __deepcopy__(self, _memo: object) -> _Measured:
        return self  # CatBoost copies its parameters, and the callback would look at another object

    def is_max_optimal(self) -> bool:
        return True

    def get_final_error(self, error: float, _weight: float) -> float:
        return error

    def evaluate(
        self, approxes: Sequence[NDArray[np.float64]], target: NDArray[np.float32], _weight: NDArray[np.float32] | None
    ) -> tuple[float, float]:
        # Validation comes after training; the figure is ours, so what CatBoost is told does not matter.
        if len(target) == len(self._target) and np.array_equal(np.asarray(target) > 0.5, self._target):
            self._score = np.array(approxes[0], dtype=np.float64)
        return 0.0, 1.0

    def after_iteration(self, _info: object) -> bool:
        if self._score is None:
            raise RuntimeError("CatBoost did not ask for the metric on validation")
        return not self._curve.ends_with(self._score)


def _pool(examples: Examples) -> catboost.Pool:
    import catboost  # noqa: PLC0415 -- as above

    return catboost.Pool(
        rows_for_catboost(examples.features, examples.categorical),
        label=examples.target.astype(np.int8),
        weight=examples.weight,
        cat_features=list(examples.categorical),
    )


def _bytes(model: catboost.CatBoost) -> bytes:
    metadata = model.get_metadata()
    for name in _PROVENANCE:
        if metadata.get(name) is not None:
            del metadata[name]
    with TemporaryDirectory(prefix="paywarden-catboost-") as directory:
        file = Path(directory, "booster.cbm")
        model.save_model(str(file))
        return file.read_bytes()


def _require_gpu() -> None:
    import catboost  # noqa: PLC0415 -- as above

    try:
        catboost.CatBoost(
            {"iterations": 1, "task_type": "GPU", "logging_level": "Silent", "allow_writing_files": False}
        ).fit(np.array([[0.0], [1.0]]), np.array([0, 1]))
    except catboost.CatBoostError as error:
        raise no_gpu("catboost", str(error).strip().splitlines()[0]) from error
