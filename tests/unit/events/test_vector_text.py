"""Vectors as text: what base64 of float32 must be, and what is no vector."""

import base64

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.errors import DataError
from paywarden.events.vector_text import decode_vectors, encode_vectors

ROWS = st.lists(st.none() | st.lists(st.integers(0, 2**32 - 1), max_size=5), max_size=6)


def lists(rows):
    return pa.array(
        [None if r is None else np.array(r, np.uint32).view(np.float32) for r in rows], pa.list_(pa.float32())
    )


@pytest.mark.parametrize("width", [1, 2, 3, 4, 122])
def test_the_text_is_that_of_the_standard_library(width):
    values = np.arange(3 * width, dtype=np.float32)
    texts = encode_vectors(pa.FixedSizeListArray.from_arrays(pa.array(values), width))
    assert texts.to_pylist() == [base64.b64encode(row.tobytes()).decode() for row in values.reshape(3, width)]


@given(ROWS)
def test_every_bit_reads_back(rows):
    read = decode_vectors(encode_vectors(lists(rows)))
    wanted = [None if row is None else np.array(row, "<u4").tobytes() for row in rows]
    # A signalling NaN may be quietened on its way through Python's floats, so bits are compared as arrays are.
    got = [
        None if v is None else np.array(v.values.to_numpy(zero_copy_only=False)).tobytes() if v.is_valid else None
        for v in read
    ]
    assert got == wanted


def test_a_slice_is_its_rows():
    texts = encode_vectors(lists([[1, 2], [3, 4], [5, 6]]))
    assert decode_vectors(texts.slice(1)).to_pylist() == decode_vectors(texts).to_pylist()[1:]


@pytest.mark.parametrize("texts", [["AAAA*AA="], ["AAA"], ["AAAA"], ["AAAAAA==", "AAAAAAAA"], ["AAAAAA==", "AAAAA==="]])
def test_what_is_no_vector_is_refused(texts):
    with pytest.raises(DataError, match="vector"):
        decode_vectors(pa.array(texts))
