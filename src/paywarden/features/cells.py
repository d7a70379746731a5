"""What one tile stores: cells, each one or more int64 words, all zeros when empty.

``add_cell`` and ``merge_cells`` are the only code that changes a cell; the kernel and the laws call these same
functions. Every cell is an integer, so merging is exact, whatever the order.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from paywarden.features.compiled import compiled


class CellKind(IntEnum):
    """How a cell combines what is added to it."""

    COUNT = 0
    SUM = 1
    MAX = 2
    SQUARES = 3
    SKETCH = 4


COUNT, SUM, MAX, SQUARES, SKETCH = (int(kind) for kind in CellKind)

SKETCH_WORDS = 8
SKETCH_BITS = 64 * SKETCH_WORDS
CELL_WORDS = {COUNT: 1, SUM: 1, MAX: 1, SQUARES: 1, SKETCH: SKETCH_WORDS}

SQUARES_CAP = (1 << 26) - 1
"""Amounts count as at most this many minor units in a sum of squares, so that 2,048 of them fit a word."""

_WORD_MAX = np.iinfo(np.int64).max


class Cell(NamedTuple):
    """A kind of cell over one field of the event: ``amount`` (minor units) or an entity's token (its hash)."""

    kind: int
    field: str

    @property
    def words(self) -> int:
        """Width in int64 words."""
        return CELL_WORDS[self.kind]


@compiled
def add_cell(kind: int, state: NDArray[np.int64], at: int, value: np.int64) -> None:
    """Add one event's value to the cell at word ``at`` of ``state``, in place."""
    if kind == COUNT:
        state[at] += 1
    elif kind == SUM:
        state[at] += value
    elif kind == MAX:
        # One more than the maximum, so that zero means empty.
        state[at] = max(state[at], value + 1)
    elif kind == SQUARES:
        capped = SQUARES_CAP if value > SQUARES_CAP else value  # noqa: FURB136 (typed for the compiler)
        square = capped * capped
        state[at] = _WORD_MAX if state[at] > _WORD_MAX - square else state[at] + square
    else:
        bit = value & (SKETCH_BITS - 1)
        state[at + (bit >> 6)] |= np.int64(1) << (bit & 63)


@compiled
def merge_cells(
    kind: int, into: NDArray[np.int64], at: int, state: NDArray[np.int64], ring: int, first: int, tiles: int, count: int
) -> None:
    """Merge ``count`` cells of a ring into the one at word ``at`` of ``into``, in place.

    The ring of ``tiles`` cells starts at word ``ring`` of ``state``; the walk goes from slot ``first`` back in time.
    """
    slot = first
    for _ in range(count):
        if kind == MAX:
            into[at] = max(into[at], state[ring + slot])
        elif kind == SQUARES:
            other = state[ring + slot]
            into[at] = _WORD_MAX if into[at] > _WORD_MAX - other else into[at] + other
        elif kind == SKETCH:
            for word in range(SKETCH_WORDS):
                into[at + word] |= state[ring + slot * SKETCH_WORDS + word]
        else:
            into[at] += state[ring + slot]
        slot = slot - 1 if slot > 0 else tiles - 1


@compiled
def sketch_estimate(state: NDArray[np.int64], at: int) -> float:
    """Distinct values in a sketch by linear counting; saturates near 3,200.

    Source: Whang, Vander-Zanden, Taylor, A linear-time probabilistic counting algorithm, ACM TODS 15(2), 1990.
    """
    ones = 0
    for word in range(SKETCH_WORDS):
        rest = np.uint64(state[at + word])
        while rest != 0:
            rest &= rest - np.uint64(1)
            ones += 1
    if ones == 0:
        return 0.0
    zeros = max(SKETCH_BITS - ones, 1)
    return -SKETCH_BITS * math.log(zeros / SKETCH_BITS)
