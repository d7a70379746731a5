"""The floor: what a model must beat where there is no champion yet: logistic regression on amount and time."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import DAY_MS
from paywarden.training.dataset import Dataset

_DAYS_A_WEEK: Final = 7


def floor_predictions(
    dataset: Dataset, train_rows: NDArray[np.int64], target: NDArray[np.bool_], test: Predictions
) -> Predictions:
    """The test window's rows as the floor scores them, fitted on these rows of the data set.

    `train_rows` int64 [T] with outcomes `target` bool [T], as the challenger was trained on. Its inputs are the amount
    and its logarithm, the time of day as a point on a circle, and the day of the week (UTC).
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 -- slow to import

    inputs = _inputs(dataset.amount[train_rows], dataset.occurred_at[train_rows])
    mean, deviation = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 1e-12)
    fitted = LogisticRegression(max_iter=1000).fit((inputs - mean) / deviation, target)
    raw = fitted.decision_function((_inputs(test.amount, test.occurred_at) - mean) / deviation)
    return replace(test, raw=raw.astype(np.float64), score=expit(raw))


def _inputs(amount: NDArray[np.int64], occurred_at: NDArray[np.int64]) -> NDArray[np.float64]:
    angle = 2.0 * np.pi * (occurred_at % DAY_MS) / DAY_MS
    weekday = occurred_at // DAY_MS % _DAYS_A_WEEK
    days = [weekday == day for day in range(1, _DAYS_A_WEEK)]
    columns = [amount, np.log1p(np.abs(amount)), np.sin(angle), np.cos(angle), *days]
    return np.column_stack(columns).astype(np.float64)
