"""CatBoost models in its own binary format: loading, predicting, explaining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import BundleError

if TYPE_CHECKING:
    import pandas as pd

_ABSENT: Final = -1
"""How an absent or impossible category is told to CatBoost, which takes integers only."""

_CATEGORIES_END: Final = 1 << 24  # beyond, float32 holds not all integers


class CatBoostBooster:
    """A :class:`~paywarden.scoring.boosters.Booster` over a `catboost.CatBoost` with a logistic objective."""

    kind = "catboost"

    def __init__(self, content: bytes, threads: int = 1) -> None:
        import catboost  # noqa: PLC0415 -- heavy, and needed only where models run

        # The mark, then the length of the trees, as CatBoost writes them; it reads some models that are cut short.
        if content[:4] != b"CBM1" or len(content) < 8 + int.from_bytes(content[4:8], "little"):
            raise BundleError("booster.cbm is not a whole CatBoost model. Train and register again.")
        self._model = catboost.CatBoost()
        try:
            self._model.load_model(blob=content)
            self._columns = len(self._model.feature_names_)
            self._categorical = tuple(self._model.get_cat_feature_indices())
        except (catboost.CatBoostError, ValueError, TypeError) as error:
            reason = (str(error).strip().splitlines() or ["empty"])[0]
            raise BundleError(f"booster.cbm is not a CatBoost model ({reason}). Train and register again.") from error
        self._content = content
        self._threads = threads

    @classmethod
    def from_bytes(cls, content: bytes, threads: int = 1) -> CatBoostBooster:
        """The model read from its bytes. Raises BundleError where they are not one."""
        return cls(content, threads)

    @property
    def feature_count(self) -> int:
        """The number of columns that the model expects."""
        return self._columns

    def predict_margin(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores in log-odds of fraud, float64 [N], of float32 features [N, F]."""
        if not len(features):
            return np.empty(0, dtype=np.float64)
        margin = self._model.predict(
            rows_for_catboost(features, self._categorical),
            prediction_type="RawFormulaVal",
            thread_count=self._threads,
        )
        return np.asarray(margin, dtype=np.float64)

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """TreeSHAP contributions in log-odds, float64 [n, F+1], of float32 features [n, F]."""
        import catboost  # noqa: PLC0415 -- as above

        if not len(features):
            return np.empty((0, self._columns + 1), dtype=np.float64)
        pool = catboost.Pool(rows_for_catboost(features, self._categorical), cat_features=list(self._categorical))
        values = self._model.get_feature_importance(pool, type="ShapValues", thread_count=self._threads)
        return np.asarray(values, dtype=np.float64)

    def to_bytes(self) -> bytes:
        """The model as CatBoost's binary."""
        return self._content


def rows_for_catboost(
    features: NDArray[np.float32], categorical: tuple[int, ...]
) -> NDArray[np.float32] | pd.DataFrame:
    """The features (float32 [N, F]) as CatBoost takes them: with categories as integers, in a data frame then."""
    if not categorical:
        return features
    import pandas as pd  # noqa: PLC0415 -- only for models with categories

    return pd.DataFrame(
        {
            column: np.where((values >= 0) & (values < _CATEGORIES_END), values, _ABSENT).astype(np.int64)
            if column in categorical
            else values
            for column, values in enumerate(features.T)
        }
    )
