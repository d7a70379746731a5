import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity.xxh64 import xxh64

from paywarden.features.hashing import _hash_spans, hash_strings, shards_of

VECTORS = {
    "": 0xEF46DB3751D8E999,
    "a": 0xD24EC4F1A98C6E5B,
    "abc": 0x44BC2CF5AD770999,
    "Nobody inspects the spammish repetition": 0xFBCEA83C8A378BF1,
}

texts = st.lists(st.none() | st.text(max_size=80), max_size=12)


def reference(values):
    return [0 if value is None else xxh64(value.encode()) for value in values]


def test_published_vectors():
    assert hash_strings(pa.array(list(VECTORS))).tolist() == list(VECTORS.values())
    assert reference(VECTORS) == list(VECTORS.values())


def test_every_length_from_nothing_to_beyond_two_stripes():
    values = [bytes((7 * i + 200 * n) % 256 for i in range(n)) for n in range(100)]
    assert hash_strings(pa.array(values, pa.large_binary())).tolist() == [xxh64(value) for value in values]


@settings(max_examples=60, deadline=None)
@given(texts, texts, st.integers(0, 12))
def test_slices_and_chunks_hash_as_the_values_alone(left, right, start):
    array = pa.array(left + right, pa.string())
    assert hash_strings(array.slice(start)).tolist() == reference((left + right)[start:])
    chunked = pa.chunked_array([pa.array(left, pa.string()), pa.array(right, pa.string()).slice(start)])
    assert hash_strings(chunked).tolist() == reference(left + right[start:])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([], pa.string()),
        pa.array(["x"]).slice(1),
        pa.chunked_array([], pa.string()),
        pa.chunked_array([pa.array([], pa.string())]),
    ],
)
def test_nothing_hashes_to_nothing(values):
    hashes = hash_strings(values)
    assert hashes.dtype == np.uint64
    assert hashes.size == 0


def test_nulls_hash_to_zero():
    assert hash_strings(pa.nulls(3, pa.string())).tolist() == [0, 0, 0]
    assert hash_strings(pa.array(["a", None, "a"]))[1] == 0


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view()])
def test_the_type_of_the_array_does_not_matter(kind):
    assert hash_strings(pa.array(["abc", None, "a"], pa.string()).cast(kind)).tolist() == reference(["abc", None, "a"])


def test_what_is_empty_or_cannot_be_written_is_not_compiled_for_once_more():
    """A compilation takes seconds, and the scoring API has none to spare."""
    stored = pa.BufferOutputStream()
    table = pa.table({"key": ["a", "b"]})
    with pa.ipc.new_stream(stored, table.schema) as writer:
        writer.write_table(table)
    read_only = pa.ipc.open_stream(bytes(stored.getvalue())).read_all()["key"]
    for values in (
        pa.array(["a"]),
        pa.array([None], pa.string()),
        pa.array([""]),
        pa.array([], pa.string()),
        read_only,
    ):
        hash_strings(values)
    assert len(_hash_spans.signatures) == 1


def test_no_keys_hash_to_nothing():
    assert hash_strings(pa.array([], pa.string())).size == 0


@pytest.mark.parametrize("shards", [1, 2, 7, 64])
def test_shards_are_the_scaled_high_bits_and_even(shards):
    hashes = hash_strings(pa.array([f"card-{i}" for i in range(4000)]))
    assigned = shards_of(hashes, shards)
    assert assigned.dtype == np.int32
    assert assigned.tolist() == [(int(value) >> 32) * shards >> 32 for value in hashes]
    counts = np.bincount(assigned, minlength=shards)
    assert counts.size == shards
    assert counts.min() > 4000 / shards * 0.5


def test_the_extreme_hashes_stay_within_the_shards():
    assert shards_of(np.array([0, 2**64 - 1], np.uint64), 5).tolist() == [0, 4]
