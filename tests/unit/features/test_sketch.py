"""The accuracy that the distinct count promises, over many sets of tokens."""

import numpy as np
import pytest

from paywarden.features.aggregations import ALL
from paywarden.features.cells import SKETCH_BITS, SKETCH_WORDS
from paywarden.features.hashing import hash_keys

DISTINCT = ALL["distinct"]


def sketch(tokens):
    cells = DISTINCT.empty()
    for value in hash_keys(tokens).view(np.int64):
        cells = DISTINCT.add(cells, int(value))
    return cells


def estimates(number, sets=20):
    tokens = [[f"set {s} token {i}".encode() for i in range(number)] for s in range(sets)]
    return np.array([DISTINCT.result(sketch(group)) for group in tokens])


def test_one_is_one_and_repeats_do_not_count():
    assert DISTINCT.result(sketch([b"a"] * 50)) == pytest.approx(1, rel=0.002)


@pytest.mark.parametrize(("number", "error"), [(2, 0.06), (10, 0.05), (100, 0.05), (400, 0.06), (1000, 0.08)])
def test_estimates_are_within_a_few_per_cent_up_to_a_thousand(number, error):
    relative = estimates(number) / number - 1
    assert np.sqrt(np.mean(relative**2)) < error
    assert abs(relative.mean()) < 0.03


def test_a_full_sketch_saturates():
    full = np.full(SKETCH_WORDS, -1, np.int64)
    assert DISTINCT.result(full) == pytest.approx(SKETCH_BITS * np.log(SKETCH_BITS))
    one_left = full.copy()
    one_left[0] = -2
    assert DISTINCT.result(one_left) == DISTINCT.result(full)


@pytest.mark.parametrize("bit", [0, 1, 62, 63, 64, 511])
def test_every_bit_has_its_place(bit):
    cells = DISTINCT.add(DISTINCT.empty(), bit + 512 * 12345)
    words = cells.view(np.uint64)
    assert [int(word) for word in words] == [2 ** (bit % 64) if i == bit // 64 else 0 for i in range(SKETCH_WORDS)]
    assert DISTINCT.result(cells) == pytest.approx(1, rel=0.002)
