"""The booster libraries known here and the file that each writes into a bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from paywarden.errors import BundleError
from paywarden.scoring.boosters.booster import Booster

BOOSTER_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {"xgboost": "booster.ubj", "lightgbm": "booster.txt", "catboost": "booster.cbm", "logistic": "booster.json"}
)
"""Kind → its file's name in a bundle."""


def load_booster(kind: str, content: bytes, threads: int = 1) -> Booster:
    """The booster read from its native bytes; where its library computes, it does so with `threads` threads.

    Only the named library is imported. Raises BundleError for an unknown kind or bytes that are no such model.
    """
    return _loader(kind)(content, threads)


def _loader(kind: str) -> Callable[[bytes, int], Booster]:
    if kind == "xgboost":
        from paywarden.scoring.boosters.xgboost import XGBoostBooster  # noqa: PLC0415 -- only the library asked for

        return XGBoostBooster.from_bytes
    if kind == "lightgbm":
        from paywarden.scoring.boosters.lightgbm import LightGBMBooster  # noqa: PLC0415 -- as above

        return LightGBMBooster.from_bytes
    if kind == "catboost":
        from paywarden.scoring.boosters.catboost import CatBoostBooster  # noqa: PLC0415 -- as above

        return CatBoostBooster.from_bytes
    if kind == "logistic":
        from paywarden.scoring.boosters.logistic import LogisticBooster  # noqa: PLC0415 -- as above

        return LogisticBooster.from_bytes
    raise BundleError(f"The bundle needs the booster {kind!r}; known are {sorted(BOOSTER_FILES)}. Update Paywarden.")
