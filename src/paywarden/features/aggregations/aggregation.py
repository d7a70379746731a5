"""An aggregation: four pure functions over the cells of one tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from paywarden.features.cells import CELL_WORDS, MAX, NARROW, SQUARES, SUM, add_cell, halves, merge_cells
from paywarden.features.results import Result, finalise

Cells = NDArray[np.int64]


class Source(IntEnum):
    """Which events an intermediate is made of. Refunds stand beside authorisations on the clock of transactions."""

    AUTHORISATIONS = 0
    FRAUD_LABELS = 1
    REFUNDS = 2

    @property
    def clock(self) -> int:
        """0: tiled by ``occurred_at``; 1: by the time at which the label arrived."""
        return int(self is Source.FRAUD_LABELS)


@dataclass(frozen=True)
class Stored:
    """A cell that an aggregation needs in every tile."""

    kind: int
    source: Source = Source.AUTHORISATIONS
    of_field: bool = True
    """Whether the cell is made of the feature's field; a plain count is not, so that all share it."""
    baseline: bool = False
    """Whether it is read over the feature's baseline window instead of its window."""
    lag: bool = False
    """Whether it is read over the latest part of the baseline window that is longer than the window."""


@dataclass(frozen=True)
class Aggregation:
    """``empty``, ``add``, ``merge`` and ``result`` over the int64 words of one tile.

    ``add`` and ``merge`` leave their inputs unchanged. Aggregations that store equal cells share them in the state.
    ``word`` stands in the names of features, ``name`` in their definitions; they differ where two aggregations
    answer the same question of different things.
    """

    name: str
    stores: tuple[Stored, ...]
    reads: Result
    meaning: str
    word: str = ""
    version: int = 1
    """Raised with every change of what it computes from equal events, so that no model is served other values."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "word", self.word or self.name)

    @property
    def of_field(self) -> bool:
        """Whether a feature of it names a field."""
        return any(stored.of_field for stored in self.stores)

    @property
    def of_number(self) -> bool:
        """Whether its field must be a number: sums of hashes mean nothing."""
        return any(stored.kind in (SUM, MAX, SQUARES) for stored in self.stores)

    @property
    def against_baseline(self) -> bool:
        """Whether a feature of it names a second, longer window."""
        return any(stored.baseline for stored in self.stores)

    @property
    def with_lag(self) -> bool:
        """Whether its window ends before its baseline does."""
        return any(stored.lag for stored in self.stores)

    def empty(self) -> Cells:
        """The intermediate of no event: zeros, int64 ``[words]``."""
        return np.zeros(sum(CELL_WORDS[stored.kind] for stored in self.stores), dtype=np.int64)

    def add(self, cells: Cells, value: int, source: Source = Source.AUTHORISATIONS) -> Cells:
        """The intermediate with one more event of ``source``; ``value`` is minor units, or a hash."""
        changed = cells.copy()
        for stored, start in self._places():
            if stored.source == source:
                add_cell(stored.kind, changed, halves(changed), _position(stored, start), np.int64(value))
        return changed

    def merge(self, left: Cells, right: Cells) -> Cells:
        """The intermediate of both sides' events."""
        changed, other = left.copy(), np.array(right, np.int64)
        for stored, start in self._places():
            at = _position(stored, start)
            width = CELL_WORDS[stored.kind]
            merge_cells(stored.kind, changed, start, other, halves(other), at, at + width)
        return changed

    def result(self, cells: Cells, value: int = 0) -> float:
        """The feature's value; ``value`` is the present event's own field, which a comparison needs."""
        places = _padded([start for _, start in self._places()])
        merged = np.array(cells, np.int64)
        return float(finalise(int(self.reads), merged, *places, np.int64(value)))

    def _places(self) -> list[tuple[Stored, int]]:
        starts = np.cumsum([0, *(CELL_WORDS[stored.kind] for stored in self.stores)])
        return list(zip(self.stores, starts.tolist(), strict=False))


def _position(stored: Stored, word: int) -> int:
    # A narrow cell alone in its word is the word's low half, so that stored and merged cells look alike.
    return 2 * word if stored.kind in NARROW else word


def _padded(starts: Sequence[int]) -> tuple[int, int, int]:
    first, second, third = (*starts, 0, 0, 0)[:3]
    return first, second, third
