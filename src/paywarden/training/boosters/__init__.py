"""Fitting gradient-boosted trees: one file a library, behind one protocol."""

from paywarden.training.boosters.booster_trainer import BoosterTrainer, Examples, Fitted
from paywarden.training.boosters.xgboost import XGBoostTrainer

__all__ = ["BoosterTrainer", "Examples", "Fitted", "XGBoostTrainer"]
