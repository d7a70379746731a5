"""An aggregation: four pure functions over the cells of one tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from paywarden.features.cells import CELL_WORDS, add_cell, merge_cells
from paywarden.features.results import Result, finalise

Cells = NDArray[np.int64]


class Clock(IntEnum):
    """Which events an intermediate is made of, and by whose time it is tiled.

    Transactions fall into tiles by ``occurred_at``; fraud labels by the time at which they arrived.
    """

    TRANSACTIONS = 0
    FRAUD_LABELS = 1


@dataclass(frozen=True)
class Stored:
    """A cell that an aggregation needs in every tile."""

    kind: int
    clock: Clock = Clock.TRANSACTIONS
    of_field: bool = True
    """Whether the cell is made of the feature's field; a plain count is not, so that all share it."""


@dataclass(frozen=True)
class Aggregation:
    """``empty``, ``add``, ``merge`` and ``result`` over the int64 words of one tile.

    ``add`` and ``merge`` leave their inputs unchanged. Aggregations that store equal cells share them in the state.
    """

    name: str
    stores: tuple[Stored, ...]
    reads: Result
    meaning: str

    def empty(self) -> Cells:
        """The intermediate of no event: zeros, int64 ``[words]``."""
        return np.zeros(sum(CELL_WORDS[stored.kind] for stored in self.stores), dtype=np.int64)

    def add(self, cells: Cells, value: int, clock: Clock = Clock.TRANSACTIONS) -> Cells:
        """The intermediate with one more event of ``clock``: ``value`` is minor units, or a token's hash."""
        changed = cells.copy()
        for stored, start in self._places():
            if stored.clock == clock:
                add_cell(stored.kind, changed, start, np.int64(value))
        return changed

    def merge(self, left: Cells, right: Cells) -> Cells:
        """The intermediate of both sides' events."""
        changed = left.copy()
        for stored, start in self._places():
            merge_cells(stored.kind, changed, start, right, start, 0, 1, 1)
        return changed

    def result(self, cells: Cells, value: int = 0) -> float:
        """The feature's value; ``value`` is the present event's own field, which a comparison needs."""
        starts = [start for _, start in self._places()]
        return float(finalise(int(self.reads), cells, *_padded(starts), np.float64(value), np.nan))

    def _places(self) -> list[tuple[Stored, int]]:
        starts = np.cumsum([0, *(CELL_WORDS[stored.kind] for stored in self.stores)])
        return list(zip(self.stores, starts.tolist(), strict=False))


def _padded(starts: Sequence[int]) -> tuple[int, int, int]:
    first, second, third = (*starts, 0, 0, 0)[:3]
    return first, second, third
