"""One way to train on several splits in time: how much its figures vary from one week to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from paywarden.evaluation.splits import TimeSplit
from paywarden.training.dataset import Dataset
from paywarden.training.trainer import TrainingResult, TrainingSettings, train


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
