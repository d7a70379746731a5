"""Training: what a whole run takes beside bare `xgboost.train`, and rows a second of replay and run together.

Both fit the same rows with the same parameters for the same number of rounds. The run also learns encodings, stops by
average precision, calibrates, chooses thresholds and measures. One imbalance strategy, no tuning: each of the others
would fit once more.
"""

from __future__ import annotations

import time

import numpy as np
import xgboost

from benchmarks.histories import handbook_or_simulated
from benchmarks.rounds import in_turn, ratios, seconds
from paywarden.evaluation.splits import DAY_MS
from paywarden.features.templates import full_catalogue
from paywarden.jobs.train import split_of
from paywarden.jobs.training_data import History, replayed_dataset
from paywarden.training.trainer import TrainingResult, TrainingSettings, train

TARGET_RATIO = 1.25
TRAIN_DAYS = 14
LABEL_DELAY_DAYS = 7
_OWN = ("kind", "max_rounds", "early_stopping_rounds", "threads", "max_cat_to_onehot")


def measure() -> dict[str, object]:
    """Seconds of both, how many times as long the run took, and the rate from raw rows to a model."""
    source, settings = handbook_or_simulated(), TrainingSettings()
    catalogue = full_catalogue(source.schema)
    began = time.perf_counter()
    dataset = replayed_dataset(
        History(source.transactions, source.labels, {"source": source.name}), catalogue, LABEL_DELAY_DAYS * DAY_MS
    )
    replayed = time.perf_counter() - began
    split = split_of(dataset, TRAIN_DAYS)
    print(f"  {source.name}: replayed {source.rows:,} rows in {replayed:.1f} s")
    result = train(dataset, split, settings)
    rows = np.flatnonzero(split.train.contains(dataset.occurred_at))
    features, target = dataset.features[rows], dataset.target[rows]
    timings = in_turn(
        {
            "paywarden": lambda: train(dataset, split, settings),
            "xgboost": lambda: _bare(features, target, settings, result),
        }
    )
    runs = [timing.wall for timing in timings["paywarden"]]
    return {
        "source": source.name,
        "training_rows": len(rows),
        "features": features.shape[1],
        "rounds": len(result.validation_average_precision),
        "target_ratio": TARGET_RATIO,
        **{name: seconds(taken) for name, taken in timings.items()},
        "train_to_bare_xgboost": ratios(timings["paywarden"], timings["xgboost"]),
        "replayed_rows": source.rows,
        "replay_and_train_rows_per_second": round(source.rows / (replayed + float(np.median(runs)))),
    }


def _bare(features: np.ndarray, target: np.ndarray, settings: TrainingSettings, result: TrainingResult) -> object:
    parameters = {name: value for name, value in settings.booster.to_dict().items() if name not in _OWN}
    threads = settings.booster.to_dict()["threads"]
    matrix = xgboost.DMatrix(features, label=target, nthread=threads)
    return xgboost.train(
        {**parameters, "objective": "binary:logistic", "nthread": threads, "seed": settings.seed},
        matrix,
        num_boost_round=len(result.validation_average_precision),
    )
