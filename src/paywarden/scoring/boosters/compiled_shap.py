"""TreeSHAP of compiled trees: what each feature adds to a row's margin, leaf by leaf.

The values are those of S. Lundberg et al., From local explanations to global understanding with explainable AI for
trees (2020, doi:10.1038/s42256-019-0138-9), with the trees' own covers as background. They are computed otherwise: a
Shapley weight s!(m-1-s)!/m! is the integral of t^s (1-t)^(m-1-s) from 0 to 1, so a leaf of value v, whose path bears m
features, adds to one of them v (o - z) times the integral of the product of (z' (1-t) + o' t) over the others. Here o
is 1 where the row meets all conditions of the feature on that path, else 0, and z is the share of the cover that met
them in training. The product is a polynomial, which a few Gauss-Legendre points integrate exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from paywarden.scoring.boosters.compiled_trees import Tree

_SIDE_BY_SIDE: Final = 4  # rows in one pass over the leaves: many would gain little, and cost a single row as much


class _Condition(NamedTuple):
    """What a path asks of one feature: low ≤ value < high, or its absence; and the share of the cover that does."""

    low: float
    high: float
    absent: bool
    share: float


_ANYTHING: Final = _Condition(-np.inf, np.inf, True, 1.0)
_Path = dict[int, _Condition]


@dataclass(frozen=True, eq=False)
class CompiledShap:
    """L leaves whose paths bear E conditions in all, flat; make one with :func:`compile_shap`.

    `start` int64 [L+1] and `value` float64 [L] are the leaves; `column`, `low`, `high`, `absent` [E] the conditions;
    `factor` and `gain` float64 [E, 2, Q] what a condition means at each of Q `points`, as base and as what is added
    where it is met. Safe to share between threads.
    """

    start: NDArray[np.int64]
    value: NDArray[np.float64]
    column: NDArray[np.int64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    absent: NDArray[np.bool_]
    factor: NDArray[np.float64]
    gain: NDArray[np.float64]
    bias: float

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Contributions in log-odds, float64 [n, F+1], of float32 features [n, F]; the last is the bias."""
        return _explain(
            np.ascontiguousarray(features), self.start, self.value, self.column, self.low, self.high, self.absent,
            self.factor, self.gain, self.bias,
        )  # fmt: skip


def compile_shap(trees: Sequence[Tree], intercept: float) -> CompiledShap:
    """The leaves of the trees with their paths."""
    leaves = [leaf for tree in trees for leaf in _leaves(tree)]
    conditions = [condition for path, _ in leaves for condition in path.values()]
    low, high, absent, share = (np.array([c[field] for c in conditions], dtype=np.float64) for field in range(4))
    longest = max((len(path) for path, _ in leaves), default=1)
    factor, gain = _at_points(share, max((longest + 1) // 2, 1))
    return CompiledShap(
        start=np.cumsum([0, *(len(path) for path, _ in leaves)], dtype=np.int64),
        value=np.array([value for _, value in leaves], dtype=np.float64),
        column=np.array([column for path, _ in leaves for column in path], dtype=np.int64),
        low=low.astype(np.float32),
        high=high.astype(np.float32),
        absent=absent.astype(bool),
        factor=factor,
        gain=gain,
        bias=intercept + sum(value * float(np.prod([c.share for c in path.values()])) for path, value in leaves),
    )


def _leaves(tree: Tree) -> Iterator[tuple[_Path, float]]:
    """Every leaf: the conditions on its path by column, and its value."""
    waiting: list[tuple[int, _Path]] = [(0, {})]
    while waiting:
        node, path = waiting.pop()
        if tree.left[node] < 0:
            yield path, float(tree.value[node])
            continue
        column, split, absent_left = int(tree.column[node]), float(tree.value[node]), bool(tree.absent_left[node])
        low, high, absent, share = path.get(column, _ANYTHING)
        for child, condition in (
            (tree.left[node], (low, min(high, split), absent and absent_left)),
            (tree.right[node], (max(low, split), high, absent and not absent_left)),
        ):
            of_node = float(tree.cover[child]) / float(tree.cover[node]) if tree.cover[node] > 0 else 0.0
            waiting.append((int(child), {**path, column: _Condition(*condition, share * of_node)}))


def _at_points(share: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor z (1-t) + o t, and weight × (o - z) / factor, at the points t: for o = 0, and what o = 1 adds."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    points, weights = (nodes + 1) / 2, weights / 2
    unmet = share[:, None] * (1 - points)
    met = unmet + points
    gain_unmet = np.tile(-weights / (1 - points), (len(share), 1))
    gain_met = weights * (1 - share[:, None]) / met
    factor = np.stack([unmet, np.broadcast_to(points, unmet.shape)], axis=1)
    return factor, np.stack([gain_unmet, gain_met - gain_unmet], axis=1)


@numba.njit(cache=True, nogil=True)
def _meet(
    is_met: NDArray[np.float64], values: NDArray[np.float32], low: np.float32, high: np.float32, absent: bool
) -> None:
    for i in range(_SIDE_BY_SIDE):
        within = (values[i] >= low) & (values[i] < high)
        is_met[i] = 1.0 if within | (np.isnan(values[i]) & absent) else 0.0


@numba.njit(cache=True, nogil=True)
def _explain(
    features: NDArray[np.float32],
    start: NDArray[np.int64],
    value: NDArray[np.float64],
    column: NDArray[np.int64],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    absent: NDArray[np.bool_],
    factor: NDArray[np.float64],
    gain: NDArray[np.float64],
    bias: float,
) -> NDArray[np.float64]:
    count, width = features.shape
    points = factor.shape[2]
    longest = 1
    for leaf in range(len(value)):
        longest = max(longest, start[leaf + 1] - start[leaf])
    contributions = np.zeros((count, width + 1), np.float64)
    block = np.zeros((width, _SIDE_BY_SIDE), np.float32)
    added = np.zeros((width, _SIDE_BY_SIDE), np.float64)
    met = np.zeros((longest, _SIDE_BY_SIDE), np.float64)
    product = np.zeros((points, _SIDE_BY_SIDE), np.float64)
    for row in range(0, count, _SIDE_BY_SIDE):
        filled = min(_SIDE_BY_SIDE, count - row)
        for i in range(filled):
            block[:, i] = features[row + i]
        added[:] = 0.0
        for leaf in range(len(value)):
            first, end = start[leaf], start[leaf + 1]
            product[:] = value[leaf]
            for e in range(first, end):
                is_met = met[e - first]
                _meet(is_met, block[column[e]], low[e], high[e], absent[e])
                for q in range(points):
                    unmet, more, at_point = factor[e, 0, q], factor[e, 1, q], product[q]
                    for i in range(_SIDE_BY_SIDE):
                        at_point[i] *= unmet + is_met[i] * more
            for e in range(first, end):
                to, is_met = added[column[e]], met[e - first]
                for q in range(points):
                    unmet, more, at_point = gain[e, 0, q], gain[e, 1, q], product[q]
                    for i in range(_SIDE_BY_SIDE):
                        to[i] += at_point[i] * (unmet + is_met[i] * more)
        for i in range(filled):
            contributions[row + i, :width] = added[:, i]
            contributions[row + i, width] = bias
    return contributions
