"""A small search, also as a program of its own that another process may kill: `python search.py sqlite:///… marker`."""

import os
import sys
from pathlib import Path

import numpy as np

from paywarden.training.boosters import Examples, XGBoostTrainer
from paywarden.training.tuning import Fold, TuningSettings, tune

TRIALS, KILLED_IN = 14, 12
BOOSTER = XGBoostTrainer(max_depth=3, max_rounds=12, early_stopping_rounds=0, max_bin=16, threads=1)


def folds():
    random = np.random.default_rng(21)
    found = []
    for rows in (500, 400):
        features = random.normal(size=(rows, 3)).astype(np.float32)
        target = random.random(rows) < np.where(features[:, 0] * features[:, 1] > 0.5, 0.4, 0.02)
        found.append(Examples(features, target))
    return [Fold(found[0], found[1]), Fold(found[1], found[0])]


def search(storage=None, trials=TRIALS, seed=5, **options):
    return tune(BOOSTER, folds(), TuningSettings(trials=trials, storage=storage), seed, **options)


class _SlowTrainer(XGBoostTrainer):
    """Stays in the middle of a trial for ever once so many fits are done, for somebody to kill it."""

    fits = 0
    marker: Path

    def fit(self, *arguments, **options):
        _SlowTrainer.fits += 1
        if _SlowTrainer.fits > 2 * KILLED_IN:
            _SlowTrainer.marker.touch()
            os.read(0, 1)
        return super().fit(*arguments, **options)


if __name__ == "__main__":
    _SlowTrainer.marker = Path(sys.argv[2])
    slow = _SlowTrainer(**{name: value for name, value in BOOSTER.to_dict().items() if name != "kind"})
    tune(slow, folds(), TuningSettings(trials=TRIALS, storage=sys.argv[1]), 5)
