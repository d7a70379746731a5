"""Cells one by one: what adding does to the words of a record, and to nothing beside them."""

import numpy as np
import pytest

from paywarden.features.cells import (
    CELL_WORDS,
    COUNT,
    MAX,
    MAX_CAP,
    NARROW,
    SKETCH,
    SKETCH_BITS,
    SKETCH_WORDS,
    SMALL_SKETCH,
    SQUARES,
    SQUARES_CAP,
    SUM,
    CellKind,
    add_cell,
    add_squares,
    halves,
    merge_cells,
)

WORD_MAX = 2**63 - 1


def added(kind, at, *values, words=6):
    """A record after these values were added to one cell."""
    record = np.zeros(words, np.int64)
    for value in values:
        add_cell(kind, record, halves(record), at, np.int64(value))
    return record


def test_halves_are_the_same_memory_low_half_first():
    words = np.array([1 + (2 << 32), -1], np.int64)
    narrow = halves(words)
    assert narrow.tolist() == [1, 2, 2**32 - 1, 2**32 - 1]
    narrow[3] = 0
    assert words[1] == 2**32 - 1


@pytest.mark.parametrize("kind", [int(kind) for kind in CellKind], ids=lambda kind: CellKind(kind).name)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_cell_changes_nothing_beside_it(kind, at):
    narrow = kind in NARROW
    mine = [at] if narrow else [at + i for i in range(CELL_WORDS[kind])]
    for value in (1, 255, 10**12, -1, -(2**63)):
        record = added(kind, at, value, value)
        others = np.delete(halves(record) if narrow else record, mine)
        assert not others.any()


@pytest.mark.parametrize("at", [0, 1, 4, 5])
def test_narrow_cells_hold_up_to_32_bits(at):
    record = np.zeros(3, np.int64)
    narrow = halves(record)
    narrow[at] = 2**32 - 2
    add_cell(COUNT, record, narrow, at, np.int64(5))
    assert narrow[at] == 2**32 - 1
    assert halves(added(MAX, at, 10**12, words=3))[at] == MAX_CAP + 1 == 2**32 - 1


def test_what_each_kind_keeps():
    assert halves(added(COUNT, 1, 7, 7, 9))[1] == 3
    assert added(SUM, 1, 7, -9, 10**12)[1] == 10**12 - 2
    assert halves(added(MAX, 1, 7, 9, 8))[1] == 9 + 1
    assert halves(added(MAX, 1, 0))[1] == 1, "a maximum of nothing is 0"
    assert added(SQUARES, 1, 3, -4)[1] == 25
    assert added(SQUARES, 1, 10**12, -(10**12))[1] == 2 * SQUARES_CAP**2
    assert added(SMALL_SKETCH, 1, 0, 63, 64 + 5, -1).view(np.uint64)[1] == 1 + (1 << 5) + (1 << 63)


@pytest.mark.parametrize("bit", [0, 1, 63, 64, 127, 128, 255])
def test_a_sketch_sets_one_of_256_bits(bit):
    expected = [0] * SKETCH_WORDS
    expected[bit // 64] = 1 << (bit % 64)
    for value in (bit, bit + SKETCH_BITS, bit - SKETCH_BITS):
        assert added(SKETCH, 1, value).view(np.uint64)[1:5].tolist() == expected


@pytest.mark.parametrize(
    ("left", "right", "total"),
    [(0, 0, 0), (5, 6, 11), (WORD_MAX - 1, 1, WORD_MAX), (WORD_MAX - 1, 2, WORD_MAX), (WORD_MAX, WORD_MAX, WORD_MAX)],
)
def test_sums_of_squares_stay_at_the_largest_word(left, right, total):
    assert add_squares(left, right) == total
    assert add_squares(right, left) == total


@pytest.mark.parametrize("kind", [int(kind) for kind in CellKind], ids=lambda kind: CellKind(kind).name)
def test_tiles_merge_from_first_to_before_last(kind):
    """Four tiles hold 1, 2, 4 and 8; what the middle two say is all that is merged."""
    width = 1 if kind in NARROW else CELL_WORDS[kind]
    record = np.zeros(4 * CELL_WORDS[kind], np.int64)
    for tile, value in enumerate((1, 2, 4, 8)):
        add_cell(kind, record, halves(record), tile * width, np.int64(value))
    into = np.zeros(2 + CELL_WORDS[kind], np.int64)
    merge_cells(kind, into, 1, record, halves(record), 1 * width, 3 * width)
    expected = {COUNT: 2, SUM: 6, MAX: 5, SQUARES: 20, SKETCH: (1 << 2) + (1 << 4), SMALL_SKETCH: (1 << 2) + (1 << 4)}
    assert into[1] == expected[kind]
    assert not np.delete(into, 1).any()
    merge_cells(kind, into, 1, record, halves(record), 3 * width, 3 * width)
    assert into[1] == expected[kind], "no tiles, nothing more"
    merge_cells(kind, into, 1, record, halves(record), 0, 1 * width)
    more = {COUNT: 3, SUM: 7, MAX: 5, SQUARES: 21, SKETCH: expected[SKETCH] + 2, SMALL_SKETCH: expected[SKETCH] + 2}
    assert into[1] == more[kind]


def test_widths():
    assert CELL_WORDS == {COUNT: 1, SUM: 1, MAX: 1, SQUARES: 1, SKETCH: 4, SMALL_SKETCH: 1}
    assert set(NARROW) == {COUNT, MAX}
