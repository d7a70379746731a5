"""LightGBM models as text: loading, predicting, explaining."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import BundleError

if TYPE_CHECKING:
    import lightgbm

_END_OF_TREES: Final = b"end of trees\n"
_AFTER_TREES: Final = re.compile(
    rb"\s*feature_importances:\n(.*\n)*?\nparameters:\n(.*\n)*?end of parameters\n\s*pandas_categorical:null\n"
)
_INNER: Final = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "internal_count")
_INTEGERS: Final = ("split_feature", "decision_type", "left_child", "right_child")
_NOTES: Final = ("split_gain", "internal_value", "internal_weight")
_A_NUMBER: Final = rb"-?(\d+(\.\d+)?(e[-+]?\d+)?|inf|nan)"
_TREE: Final = re.compile(rb"Tree=\d+\n([a-z_]+=(%(n)s( %(n)s)*)?\n|\n)*" % {b"n": _A_NUMBER})


class LightGBMBooster:
    """A :class:`~paywarden.scoring.boosters.Booster` over a `lightgbm.Booster` of trees with a logistic objective."""

    kind = "lightgbm"

    def __init__(self, content: bytes, threads: int = 1) -> None:
        import lightgbm  # noqa: PLC0415 -- heavy, and needed only where models run

        _require_whole(content)
        # Without the parameters of the fit: predicting needs none, and LightGBM ends the process on one it cannot read.
        trees, end, _ = content.partition(_END_OF_TREES)
        try:
            self._booster: lightgbm.Booster = lightgbm.Booster(model_str=(trees + end).decode("ascii"))
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise _not_a_model(str(error)) from error
        self._content = content
        self._threads = threads

    @classmethod
    def from_bytes(cls, content: bytes, threads: int = 1) -> LightGBMBooster:
        """The model read from its text. Raises BundleError where it is none, or not a whole one."""
        return cls(content, threads)

    @property
    def feature_count(self) -> int:
        """The number of columns that the model expects."""
        return int(self._booster.num_feature())

    def predict_margin(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores in log-odds of fraud, float64 [N], of float32 features [N, F]."""
        if not len(features):
            return np.empty(0, dtype=np.float64)
        margin = self._booster.predict(features, raw_score=True, num_threads=self._threads)
        return np.asarray(margin, dtype=np.float64)

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """TreeSHAP contributions in log-odds, float64 [n, F+1], of float32 features [n, F]."""
        if not len(features):
            return np.empty((0, self.feature_count + 1), dtype=np.float64)
        contributions = self._booster.predict(features, pred_contrib=True, num_threads=self._threads)
        return np.asarray(contributions, dtype=np.float64)

    def to_bytes(self) -> bytes:
        """The model as text."""
        return self._content


def _require_whole(content: bytes) -> None:
    """Nothing, where the text is a whole model of sound trees: LightGBM 4 ends the process on one cut short.

    The header says how long each tree is; each must stand where that says, lead from its root to every leaf once, and
    ask for columns that there are.
    """
    header, found, rest = content.partition(b"\n\n")
    if not content.isascii() or not header.startswith(b"tree\nversion=v4\n") or not found:
        raise _not_a_model("no text model")
    fields = _fields(header)
    try:
        sizes = [int(size) for size in fields["tree_sizes"].split()] if fields.get("tree_sizes") else []
        columns = int(fields["max_feature_idx"]) + 1
        plain = fields["num_class"] == fields["num_tree_per_iteration"] == "1"
        if not plain or fields["objective"] != "binary sigmoid:1" or not 0 < columns < 1 << 20:
            raise _not_a_model("not of one class of fraud")
        if len(fields["feature_names"].split()) != columns or len(fields["feature_infos"].split()) != columns:
            raise _not_a_model("columns and their names differ")
        for number, size in enumerate(sizes):
            if size <= 0 or size > len(rest):
                raise _not_a_model("cut short")
            _require_tree(rest[:size], number, columns)
            rest = rest[size:]
    except (KeyError, ValueError, OverflowError) as error:
        raise _not_a_model(repr(error)) from error
    after = rest.lstrip(b"\n")
    if not after.startswith(_END_OF_TREES) or not _AFTER_TREES.fullmatch(after.removeprefix(_END_OF_TREES)):
        raise _not_a_model("cut short")


def _fields(block: bytes) -> dict[str, str]:
    lines = (line.partition("=") for line in block.decode("ascii").split("\n"))
    return {name: value for name, _, value in lines}


def _require_tree(block: bytes, number: int, columns: int) -> None:
    if not _TREE.fullmatch(block):
        raise _not_a_model(f"tree {number} is not written in numbers")
    fields = _fields(block)
    leaves = int(fields["num_leaves"])
    float(fields["shrinkage"])
    if fields["Tree"] != str(number) or not 1 <= leaves <= 1 << 20 or fields.get("is_linear", "0") != "0":
        raise _not_a_model(f"tree {number} is none")
    of_leaves = ["leaf_value"] if leaves == 1 else ["leaf_value", "leaf_count", "leaf_weight"]
    if any(len(np.array(fields[name].split(), dtype=np.float64)) != leaves for name in of_leaves):
        raise _not_a_model(f"tree {number} lacks leaves")
    if leaves == 1:
        return
    inner = {n: np.array(fields[n].split(), dtype=np.int64 if n in _INTEGERS else np.float64) for n in _INNER}
    counts = {*map(len, inner.values()), *(len(fields[name].split()) for name in _NOTES)}
    if counts != {leaves - 1}:
        raise _not_a_model(f"tree {number} lacks nodes")
    # A leaf is written as its complement. Children come after their parent, each once: no way leads in a circle.
    left, right = inner["left_child"], inner["right_child"]
    parent = np.arange(leaves - 1)
    reached = np.sort(np.concatenate([left, right]))
    every = np.array_equal(reached, [n for n in range(-leaves, leaves - 1) if n != 0])
    forward = bool((((left < 0) | (left > parent)) & ((right < 0) | (right > parent))).all())
    split = inner["split_feature"]
    if not every or not forward or split.min() < 0 or split.max() >= columns:
        raise _not_a_model(f"tree {number} is not a tree over {columns} columns")
    _require_categories(fields, inner, number)


def _require_categories(fields: dict[str, str], inner: Mapping[str, NDArray[np.generic]], number: int) -> None:
    """Categorical nodes keep in their threshold the place of a set of categories, which must be there."""
    nodes = inner["threshold"][(inner["decision_type"].astype(np.int64) & 1) == 1]
    count = int(fields["num_cat"])
    if not count and not len(nodes):
        return
    bounds = np.array(fields["cat_boundaries"].split(), dtype=np.int64)
    words = np.array(fields["cat_threshold"].split(), dtype=np.int64)
    sound = len(bounds) == count + 1 and bounds[0] == 0 and bounds[-1] == len(words) and (np.diff(bounds) > 0).all()
    if not sound or not np.isin(nodes, np.arange(count)).all():
        raise _not_a_model(f"tree {number} lacks categories")


def _not_a_model(reason: str) -> BundleError:
    return BundleError(f"booster.txt is not a LightGBM model ({reason}). Train and register again.")
