"""The accuracy that the distinct counts promise, over many sets of tokens."""

import numpy as np
import pyarrow as pa
import pytest

from paywarden.features.aggregations import ALL
from paywarden.features.cells import SKETCH_BITS, SKETCH_WORDS, SMALL_SKETCH_BITS
from paywarden.features.hashing import hash_strings

DISTINCT, FEW, KNOWN = ALL["distinct"], ALL["distinct_few"], ALL["first_time_of"]


def sketch(tokens, aggregation=DISTINCT):
    cells = aggregation.empty()
    for value in hash_strings(pa.array(tokens)).view(np.int64):
        cells = aggregation.add(cells, int(value))
    return cells


def estimates(number, aggregation=DISTINCT, sets=20):
    tokens = [[f"set {s} token {i}".encode() for i in range(number)] for s in range(sets)]
    return np.array([aggregation.result(sketch(group, aggregation)) for group in tokens])


def bits_of(cells):
    return [i for i in range(64 * len(cells)) if (int(cells[i // 64]) >> (i % 64)) & 1]


@pytest.mark.parametrize("aggregation", [DISTINCT, FEW], ids=["distinct", "few"])
def test_one_is_one_and_repeats_do_not_count(aggregation):
    assert aggregation.result(sketch([b"a"] * 50, aggregation)) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(("number", "error"), [(2, 0.06), (10, 0.05), (100, 0.06), (400, 0.08), (1000, 0.15)])
def test_estimates_are_within_some_ten_per_cent_up_to_a_thousand(number, error):
    relative = estimates(number, sets=40) / number - 1
    assert np.sqrt(np.mean(relative**2)) < error
    assert abs(relative.mean()) < error / 2


@pytest.mark.parametrize(("number", "error"), [(2, 0.1), (10, 0.1), (30, 0.12), (100, 0.16)])
def test_few_are_estimated_up_to_a_hundred(number, error):
    relative = estimates(number, FEW, sets=60) / number - 1
    assert np.sqrt(np.mean(relative**2)) < error
    assert abs(relative.mean()) < 0.06


@pytest.mark.parametrize(("aggregation", "bits"), [(DISTINCT, SKETCH_BITS), (FEW, SMALL_SKETCH_BITS)])
def test_a_full_sketch_saturates(aggregation, bits):
    full = np.full(bits // 64, -1, np.int64)
    assert aggregation.result(full) == pytest.approx(bits * np.log(bits))
    one_left = full.copy()
    one_left[0] = -2
    assert aggregation.result(one_left) == aggregation.result(full)
    two_left = full.copy()
    two_left[0] = -4
    assert aggregation.result(two_left) < aggregation.result(full)


@pytest.mark.parametrize("bit", [0, 1, 62, 63, 64, 127, 128, 255])
def test_every_bit_has_its_place(bit):
    cells = DISTINCT.add(DISTINCT.empty(), bit + SKETCH_BITS * 12345)
    words = cells.view(np.uint64)
    assert [int(word) for word in words] == [2 ** (bit % 64) if i == bit // 64 else 0 for i in range(SKETCH_WORDS)]
    assert DISTINCT.result(cells) == pytest.approx(1, rel=0.002)


@pytest.mark.parametrize("value", [0, 1, 62, 63, 64 + 63, -1, -64, 2**63 - 1, -(2**63)])
def test_a_small_sketch_tells_what_it_holds_by_six_bits(value):
    cells = FEW.add(FEW.empty(), value)
    assert bits_of(cells) == [value % 64]
    known = [KNOWN.result(cells, other) == 0 for other in range(64)]
    assert [i for i, held in enumerate(known) if held] == [value % 64]
    assert KNOWN.result(cells, value) == 0
    assert KNOWN.result(cells, value ^ 64) == 0
