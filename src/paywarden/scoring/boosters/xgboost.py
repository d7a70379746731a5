"""XGBoost models in UBJSON: loading, predicting, explaining."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import BundleError

if TYPE_CHECKING:
    import xgboost


class XGBoostBooster:
    """A :class:`~paywarden.scoring.boosters.Booster` over an `xgboost.Booster` of trees with a logistic objective."""

    kind = "xgboost"

    def __init__(self, booster: xgboost.Booster, threads: int = 1) -> None:
        self._booster = booster
        self._threads = threads
        # Set once, here: set_param is not safe beside a prediction in another thread, predicting is.
        booster.set_param({"nthread": threads})

    @classmethod
    def from_bytes(cls, content: bytes, threads: int = 1) -> XGBoostBooster:
        """The model read from UBJSON bytes. Raises BundleError where they are not one."""
        import xgboost  # noqa: PLC0415 -- heavy, and needed only where models run

        if not content.startswith(b"{"):  # XGBoost 3.2 ends the whole process on an empty buffer
            raise BundleError("booster.ubj is not an XGBoost model: no UBJSON object. Train and register again.")
        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(content))
        except xgboost.core.XGBoostError as error:
            reason = str(error).strip().splitlines()[0]
            raise BundleError(f"booster.ubj is not an XGBoost model ({reason}). Train and register again.") from error
        return cls(booster, threads)

    @property
    def feature_count(self) -> int:
        """The number of columns that the model expects."""
        return int(self._booster.num_features())

    def predict_margin(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores in log-odds of fraud, float64 [N], of float32 features [N, F]."""
        if not len(features):
            return np.empty(0, dtype=np.float64)
        margin = self._booster.inplace_predict(_finite(features), predict_type="margin", missing=np.nan)
        return np.asarray(margin, dtype=np.float64)

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """TreeSHAP contributions in log-odds, float64 [n, F+1], of float32 features [n, F]."""
        if not len(features):
            return np.empty((0, self.feature_count + 1), dtype=np.float64)
        import xgboost  # noqa: PLC0415 -- as above

        matrix = xgboost.DMatrix(_finite(features), missing=np.nan, nthread=self._threads)
        return np.asarray(self._booster.predict(matrix, pred_contribs=True, validate_features=False), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """The model as UBJSON."""
        return bytes(self._booster.save_raw(raw_format="ubj"))


def _finite(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features with infinities at the ends of float32: the same branches, and XGBoost refuses infinities."""
    if not np.isinf(features).any():
        return features
    limits = np.finfo(np.float32)
    return np.clip(features, limits.min, limits.max)
