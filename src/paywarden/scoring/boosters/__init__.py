"""Loading, predicting and explaining with gradient-boosted trees: one file a library, behind one protocol."""

from paywarden.scoring.boosters.booster import Booster
from paywarden.scoring.boosters.loading import BOOSTER_FILES, load_booster

__all__ = ["BOOSTER_FILES", "Booster", "load_booster"]
