"""Records come back as written, and the batch in progress reads them as they were before it."""

from __future__ import annotations

import numpy as np
import pytest

from paywarden.errors import StaleWriter, StateStoreError
from paywarden.features.state import BatchTag, StoreStats

WORDS = 5
KEYS = [b"card-%03d" % i for i in range(40)]
FIRST, SECOND, THIRD = BatchTag(1, 1), BatchTag(1, 2), BatchTag(1, 3)


def filled(value: int, count: int = len(KEYS), words: int = WORDS):
    return np.full((count, words), value, np.int64)


@pytest.fixture
def lease(store):
    lease = store.acquire("stream", "layout-1")
    store.begin_batch(lease, FIRST)
    return lease


def test_unknown_keys_read_as_zeros(store, lease):
    for tag in (None, FIRST):
        states = store.read_many("card", 0, KEYS, WORDS, tag)
        assert states.dtype == np.int64
        assert (states == filled(0)).all()


def test_an_untouched_store_reads_as_zeros(store):
    assert (store.read_many("card", 3, KEYS, WORDS) == 0).all()
    assert store.stats() == []
    assert store.current() is None
    assert list(store.scan("card", 0, WORDS)) == []


def test_every_word_comes_back(store, lease):
    states = np.random.default_rng(7).integers(-(2**63), 2**63 - 1, (len(KEYS), WORDS), np.int64, endpoint=True)
    store.write_many(lease, "card", 1, KEYS, states, FIRST)
    back = np.random.default_rng(8).permutation(len(KEYS))
    assert (store.read_many("card", 1, [KEYS[i] for i in back], WORDS) == states[back]).all()


def test_states_need_not_be_contiguous(store, lease):
    states = np.arange(2 * len(KEYS) * WORDS, dtype=np.int64).reshape(WORDS, -1).T[::2]
    store.write_many(lease, "card", 1, KEYS, states, FIRST)
    assert (store.read_many("card", 1, KEYS, WORDS) == states).all()


def test_what_is_read_belongs_to_the_reader(store, lease):
    store.write_many(lease, "card", 1, KEYS, filled(1), FIRST)
    store.read_many("card", 1, KEYS, WORDS)[:] = 9
    store.read_many("card", 1, KEYS, WORDS, FIRST)[:] = 9
    assert (store.read_many("card", 1, KEYS, WORDS) == 1).all()


def test_a_key_may_be_read_twice_and_any_bytes_are_a_key(store, lease):
    keys = [b"\x00", b"\xff\xfe", b"a:b{c}", b"k" * 400]
    store.write_many(lease, "card", 0, keys, np.arange(4 * WORDS, dtype=np.int64).reshape(4, WORDS), FIRST)
    states = store.read_many("card", 0, [keys[3], keys[0], b"unknown", keys[3]], WORDS)
    assert states[:, 0].tolist() == [15, 0, 0, 15]
    assert states[:, 1].tolist() == [16, 1, 0, 16]


def test_entities_and_shards_are_apart(store, lease):
    store.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
    store.write_many(lease, "merchant", 0, KEYS, filled(2, words=3), FIRST)
    assert (store.read_many("card", 0, KEYS, WORDS) == 1).all()
    assert (store.read_many("merchant", 0, KEYS, 3) == 2).all()
    assert (store.read_many("card", 1, KEYS, WORDS) == 0).all()


def test_nothing_is_a_fine_batch(store, lease):
    store.write_many(lease, "card", 0, [], filled(0, 0), FIRST)
    assert store.read_many("card", 0, [], WORDS, FIRST).shape == (0, WORDS)
    assert store.stats() == []


def test_a_retry_reads_what_its_first_attempt_read(store, lease):
    store.write_many(lease, "card", 0, KEYS[:20], filled(1, 20), FIRST)
    store.begin_batch(lease, SECOND)
    before = store.read_many("card", 0, KEYS, WORDS, SECOND)
    store.write_many(lease, "card", 0, KEYS, before + 10, SECOND)
    store.begin_batch(lease, SECOND)
    assert (store.read_many("card", 0, KEYS, WORDS, SECOND) == before).all()
    assert (store.read_many("card", 0, KEYS, WORDS) == before + 10).all()


def test_a_half_written_batch_is_retried_as_if_never_begun(store, lease):
    store.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
    store.begin_batch(lease, SECOND)
    store.write_many(lease, "card", 0, KEYS[:7], filled(2, 7), SECOND)
    store.begin_batch(lease, SECOND)
    assert (store.read_many("card", 0, KEYS, WORDS, SECOND) == 1).all()
    store.write_many(lease, "card", 0, KEYS, filled(2), SECOND)
    assert (store.read_many("card", 0, KEYS, WORDS, SECOND) == 1).all()
    assert (store.read_many("card", 0, KEYS, WORDS) == 2).all()


def test_writing_again_in_a_batch_keeps_the_first_before_image(store, lease):
    store.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
    store.begin_batch(lease, SECOND)
    for value in (2, 3, 4):
        store.write_many(lease, "card", 0, KEYS, filled(value), SECOND)
    assert (store.read_many("card", 0, KEYS, WORDS, SECOND) == 1).all()
    assert (store.read_many("card", 0, KEYS, WORDS) == 4).all()


def test_before_images_go_when_the_next_batch_begins(store, lease):
    store.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
    store.begin_batch(lease, SECOND)
    assert (store.read_many("card", 0, KEYS, WORDS, SECOND) == 1).all()
    store.write_many(lease, "card", 0, KEYS[:3], filled(2, 3), SECOND)
    store.begin_batch(lease, THIRD)
    assert store.read_many("card", 0, KEYS, WORDS, THIRD)[:, 0].tolist() == [2] * 3 + [1] * 37
    with pytest.raises(StaleWriter):
        store.read_many("card", 0, KEYS, WORDS, SECOND)


def test_a_batch_that_has_not_begun_reads_the_newest(store, lease):
    store.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
    assert (store.read_many("card", 0, KEYS, WORDS, SECOND) == 1).all()


def test_a_newer_record_is_refused_to_an_older_reader(store, lease):
    store.begin_batch(lease, SECOND)
    store.write_many(lease, "card", 0, KEYS, filled(2), SECOND)
    with pytest.raises(StaleWriter):
        store.read_many("card", 0, KEYS, WORDS, FIRST)


def test_a_long_call_is_read_and_retried_like_a_short_one(store, lease):
    keys = [b"%06d" % i for i in range(4_500)]
    states = np.random.default_rng(1).integers(0, 1 << 40, (len(keys), WORDS))
    store.write_many(lease, "card", 2, keys[:3_000], states[:3_000], FIRST)
    store.begin_batch(lease, SECOND)
    store.write_many(lease, "card", 2, keys, states + 1, SECOND)
    assert (store.read_many("card", 2, keys, WORDS) == states + 1).all()
    assert (store.read_many("card", 2, keys[:3_000], WORDS, SECOND) == states[:3_000]).all()
    assert (store.read_many("card", 2, keys[3_000:], WORDS, SECOND) == 0).all()


def test_stats_count_records_and_payload(store, lease):
    store.write_many(lease, "card", 0, KEYS[:30], filled(1, 30), FIRST)
    store.write_many(lease, "card", 1, KEYS[30:], filled(1, 10), FIRST)
    store.write_many(lease, "merchant", 1, [b"m"], filled(1, 1, 2), FIRST)
    expected = [StoreStats("card", 40, 40 * (8 + 16 + 8 * WORDS)), StoreStats("merchant", 1, 1 + 16 + 16)]
    assert store.stats() == expected
    store.begin_batch(lease, SECOND)
    store.write_many(lease, "card", 0, KEYS[:30], filled(2, 30), SECOND)
    assert store.stats() == expected


def test_scan_gives_every_record_once(store, lease):
    keys = [b"%06d" % i for i in range(3_000)]
    states = np.arange(3_000 * WORDS, dtype=np.int64).reshape(-1, WORDS)
    store.write_many(lease, "card", 0, keys, states, FIRST)
    store.write_many(lease, "card", 1, [b"elsewhere"], filled(1, 1), FIRST)
    found = {}
    for names, rows in store.scan("card", 0, WORDS):
        assert rows.shape == (len(names), WORDS)
        assert not found.keys() & set(names)
        found.update(zip(names, map(tuple, rows.tolist()), strict=True))
    assert found == dict(zip(keys, map(tuple, states.tolist()), strict=True))


def test_scan_goes_on_while_records_are_written_and_deleted(store, lease):
    keys = [b"%06d" % i for i in range(3_000)]
    store.write_many(lease, "card", 0, keys, filled(1, 3_000), FIRST)
    seen = []
    for names, _ in store.scan("card", 0, WORDS):
        seen += names
        store.write_many(lease, "card", 0, [b"~%d" % len(seen)], filled(2, 1), FIRST)
        store.delete_where(lease, "card", 0, WORDS, lambda states: states[:, 0] == 2)
    assert {key for key in seen if not key.startswith(b"~")} == set(keys)


def test_delete_where_frees_what_is_idle(store, lease):
    keys = [b"%06d" % i for i in range(2_500)]
    store.write_many(lease, "card", 0, keys, filled(1, 2_500), FIRST)
    store.begin_batch(lease, SECOND)
    store.write_many(lease, "card", 0, keys[1_200:], filled(2, 1_300), SECOND)
    asked = []

    def idle(states):
        asked.append(len(states))
        return states[:, 0] == 1

    assert store.delete_where(lease, "card", 0, WORDS, idle) == 1_200
    assert sum(asked) == 2_500
    assert (store.read_many("card", 0, keys, WORDS)[:, 0] == [0] * 1_200 + [2] * 1_300).all()
    assert store.stats() == [StoreStats("card", 1_300, 1_300 * (6 + 16 + 8 * WORDS))]
    assert store.delete_where(lease, "card", 0, WORDS, idle) == 0
    assert store.delete_where(lease, "merchant", 0, WORDS, idle) == 0


def test_a_retry_reads_what_was_deleted_meanwhile(store, lease):
    store.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
    store.begin_batch(lease, SECOND)
    store.write_many(lease, "card", 0, KEYS[:5], filled(2, 5), SECOND)
    assert store.delete_where(lease, "card", 0, WORDS, lambda states: np.ones(len(states), bool)) == len(KEYS)
    assert (store.read_many("card", 0, KEYS, WORDS) == 0).all()
    assert (store.read_many("card", 0, KEYS, WORDS, SECOND) == 1).all()
    store.write_many(lease, "card", 0, KEYS, filled(3), SECOND)
    assert (store.read_many("card", 0, KEYS, WORDS, SECOND) == 1).all()
    store.begin_batch(lease, THIRD)
    assert (store.read_many("card", 0, KEYS, WORDS, THIRD) == 3).all()


@pytest.mark.parametrize(
    ("entity", "shard", "keys", "states"),
    [
        ("", 0, [b"a"], filled(0, 1)),
        ("a\0b", 0, [b"a"], filled(0, 1)),
        ("card", -1, [b"a"], filled(0, 1)),
        ("card", 4, [b"a"], filled(0, 1)),
        ("card", 0, [b""], filled(0, 1)),
        ("card", 0, [b"k" * 401], filled(0, 1)),
        ("card", 0, [b"a", b"a"], filled(0, 2)),
        ("card", 0, [b"a"], filled(0, 2)),
        ("card", 0, [b"a"], filled(0, 1)[0]),
        ("card", 0, [b"a"], filled(0, 1).astype(np.float64)),
    ],
)
def test_what_cannot_be_stored_is_refused(store, lease, entity, shard, keys, states):
    with pytest.raises(StateStoreError):
        store.write_many(lease, entity, shard, keys, states, FIRST)
    assert store.stats() == []


def test_records_of_another_width_are_refused(store, lease):
    store.write_many(lease, "card", 0, KEYS, filled(1), FIRST)
    with pytest.raises(StateStoreError, match="records of 5 words, not 6"):
        store.read_many("card", 0, KEYS, WORDS + 1)
    with pytest.raises(StateStoreError, match="records of 5 words, not 6"):
        store.write_many(lease, "card", 0, [b"new", *KEYS], filled(1, len(KEYS) + 1, WORDS + 1), FIRST)
    with pytest.raises(StateStoreError, match="records of 5 words, not 6"):
        next(iter(store.scan("card", 0, WORDS + 1)))
    assert store.read_many("card", 0, [b"new"], WORDS).tolist() == [[0] * WORDS]
