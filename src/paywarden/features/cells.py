"""What one tile stores: cells of 64-bit or 32-bit integers, all zeros when empty.

The functions here are the only code that changes or merges cells; the kernel and the laws call the same ones. Every
cell is an integer, so merging is exact, whatever the order. A record is seen twice, as int64 words (``wide``) and as
uint32 halves of them (``narrow``): counts and maxima are narrow, which halves what they weigh.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from paywarden.features.compiled import compiled, inlined


class CellKind(IntEnum):
    """How a cell combines what is added to it: first those of half a word, then of one, then of several."""

    COUNT = 0
    MAX = 1
    SUM = 2
    SQUARES = 3
    SMALL_SKETCH = 4
    SKETCH = 5


COUNT, MAX, SUM, SQUARES, SMALL_SKETCH, SKETCH = (int(kind) for kind in CellKind)

SKETCH_WORDS = 4
SKETCH_BITS = 64 * SKETCH_WORDS
SMALL_SKETCH_BITS = 64
CELL_WORDS = {COUNT: 1, SUM: 1, MAX: 1, SQUARES: 1, SKETCH: SKETCH_WORDS, SMALL_SKETCH: 1}
"""Words of a merged cell. Stored in a record, a narrow cell takes half a word."""
NARROW = (COUNT, MAX)

SQUARES_CAP = (1 << 26) - 1
"""Amounts count as at most this many minor units in a sum of squares, so that 2,048 of them fit a word."""
MAX_CAP = (1 << 32) - 2
"""Amounts count as at most this many minor units in a maximum (42,949,672.94)."""

_WORD_MAX = np.int64(np.iinfo(np.int64).max)

Wide = NDArray[np.int64]
Narrow = NDArray[np.uint32]


def halves(words: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The same memory as uint32: word ``i`` is halves ``2 i`` (low) and ``2 i + 1``."""
    return words.view(np.uint32)


@inlined
def add_squares(left: np.int64, right: np.int64) -> np.int64:
    """Two sums of squares as one that stays at the largest word."""
    return _WORD_MAX if left > _WORD_MAX - right else left + right


@inlined
def added_square(left: np.int64, value: np.int64) -> np.int64:
    """A sum of squares and the square of one more value."""
    capped = min(abs(value), np.int64(SQUARES_CAP))
    return add_squares(left, capped * capped)


@inlined
def larger(stored: np.uint32, value: np.int64) -> np.uint32:
    """A maximum as stored, one more than it is so that zero means empty, and after one more value."""
    capped = min(value, np.int64(MAX_CAP)) + np.int64(1)
    return np.uint32(capped) if capped > np.int64(stored) else stored


@inlined
def small_bit(value: np.int64) -> np.int64:
    """The bit of a value in a small sketch."""
    return np.int64(1) << (value & (SMALL_SKETCH_BITS - 1))


@inlined
def add_sketched(wide: Wide, at: int, value: np.int64) -> None:
    """Add a value to the sketch from the word at ``at`` on."""
    bit = value & (SKETCH_BITS - 1)
    wide[np.uint64(at) + np.uint64(bit >> 6)] |= np.int64(1) << (bit & 63)


@compiled
def add_cell(kind: int, wide: Wide, narrow: Narrow, at: int, value: np.int64) -> None:
    """Add one event's value to the cell at ``at`` (in words, or halves for a narrow kind), in place."""
    if kind == COUNT:
        narrow[at] += np.uint32(1)
    elif kind == MAX:
        narrow[at] = larger(narrow[at], value)
    elif kind == SUM:
        wide[at] += value
    elif kind == SQUARES:
        wide[at] = added_square(wide[at], value)
    elif kind == SMALL_SKETCH:
        wide[at] |= small_bit(value)
    else:
        add_sketched(wide, at, value)


@inlined
def sum_narrow(narrow: Narrow, ring: np.uint64, covered: Wide, tiles: int) -> np.int64:
    """Merged counts of the ring of ``tiles`` cells from ``ring`` on, of those that are ``covered`` (all bits set)."""
    total = np.int64(0)
    for i in range(tiles):
        total += np.int64(narrow[ring + np.uint64(i)]) & covered[i]
    return total


@inlined
def max_narrow(narrow: Narrow, ring: np.uint64, covered: Wide, tiles: int) -> np.int64:
    """Merged maxima."""
    largest = np.int64(0)
    for i in range(tiles):
        largest = max(largest, np.int64(narrow[ring + np.uint64(i)]) & covered[i])
    return largest


@inlined
def sum_wide(wide: Wide, ring: np.uint64, covered: Wide, tiles: int) -> np.int64:
    """Merged sums."""
    total = np.int64(0)
    for i in range(tiles):
        total += wide[ring + np.uint64(i)] & covered[i]
    return total


@inlined
def sum_squares(wide: Wide, ring: np.uint64, covered: Wide, tiles: int) -> np.int64:
    """Merged sums of squares."""
    total = np.int64(0)
    for i in range(tiles):
        total = add_squares(total, wide[ring + np.uint64(i)] & covered[i])
    return total


@inlined
def either_wide(wide: Wide, ring: np.uint64, covered: Wide, tiles: int) -> np.int64:
    """Merged small sketches."""
    bits = np.int64(0)
    for i in range(tiles):
        bits |= wide[ring + np.uint64(i)] & covered[i]
    return bits


@inlined
def merge_sketches(into: Wide, at: np.uint64, wide: Wide, ring: np.uint64, covered: Wide, tiles: int) -> None:
    """Merge sketches into the one at ``at`` of ``into``, in place."""
    for i in range(tiles):
        for word in range(SKETCH_WORDS):
            into[at + np.uint64(word)] |= wide[ring + np.uint64(i * SKETCH_WORDS + word)] & covered[i]


@compiled
def merge_cells(kind: int, into: Wide, at: int, wide: Wide, narrow: Narrow, start: int, stop: int) -> None:
    """Merge the cells from ``start`` to before ``stop`` into the merged one at word ``at`` of ``into``, in place."""
    tiles = (stop - start) // (SKETCH_WORDS if kind == SKETCH else 1)
    covered, ring = np.full(tiles, -1, np.int64), np.uint64(start)
    if kind == COUNT:
        into[at] += sum_narrow(narrow, ring, covered, tiles)
    elif kind == SUM:
        into[at] += sum_wide(wide, ring, covered, tiles)
    elif kind == MAX:
        into[at] = max(into[at], max_narrow(narrow, ring, covered, tiles))
    elif kind == SQUARES:
        into[at] = add_squares(into[at], sum_squares(wide, ring, covered, tiles))
    elif kind == SMALL_SKETCH:
        into[at] |= either_wide(wide, ring, covered, tiles)
    else:
        merge_sketches(into, np.uint64(at), wide, ring, covered, tiles)


@compiled
def _ones(word: np.uint64) -> np.int64:
    """How many bits are set, by adding neighbours up.

    Source: H. S. Warren, Hacker's Delight, 2nd edition, section 5-1, 2012.
    """
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inlined
def sketch_estimate(state: Wide, at: int, words: int) -> float:
    """Distinct values in a sketch of ``words`` words by linear counting; 4 saturate near 1,400, one near 270.

    Source: Whang, Vander-Zanden, Taylor, A linear-time probabilistic counting algorithm, ACM TODS 15(2), 1990.
    """
    ones = 0
    for word in range(words):
        ones += int(_ones(np.uint64(state[at + word])))
    if ones == 0:
        return 0.0
    bits = 64 * words
    return -bits * math.log(max(bits - ones, 1) / bits)


@inlined
def in_sketch(state: Wide, at: int, value: np.int64) -> bool:
    """Whether the small sketch may hold the value: never false for one that it holds."""
    return (state[at] >> (value & (SMALL_SKETCH_BITS - 1))) & 1 == 1
