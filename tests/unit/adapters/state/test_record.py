"""The bytes of a record and the arithmetic of before-images."""

from __future__ import annotations

import numpy as np
import pytest

from paywarden.adapters.state import record
from paywarden.errors import StateStoreError
from paywarden.features.state import BatchTag, StoreStats

TAG, OTHER = BatchTag(1, 2), BatchTag(1, 3)


def test_a_record_is_its_tag_and_its_words_in_little_endian():
    encoded = bytes(record.encode(np.array([[3, -1]], np.int64), TAG))
    assert encoded == b"".join(value.to_bytes(8, "little", signed=True) for value in (1, 2, 3, -1))
    assert len(encoded) == record.record_bytes(2)
    assert encoded[: record.HEADER_BYTES] == record.header(TAG)


def test_records_come_back():
    states = np.arange(12, dtype=np.int64).reshape(3, 4)
    encoded = record.encode(states, TAG)
    assert (record.states_of(encoded, 4) == states).all()
    assert [bytes(view) for view in record.slices(encoded, 4)] == [
        bytes(record.encode(states[i : i + 1], TAG)) for i in range(3)
    ]
    assert record.written_by(encoded, 4, TAG).all()
    assert not record.written_by(encoded, 4, OTHER).any()


def test_touched_rows_are_those_of_the_tag_and_the_absent():
    found = [bytes(record.encode(np.full((1, 2), i, np.int64), tag)) for i, tag in enumerate((TAG, OTHER, TAG))]
    states, touched = record.states_before([*found, None], "card", 2, TAG, "here")
    assert states.tolist() == [[0, 0], [1, 1], [2, 2], [0, 0]]
    assert touched == [0, 2, 3]
    assert record.states_before(found, "card", 2, None, "here")[1] == []
    assert record.states_before([], "card", 2, TAG, "here")[0].shape == (0, 2)


def test_restoring_knows_none_from_absent():
    states = np.full((4, 2), 9, np.int64)
    image = bytes(record.encode(np.full((1, 2), 5, np.int64), TAG))
    record.restore(states, [0, 2, 3], [b"", None, image])
    assert states[:, 0].tolist() == [0, 9, 9, 5]


def test_totals_add_up_and_leave_empty_entities_out():
    sizes = [{"card": (1, 10), "merchant": (0, 0)}, {"card": (2, 20)}]
    assert record.totals(sizes) == [StoreStats("card", 3, 30)]


def test_a_record_of_another_width_is_named():
    with pytest.raises(StateStoreError, match=r"here: entity 'card' has records of 3 words, not 2"):
        record.present([bytes(record.record_bytes(3))], "card", 2, "here")
