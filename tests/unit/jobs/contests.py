"""A short history, a weak and a strong booster, and a gate that is content with little: what promotion is tested on."""

from __future__ import annotations

import pyarrow as pa

from paywarden.errors import ChampionMoved
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


class Version:
    def __init__(self, version, tags=()):
        self.version, self.tags = version, dict(tags)


class Registry:
    """Versions by number; `rivals` are promoted by others, one before each of our promotions."""

    def __init__(self, bundles, champion=None, rivals=()):
        self.bundles, self.champion, self.rivals = bundles, champion, list(rivals)
        self.tags, self.documents = {}, {}

    def find_champion(self):
        return None if self.champion is None else Version(self.champion)

    def get(self, reference):
        return self.bundles[reference]

    def find(self, reference):
        return Version(reference, self.tags.get(reference, {}))

    def describe(self, number, *, documents, tags, description=None):
        self.tags.setdefault(number, {}).update(tags)
        self.documents.setdefault(number, {}).update(documents)

    def promote(self, version, *, over):
        if self.rivals:
            self.champion = self.rivals.pop(0)
        if self.champion != over:
            raise ChampionMoved("another was quicker")
        self.champion = version
