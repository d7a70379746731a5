"""Fitting logistic regression, the floor under the boosters."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from paywarden.errors import ConfigurationError
from paywarden.scoring.boosters.logistic import LogisticBooster, standardised
from paywarden.training.boosters.booster_trainer import Examples, Fitted, OnRound, Range
from paywarden.training.boosters.hyperparameters import Hyperparameters
from paywarden.training.boosters.stopping import ValidationCurve


@dataclass(frozen=True)
class LogisticTrainer(Hyperparameters):
    """Logistic regression with an L2 penalty of 1 / `inverse_penalty`, on standardised columns.

    Absent values are imputed by the training median; classes keep their frequencies, so its probabilities are honest.
    It has one round, no GPU and no seed. `threads` is taken because every kind has it; the fit uses one.
    """

    inverse_penalty: float = 1.0
    max_iterations: int = 1000
    device: str = "cpu"
    threads: int = 1

    kind: ClassVar[str] = "logistic"
    native_categories: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.device != "cpu":
            raise ConfigurationError(
                f"Logistic regression runs on the CPU only, not on {self.device!r}. Set the device to cpu."
            )

    def fit(
        self,
        train: Examples,
        validation: Examples,
        seed: int,  # noqa: ARG002 -- the optimum is unique
        *,
        on_round: OnRound | None = None,
    ) -> Fitted:
        """The regression fitted on `train`, and its average precision on `validation` as the only round's."""
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 -- slow to import
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 -- as above

        if train.categorical:
            raise ConfigurationError("Logistic regression takes no categories. Encode them as ordered statistics.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column of nothing but absent values has no median
            median = np.nan_to_num(np.nanmedian(train.features, axis=0).astype(np.float64))
        present = np.where(np.isnan(train.features), median, train.features.astype(np.float64))
        mean, deviation = present.mean(axis=0), present.std(axis=0)
        scale = np.where(deviation > 0.0, deviation, 1.0)
        model = LogisticRegression(C=self.inverse_penalty, max_iter=self.max_iterations)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a floor that is nearly there is a floor
            model.fit(standardised(train.features, median, mean, scale), train.target, train.weight)
        coefficient = model.coef_[0].astype(np.float64)
        booster = LogisticBooster(
            median=tuple(median.tolist()),
            mean=tuple(mean.tolist()),
            scale=tuple(scale.tolist()),
            coefficient=tuple(coefficient.tolist()),
            intercept=float(model.intercept_[0]),
        )
        curve = ValidationCurve(validation, 0, on_round)
        curve.ends_with(booster.predict_margin(validation.features))
        return Fitted(booster, 1, tuple(curve.average_precision))

    def search_space(self) -> Mapping[str, Range]:
        """The penalty, by name."""
        return {"inverse_penalty": Range(1e-4, 1e2, log=True)}
