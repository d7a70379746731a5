"""XGBoost models in UBJSON: loading, predicting, explaining."""

from __future__ import annotations

import json
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import BundleError
from paywarden.scoring.boosters.compiled_shap import CompiledShap, compile_shap
from paywarden.scoring.boosters.compiled_trees import CompiledTrees, Tree, compile_trees
from paywarden.scoring.boosters.ubjson import is_whole

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

        if not is_whole(content):  # XGBoost 3.2 ends the whole process on an empty buffer, and on some that are cut
            raise BundleError("booster.ubj is not an XGBoost model: no whole UBJSON object. Train and register again.")
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
        if self.compiled is not None:
            return self.compiled.predict(features).astype(np.float64)
        return np.asarray(_own_margin(self._booster, features), dtype=np.float64)

    @cached_property
    def compiled(self) -> CompiledTrees | None:
        """The trees compiled, or None where XGBoost itself must predict: margins have the same bits either way."""
        if self._trees is None:
            return None
        compiled = compile_trees(self._trees.trees, self.feature_count, self._trees.intercept)
        if compiled is None:
            return None
        probe = _probe(compiled, self.feature_count)
        return compiled if np.array_equal(compiled.predict(probe), _own_margin(self._booster, probe)) else None

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """TreeSHAP contributions in log-odds, float64 [n, F+1], of float32 features [n, F]."""
        if not len(features):
            return np.empty((0, self.feature_count + 1), dtype=np.float64)
        if self._shap is not None:
            return self._shap.contributions(_finite(features))
        return _own_contributions(self._booster, features, self._threads)

    @cached_property
    def _trees(self) -> _SummedTrees | None:
        return _read_trees(self._booster)

    @cached_property
    def _shap(self) -> CompiledShap | None:
        if self._trees is None or self.compiled is None:
            return None
        return compile_shap(self._trees.trees, self._trees.intercept)

    def to_bytes(self) -> bytes:
        """The model as UBJSON."""
        return bytes(self._booster.save_raw(raw_format="ubj"))


def _own_margin(booster: xgboost.Booster, features: NDArray[np.float32]) -> NDArray[np.float32]:
    return booster.inplace_predict(_finite(features), predict_type="margin", missing=np.nan)


def _own_contributions(booster: xgboost.Booster, features: NDArray[np.float32], threads: int) -> NDArray[np.float64]:
    import xgboost  # noqa: PLC0415 -- as above

    matrix = xgboost.DMatrix(_finite(features), missing=np.nan, nthread=threads)
    return np.asarray(booster.predict(matrix, pred_contribs=True, validate_features=False), dtype=np.float64)


class _SummedTrees(NamedTuple):
    """A model of numeric trees that are simply added up, beginning with the intercept (log-odds)."""

    trees: list[Tree]
    intercept: float


def _read_trees(booster: xgboost.Booster) -> _SummedTrees | None:
    """The trees of a model, or None for a model of another kind."""
    learner = json.loads(booster.save_raw(raw_format="json"))["learner"]
    trees = learner["gradient_booster"].get("model", {}).get("trees", [])
    if learner["gradient_booster"]["name"] != "gbtree" or any(tree["categories_nodes"] for tree in trees):
        return None
    (base_score, *others) = np.ravel(json.loads(learner["learner_model_param"]["base_score"]))
    if others or not 0.0 < base_score < 1.0:
        return None
    # XGBoost's own formula, float32 at each step; were it another one's, the probe would tell.
    odds = np.float32(1.0) / np.float32(base_score) - np.float32(1.0)
    return _SummedTrees([_tree(tree) for tree in trees], -math.log(odds))


def _tree(document: dict[str, Any]) -> Tree:
    return Tree(
        left=np.array(document["left_children"], dtype=np.int64),
        right=np.array(document["right_children"], dtype=np.int64),
        column=np.array(document["split_indices"], dtype=np.int64),
        value=np.array(document["split_conditions"], dtype=np.float32),
        absent_left=np.array(document["default_left"], dtype=bool),
        cover=np.array(document["sum_hessian"], dtype=np.float32),
    )


def _probe(compiled: CompiledTrees, feature_count: int) -> NDArray[np.float32]:
    """Rows of values at which the trees split, a fifth of them absent."""
    random = np.random.default_rng(0)
    values = random.choice(np.append(compiled.threshold.ravel(), np.float32(0.0)), (64, feature_count))
    values[random.random(values.shape) < 0.2] = np.nan
    return values


def _finite(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features with infinities at the ends of float32: the same branches, and XGBoost refuses infinities."""
    if not np.isinf(features).any():
        return features
    limits = np.finfo(np.float32)
    return np.clip(features, limits.min, limits.max)
