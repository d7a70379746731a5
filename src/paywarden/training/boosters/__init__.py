"""Fitting gradient-boosted trees: one file a library, behind one protocol."""

from paywarden.training.boosters.booster_trainer import BoosterTrainer, Examples, Fitted, OnRound, Range
from paywarden.training.boosters.kinds import KINDS, trainer_of
from paywarden.training.boosters.xgboost import XGBoostTrainer

__all__ = [
    "KINDS",
    "BoosterTrainer",
    "Examples",
    "Fitted",
    "OnRound",
    "Range",
    "XGBoostTrainer",
    "trainer_of",
]
