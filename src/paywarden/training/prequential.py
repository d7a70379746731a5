"""One way to train on several splits in time: how much its figures vary from one week to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from paywarden.evaluation.splits import TimeSplit
from paywarden.training.dataset import Dataset
from paywarden.training.trainer import TrainingResult, TrainingSettings, train

_FIGURES: Final = (
    "frauds",
    "average_precision",
    "card_precision",
    "recall_at_1pct_fpr",
    "precision",
    "recall",
    "brier",
    "money_saved",
)
"""What a row of a fold shows."""


@dataclass(frozen=True)
class Spread:
    """A figure's mean and standard deviation (n - 1) over the folds that have it; the latter None with only one."""

    mean: float
    deviation: float | None
    folds: int


def train_folds(
    dataset: Dataset,
    splits: Sequence[TimeSplit],
    settings: TrainingSettings | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> tuple[TrainingResult, ...]:
    """A result a split, as :func:`paywarden.evaluation.splits.prequential` gives them, each trained from scratch."""
    results = []
    for number, split in enumerate(splits, start=1):
        say(f"fold {number} of {len(splits)}")
        results.append(train(dataset, split, settings, say=say))
    return tuple(results)


def spread(results: Sequence[TrainingResult]) -> dict[str, Spread]:
    """The spread of every number among the test figures, by its name; what no fold has is left out."""
    documents = [result.test.to_dict() for result in results]
    found = {}
    for name in documents[0] if documents else ():
        values = [document[name] for document in documents if isinstance(document[name], int | float)]
        if values:
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
            found[name] = Spread(float(np.mean(values)), deviation, len(values))
    return found


def fold_rows(splits: Sequence[TimeSplit], results: Sequence[TrainingResult]) -> list[dict[str, Any]]:
    """A row a fold with the figures of its test window, then their means and deviations: for a report's table."""
    rows = [
        {"test window": _days_of(split), **{name: result.test.to_dict()[name] for name in _FIGURES}}
        for split, result in zip(splits, results, strict=True)
    ]
    found = spread(results)
    means = {name: found[name].mean if name in found else None for name in _FIGURES}
    deviations = {name: found[name].deviation if name in found else None for name in _FIGURES}
    return [*rows, {"test window": "mean", **means}, {"test window": "deviation", **deviations}]


def _days_of(split: TimeSplit) -> str:
    start, end = (datetime.fromtimestamp(at / 1000, UTC) for at in (split.test.start, split.test.end))
    return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
