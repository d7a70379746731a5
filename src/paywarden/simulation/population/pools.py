"""Pools: weighted draws of merchants or cities in constant time, many pools at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PLACES_A_MEMBER = 4
_SMALLEST, _LARGEST = 64, 8192  # places in a pool: fine enough for the popular, small enough for the cache


@dataclass(frozen=True)
class Pools:
    """Several tables of members, each member as often as its weight: a uniform draw of a place is a weighted draw."""

    members: NDArray[np.int32]
    start: NDArray[np.int64]
    size: NDArray[np.int64]

    def draw(self, pool: NDArray[np.integer] | int, u: NDArray[np.float64]) -> NDArray[np.int32]:
        """A member for each uniform draw `u` in [0, 1), from the pool of that row; int32 ``[n]``."""
        return self.members[self.start[pool] + (u * self.size[pool]).astype(np.int64)]


def build_pools(rng: np.random.Generator, weighted: Iterable[tuple[NDArray[np.integer], NDArray[np.float64]]]) -> Pools:
    """Pools of (members, weights) pairs, numbered in their order; no pool may be empty.

    A pool holds at most 8,192 places; where it has more members, chance decides which of the rare ones get one.
    """
    tables = [_table(rng, members, weights) for members, weights in weighted]
    size = np.array([len(table) for table in tables], dtype=np.int64)
    return Pools(np.concatenate(tables), np.cumsum(size) - size, size)


def _table(rng: np.random.Generator, members: NDArray[np.integer], weights: NDArray[np.float64]) -> NDArray[np.int32]:
    size = int(np.clip(_PLACES_A_MEMBER * len(members), _SMALLEST, _LARGEST))
    cumulative = np.cumsum(weights)
    places = (np.arange(size) + rng.random(size)) / size * cumulative[-1]
    return members[np.minimum(np.searchsorted(cumulative, places, side="right"), len(members) - 1)].astype(np.int32)
