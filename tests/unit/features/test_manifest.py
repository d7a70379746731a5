import dataclasses
import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paywarden.features.manifest import NO_BATCH, BatchManifest, OffsetRange, batch_numbers
from paywarden.features.state import BatchTag


def manifest(batch, *ranges):
    return BatchManifest(1, batch, tuple(OffsetRange(*span) for span in ranges), "layout")


def coordinates(*rows):
    topics, partitions, offsets = zip(*rows, strict=True) if rows else ((), (), ())
    columns = [pa.array(topics, pa.string()), pa.array(partitions, pa.int32()), pa.array(offsets, pa.int64())]
    return pa.table(columns, names=["topic", "partition", "offset"])


def test_ranges_include_their_start_and_not_their_end():
    rows = coordinates(*[("t", 0, offset) for offset in (9, 10, 19, 20, 29, 30)])
    numbers = batch_numbers(rows, [manifest(2, ("t", 0, 20, 30)), manifest(1, ("t", 0, 10, 20))])
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [NO_BATCH, 1, 1, 2, 2, NO_BATCH]


def test_topics_and_partitions_are_told_apart():
    rows = coordinates(("t", 0, 5), ("t", 1, 5), ("l", 0, 5), ("l", 1, 5))
    numbers = batch_numbers(rows, [manifest(1, ("t", 0, 0, 9), ("l", 1, 0, 9)), manifest(2, ("t", 1, 0, 9))])
    assert numbers.tolist() == [1, 2, NO_BATCH, 1]


def test_a_gap_between_ranges_is_in_no_batch():
    rows = coordinates(*[("t", 0, offset) for offset in (4, 5, 6, 7)])
    numbers = batch_numbers(rows, [manifest(1, ("t", 0, 0, 5)), manifest(2, ("t", 0, 7, 9))])
    assert numbers.tolist() == [1, NO_BATCH, NO_BATCH, 2]


@pytest.mark.parametrize("empty_first", [True, False])
def test_empty_ranges_hold_nothing_and_hide_nothing(empty_first):
    manifests = [manifest(1, ("t", 0, 5, 5)), manifest(2, ("t", 0, 5, 8)), manifest(3, ("t", 0, 6, 6), ("t", 0, 8, 8))]
    rows = coordinates(("t", 0, 5), ("t", 0, 7), ("t", 0, 8))
    ordered = manifests if empty_first else manifests[::-1]
    assert batch_numbers(rows, ordered).tolist() == [2, 2, NO_BATCH]


def test_no_rows_and_no_manifests():
    assert batch_numbers(coordinates(), [manifest(1, ("t", 0, 0, 9))]).tolist() == []
    assert batch_numbers(coordinates(("t", 0, 1)), []).tolist() == [NO_BATCH]
    assert batch_numbers(coordinates(("t", 0, 1)), [manifest(1)]).tolist() == [NO_BATCH]


def test_chunked_coordinates_are_read_as_whole_ones():
    rows = pa.concat_tables([coordinates(("t", 0, 1), ("t", 1, 1)), coordinates(("t", 0, 2))])
    assert batch_numbers(rows, [manifest(0, ("t", 0, 0, 9))]).tolist() == [0, NO_BATCH, 0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=8), st.lists(st.integers(0, 32), max_size=20), st.randoms())
def test_every_row_is_in_the_batch_that_covers_it(bounds, offsets, random):
    bounds = sorted(bounds)
    manifests = [manifest(i, ("t", 0, *span)) for i, span in enumerate(itertools.pairwise(bounds))]
    expected = [
        next((m.batch for m in manifests if m.ranges[0].start <= offset < m.ranges[0].end), NO_BATCH)
        for offset in offsets
    ]
    random.shuffle(manifests)
    assert batch_numbers(coordinates(*[("t", 0, offset) for offset in offsets]), manifests).tolist() == expected


FULL = BatchManifest(3, 8, (OffsetRange("t", 1, 5, 9), OffsetRange("l", 0, 0, 2)), "l" * 64, "7", "b" * 64, "p" * 64)


@pytest.mark.parametrize("written", [FULL, manifest(0)])
def test_a_manifest_goes_through_json_and_back(written):
    text = written.to_json()
    assert BatchManifest.from_json(text) == written
    assert BatchManifest.from_json(text.encode()) == written
    assert BatchManifest.from_json(text).to_json() == text


def test_json_is_canonical_and_complete():
    fields = json.loads(FULL.to_json())
    assert list(fields) == sorted(fields)
    assert set(fields) == {field.name for field in dataclasses.fields(BatchManifest)}
    assert " " not in FULL.to_json()


def test_a_tag_orders_by_epoch_before_batch():
    assert FULL.tag == BatchTag(3, 8)
    assert BatchTag(1, 9) < BatchTag(2, 0) < BatchTag(2, 1)
