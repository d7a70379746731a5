"""A short history, a weak and a strong booster, and a gate that is content with little: what promotion is tested on."""

from __future__ import annotations

import pyarrow as pa

from paywarden.jobs.training_data import History
from paywarden.simulation.world import World
from paywarden.training.boosters import XGBoostTrainer
from paywarden.training.gate import GateSettings
from paywarden.training.thresholds import AlertBudget

GATE = GateSettings(
    measure="average_precision",
    budget=AlertBudget(alert_share=0.05),
    fewest_positives=10,
    resamples=500,
    calibration_factor=5.0,
    latency_microseconds=1e9,
)
WEAK, STRONG = XGBoostTrainer(max_rounds=8, max_depth=2, threads=1), XGBoostTrainer(max_rounds=60, threads=1)


def short_history() -> History:
    """Twenty-four days with much fraud."""
    days = list(World(5, cards=400, merchants=100, fraud_rate=0.03).days(0, 24))
    transactions, labels = (
        pa.concat_tables([getattr(day, name) for day in days]) for name in ("transactions", "labels")
    )
    return History(transactions, labels, {"transactions": 3, "labels": 1})
