"""The boosters that can be trained here, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from paywarden.errors import ConfigurationError
from paywarden.training.boosters.booster_trainer import BoosterTrainer
from paywarden.training.boosters.catboost import CatBoostTrainer
from paywarden.training.boosters.lightgbm import LightGBMTrainer
from paywarden.training.boosters.logistic import LogisticTrainer
from paywarden.training.boosters.xgboost import XGBoostTrainer

_TRAINERS: Final[Mapping[str, Callable[[], BoosterTrainer]]] = MappingProxyType(
    {"xgboost": XGBoostTrainer, "lightgbm": LightGBMTrainer, "catboost": CatBoostTrainer, "logistic": LogisticTrainer}
)
KINDS: Final = tuple(_TRAINERS)
"""Every kind, the default first."""


def trainer_of(kind: str, *, threads: int = 2, device: str = "cpu", **hyperparameters: float | str) -> BoosterTrainer:
    """A kind's trainer with its defaults, but for these hyperparameters (the library's own names, see the class).

    Raises ConfigurationError for an unknown kind, hyperparameter or device, and where `cuda` is asked for in vain: the
    answer comes here, before a replay has taken its minutes.
    """
    if kind not in _TRAINERS:
        raise ConfigurationError(f"There is no booster {kind!r}; choose one of {', '.join(KINDS)}.")
    placed = {} if device == "cpu" else {"device": device}
    return _TRAINERS[kind]().with_parameters(threads=threads, **placed, **hyperparameters)
