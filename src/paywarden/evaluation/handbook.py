"""The Fraud Detection Handbook's protocol: which transactions a fold trains and is tested on, and how it is measured.

Source: Y. Le Borgne, W. Siblini, B. Lebichot, G. Bontempi, Reproducible Machine Learning for Credit Card Fraud
Detection - Practical Handbook (2022), chapter 5, https://fraud-detection-handbook.github.io/fraud-detection-handbook/.
Each fold trains on a week, waits a week for labels, and is tested on the week after; a longer training window ends on
the same day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.evaluation.card_precision import card_precision
from paywarden.evaluation.labels import NEVER, known_compromised
from paywarden.evaluation.metrics import average_precision, roc_auc
from paywarden.evaluation.splits import DAY_MS, Window

WEEK_DAYS: Final = 7
WEEK_MS: Final = WEEK_DAYS * DAY_MS
"""The length of training and of test, and the delay of labels."""
CARDS_A_DAY: Final = 100

THEIR_AVERAGE_PRECISION: Final = 0.6865
"""What the handbook's 15 inputs and XGBoost parameters give over the four test folds where its evaluation is redone."""
TOLERANCE: Final = 0.001


@dataclass(frozen=True)
class HandbookFigures:
    """Average precision, card precision@100 and ROC AUC; the Brier score, where probabilities are known."""

    average_precision: float
    card_precision: float | None
    roc_auc: float | None
    brier: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The figures as a JSON document."""
        return asdict(self)


PUBLISHED: Final = MappingProxyType(
    {
        "XGBoost": HandbookFigures(0.687, 0.303, 0.869),
        "random forest": HandbookFigures(0.678, None, None),
        "logistic regression": HandbookFigures(0.623, None, None),
        "decision tree of depth 4": HandbookFigures(0.601, None, None),
        "decision tree of depth 2": HandbookFigures(0.542, None, None),
    }
)
"""The handbook's own figures, chapter 5, each with the model's best parameters; XGBoost's are ± 0.01."""


@dataclass(frozen=True)
class HandbookFold:
    """A fold by the time (epoch ms) at which its week of training begins."""

    start: int

    @property
    def test(self) -> Window:
        """The week of test."""
        return Window(self.start + 2 * WEEK_MS, self.start + 3 * WEEK_MS)

    def training(self, days: int = WEEK_DAYS) -> Window:
        """So many days of training, up to a week before test."""
        return Window(self.start + WEEK_MS - days * DAY_MS, self.start + WEEK_MS)

    @property
    def name(self) -> str:
        """The first day of test, as a date."""
        return datetime.fromtimestamp(self.test.start / 1000, UTC).date().isoformat()


def _folds(latest: str) -> tuple[HandbookFold, ...]:
    start = int(datetime.fromisoformat(f"{latest}T00:00:00+00:00").timestamp() * 1000)
    return tuple(HandbookFold(start - weeks * WEEK_MS) for weeks in range(4))


TEST_FOLDS: Final = _folds("2018-08-15")
"""Latest first, as the handbook lists them."""
VALIDATION_FOLDS: Final = _folds("2018-07-11")
"""Those before: what is chosen or calibrated is so on these."""


def rows_of_training(fold: HandbookFold, occurred_at: NDArray[np.int64], days: int = WEEK_DAYS) -> NDArray[np.int64]:
    """The transactions (int64 indices) that the fold trains on. Raises DataError where there are none."""
    return _rows(fold.training(days).contains(occurred_at), f"training, {days} days before {fold.name},")


def rows_of_test(
    fold: HandbookFold, occurred_at: NDArray[np.int64], card: NDArray[np.int64], fraud: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The transactions (int64 indices) that the fold is tested on. Raises DataError where there are none.

    Day k (0 to 6) leaves out every card with a fraud since the week of training began and at least a week before that
    day, so that it is known; older frauds do not count, however long training is.
    """
    known_at = np.where(fraud, occurred_at + WEEK_MS, NEVER)
    known = known_compromised(card, occurred_at, known_at, since=fold.start)
    return _rows(fold.test.contains(occurred_at) & ~known, f"test, the week from {fold.name},")


def _rows(chosen: NDArray[np.bool_], words: str) -> NDArray[np.int64]:
    if not chosen.any():
        raise DataError(
            f"The file has no transaction for {words} of the handbook's protocol. Give the handbook's own data, whole: "
            "its daily files joined, 2018-04-01 to 2018-09-30. For other data: paywarden evaluate FILE --mapping M."
        )
    return np.flatnonzero(chosen)


def figures_of(
    target: NDArray[np.bool_],
    raw: NDArray[np.float64],
    card: NDArray[np.int64],
    occurred_at: NDArray[np.int64],
    probability: NDArray[np.float64] | None = None,
) -> HandbookFigures:
    """The figures of one fold's tested rows, as the handbook defines them. Raises DataError where none is a fraud.

    AP and ROC AUC are scikit-learn's, over transactions; card precision@100 is the mean over the days of the frauds
    among the hundred cards of the day with the highest scores ÷ 100, cards once detected being left out afterwards.
    """
    reached = average_precision(target, raw)
    if reached is None:
        raise DataError("A fold of the handbook's protocol holds no fraud. Give the handbook's own data, whole.")
    return HandbookFigures(
        average_precision=reached,
        card_precision=card_precision(target, raw, card, occurred_at, CARDS_A_DAY),
        roc_auc=roc_auc(target, raw),
        brier=None if probability is None else float(np.mean((probability - target) ** 2)),
    )


def summary(folds: Sequence[HandbookFigures]) -> dict[str, dict[str, float]]:
    """Mean and population standard deviation over folds of each figure that all of them have, by the figure's name."""
    found = {}
    for field in fields(HandbookFigures):
        values = [value for figures in folds if (value := getattr(figures, field.name)) is not None]
        if folds and len(values) == len(folds):
            found[field.name] = {"mean": float(np.mean(values)), "sd": float(np.std(values))}
    return found
