"""Who may write: leases, fences and batches, and what a store refuses."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from paywarden.errors import Fenced, LeaseHeld, StaleWriter, StateLayoutMismatch, StateStoreError
from paywarden.features.state import BatchTag, Lease

WORDS = 3
KEYS = [b"a", b"b", b"c"]


def filled(value: int, count: int = len(KEYS)):
    return np.full((count, WORDS), value, np.int64)


def newest(store, shard: int = 0):
    return store.read_many("card", shard, KEYS, WORDS)[:, 0].tolist()


def test_each_acquisition_has_the_next_fence(store):
    assert store.acquire("stream", "layout") == Lease("stream", 1)
    assert store.acquire("stream", "layout") == Lease("stream", 2)
    assert store.acquire("other", "layout", takeover=True) == Lease("other", 3)


def test_another_owner_waits_for_the_release(store):
    lease = store.acquire("stream", "layout")
    with pytest.raises(LeaseHeld, match="'stream'"):
        store.acquire("other", "layout")
    store.release(lease)
    assert store.acquire("other", "layout").fence == 2


def test_a_superseded_release_changes_nothing(store):
    old = store.acquire("stream", "layout")
    new = store.acquire("other", "layout", takeover=True)
    store.release(old)
    store.release(Lease("nobody", 99))
    with pytest.raises(LeaseHeld):
        store.acquire("third", "layout")
    store.begin_batch(new, BatchTag(1, 1))
    store.write_many(new, "card", 0, KEYS, filled(1), BatchTag(1, 1))
    assert newest(store) == [1, 1, 1]


def test_a_store_that_lost_what_was_written_says_so_to_its_writer(store):
    """A Redis that was restarted without its data under a running stream: its fence begins anew."""
    with pytest.raises(Fenced, match=r"at fence 0, the lease of 'stream' at 7: it has lost.*paywarden state rebuild"):
        store.require_lease(Lease("stream", 7))
    store.acquire("another start", "layout")
    with pytest.raises(Fenced, match=r"at fence 1, the lease of 'stream' at 7: it has lost.*paywarden state rebuild"):
        store.begin_batch(Lease("stream", 7), BatchTag(1, 8))


@pytest.mark.parametrize("how", ["takeover", "same owner", "release", "never given"])
def test_a_superseded_lease_writes_nothing(store, how):
    lease = store.acquire("stream", "layout")
    tag = BatchTag(1, 1)
    store.begin_batch(lease, tag)
    store.write_many(lease, "card", 0, KEYS[:1], filled(1, 1), tag)
    if how == "takeover":
        store.acquire("other", "layout", takeover=True)
    elif how == "same owner":
        store.acquire("stream", "layout")
    elif how == "release":
        store.release(lease)
    else:
        lease = Lease("stream", 2)
    for shard in range(store.shards):
        with pytest.raises(Fenced):
            store.write_many(lease, "card", shard, KEYS, filled(2), tag)
        with pytest.raises(Fenced):
            store.delete_where(lease, "card", shard, WORDS, lambda states: np.ones(len(states), bool))
    with pytest.raises(Fenced):
        store.begin_batch(lease, BatchTag(1, 2))
    with pytest.raises(Fenced):
        store.require_lease(lease)
    with pytest.raises(Fenced):
        store.clear(lease)
    assert newest(store) == [1, 0, 0]
    assert store.current() == tag


def test_a_slow_acquisition_does_not_undo_a_newer_one(store):
    old = store.acquire("slow", "layout")
    new = store.acquire("quick", "layout", takeover=True)
    store.begin_batch(new, BatchTag(1, 1))
    for shard in range(store.shards):
        tell_late(store, shard, old)
        with pytest.raises(Fenced):
            store.write_many(old, "card", shard, KEYS, filled(1), BatchTag(1, 1))
        store.write_many(new, "card", shard, KEYS, filled(2), BatchTag(1, 1))


def tell_late(store, shard, lease):
    """Tell one shard of an acquisition, as a process that was paused in the middle of it would."""
    if hasattr(store, "_parts"):
        store._parts[shard].learn(lease)
    else:
        store._shard(shard, write=True).learn(lease.fence, held=True)


def test_a_new_lease_retries_from_the_old_ones_before_images(store):
    old = store.acquire("stream", "layout")
    store.begin_batch(old, BatchTag(1, 1))
    store.write_many(old, "card", 0, KEYS, filled(1), BatchTag(1, 1))
    store.begin_batch(old, BatchTag(1, 2))
    store.write_many(old, "card", 0, KEYS[:2], filled(2, 2), BatchTag(1, 2))
    new = store.acquire("stream", "layout")
    store.begin_batch(new, BatchTag(1, 2))
    assert (store.read_many("card", 0, KEYS, WORDS, BatchTag(1, 2)) == 1).all()
    with pytest.raises(Fenced):
        store.write_many(old, "card", 0, KEYS[2:], filled(2, 1), BatchTag(1, 2))
    store.write_many(new, "card", 0, KEYS, filled(2), BatchTag(1, 2))
    assert (store.read_many("card", 0, KEYS, WORDS, BatchTag(1, 2)) == 1).all()
    assert newest(store) == [2, 2, 2]


@pytest.mark.parametrize("older", [BatchTag(2, 4), BatchTag(1, 9)], ids=["older batch", "older epoch"])
def test_what_is_older_than_the_batch_begun_last_is_refused(store, older):
    lease = store.acquire("stream", "layout")
    store.begin_batch(lease, older)
    store.write_many(lease, "card", 0, KEYS, filled(1), older)
    store.begin_batch(lease, BatchTag(2, 5))
    with pytest.raises(StaleWriter):
        store.begin_batch(lease, older)
    for shard in range(store.shards):
        with pytest.raises(StaleWriter):
            store.write_many(lease, "card", shard, KEYS, filled(2), older)
    assert newest(store) == [1, 1, 1]
    assert store.current() == BatchTag(2, 5)


@pytest.mark.parametrize("step", ["acquire", "begin", "clear"])
def test_what_stopped_half_way_is_finished_by_its_retry(store, step, monkeypatch):
    old = store.acquire("stream", "layout")
    first, second = BatchTag(1, 1), BatchTag(1, 2)
    store.begin_batch(old, first)
    for shard in range(store.shards):
        store.write_many(old, "card", shard, KEYS, filled(1), first)
    stopped = {
        "acquire": lambda: store.acquire("stream", "layout"),
        "begin": lambda: store.begin_batch(old, second),
        "clear": lambda: store.clear(old),
    }
    with monkeypatch.context() as patch:
        stop_before_shard(patch, store, 2)
        with pytest.raises(InterruptedError):
            stopped[step]()
    if step == "begin":
        assert store.current() == second
        with pytest.raises(StaleWriter):
            store.begin_batch(old, first)
    if step == "clear":
        with pytest.raises(StateLayoutMismatch):
            store.acquire("stream", "another layout")
        store.clear(old)
        assert store.stats() == []
    lease = store.acquire("stream", "layout")
    store.begin_batch(lease, second)
    for shard in range(store.shards):
        with pytest.raises(Fenced):
            store.write_many(old, "card", shard, KEYS, filled(9), second)
        before = store.read_many("card", shard, KEYS, WORDS, second)
        assert (before == (0 if step == "clear" else 1)).all()
        store.write_many(lease, "card", shard, KEYS, before + 1, second)
        assert (store.read_many("card", shard, KEYS, WORDS, second) == before).all()


def stop_before_shard(patch, store, number):
    """Make the store fail as it turns to shard ``number``, as if its process had died there."""
    if hasattr(store, "_parts"):
        parts = [*store._parts]
        parts[number] = Stopped()
        patch.setattr(store, "_parts", parts)
        return
    shard = store._shard
    patch.setattr(store, "_shard", lambda at, **how: Stopped() if at == number else shard(at, **how))


class Stopped:
    def __getattr__(self, name):
        raise InterruptedError(name)


def test_tags_compare_by_number(store):
    lease = store.acquire("stream", "layout")
    for tag in (BatchTag(9, 9), BatchTag(9, 10), BatchTag(10, 0), BatchTag(10, 100), BatchTag(10, 10**12)):
        store.begin_batch(lease, tag)
        assert store.current() == tag
        store.write_many(lease, "card", 0, KEYS, filled(tag.batch), tag)
    with pytest.raises(StaleWriter):
        store.begin_batch(lease, BatchTag(10, 99))


def test_a_batch_is_written_only_once_begun(store):
    lease = store.acquire("stream", "layout")
    with pytest.raises(StateStoreError, match="begin_batch"):
        store.write_many(lease, "card", 0, KEYS, filled(1), BatchTag(1, 1))
    store.begin_batch(lease, BatchTag(1, 1))
    with pytest.raises(StateStoreError, match="begin_batch"):
        store.write_many(lease, "card", 0, KEYS, filled(1), BatchTag(1, 2))
    assert newest(store) == [0, 0, 0]


def test_another_layout_is_refused_until_the_store_is_cleared(store):
    assert store.layout_digest() is None
    lease = store.acquire("stream", "layout-1")
    assert store.layout_digest() == "layout-1"
    tag = BatchTag(3, 7)
    store.begin_batch(lease, tag)
    for shard in range(store.shards):
        store.write_many(lease, "card", shard, KEYS, filled(1), tag)
    for takeover in (False, True):
        with pytest.raises(StateLayoutMismatch, match="layout-1"):
            store.acquire("stream", "layout-2", takeover=takeover)
    store.write_many(lease, "card", 0, KEYS, filled(2), tag)
    store.clear(lease)
    assert store.layout_digest() is None
    assert store.stats() == []
    assert all(newest(store, shard) == [0, 0, 0] for shard in range(store.shards))
    lease = store.acquire("stream", "layout-2")
    assert lease.fence == 2
    assert store.current() == tag
    with pytest.raises(StateLayoutMismatch):
        store.acquire("stream", "layout-1")


def test_a_cleared_store_waits_for_a_batch_and_remembers_no_before_images(store):
    lease = store.acquire("stream", "layout")
    tag = BatchTag(1, 1)
    store.begin_batch(lease, tag)
    store.write_many(lease, "card", 0, KEYS, filled(1), tag)
    store.begin_batch(lease, BatchTag(1, 2))
    store.write_many(lease, "card", 0, KEYS, filled(2), BatchTag(1, 2))
    store.clear(lease)
    with pytest.raises(StateStoreError, match="begin_batch"):
        store.write_many(lease, "card", 0, KEYS, filled(3), BatchTag(1, 2))
    with pytest.raises(StaleWriter):
        store.begin_batch(lease, tag)
    store.begin_batch(lease, BatchTag(2, 0))
    assert (store.read_many("card", 0, KEYS, WORDS, BatchTag(2, 0)) == 0).all()
    store.write_many(lease, "card", 0, KEYS[:1], np.ones((1, 9), np.int64), BatchTag(2, 0))
    assert store.read_many("card", 0, KEYS[:1], 9).tolist() == [[1] * 9]


def test_the_number_of_shards_is_kept(store, recipe):
    for shards in (1, 8):
        with pytest.raises(StateStoreError, match="made with 4 shards"):
            dataclasses.replace(recipe, shards=shards)()
    assert store.shards == 4


def test_no_store_has_no_shards(new_place):
    with pytest.raises(StateStoreError):
        dataclasses.replace(new_place(), shards=0)()


def test_all_is_kept_when_closed_and_opened_again(recipe):
    store = recipe()
    lease = store.acquire("stream", "layout")
    store.begin_batch(lease, BatchTag(1, 1))
    store.write_many(lease, "card", 3, KEYS, filled(1), BatchTag(1, 1))
    store.begin_batch(lease, BatchTag(1, 2))
    store.write_many(lease, "card", 3, KEYS, filled(2), BatchTag(1, 2))
    stats = store.stats()
    store.close()
    again = recipe()
    assert again.current() == BatchTag(1, 2)
    assert again.stats() == stats
    assert newest(again, 3) == [2, 2, 2]
    assert (again.read_many("card", 3, KEYS, WORDS, BatchTag(1, 2)) == 1).all()
    again.write_many(lease, "card", 3, KEYS, filled(3), BatchTag(1, 2))
    with pytest.raises(LeaseHeld):
        again.acquire("other", "layout")
    again.close()


def test_a_closed_store_says_so(recipe):
    store = recipe()
    store.close()
    store.close()
    with pytest.raises(StateStoreError, match="closed"):
        store.read_many("card", 0, KEYS, WORDS)
    with pytest.raises(StateStoreError, match="closed"):
        store.acquire("stream", "layout")


def test_two_stores_of_one_process_share_their_state(recipe):
    first, second = recipe(), recipe()
    lease = first.acquire("stream", "layout")
    first.begin_batch(lease, BatchTag(1, 1))
    second.write_many(lease, "card", 0, KEYS, filled(1), BatchTag(1, 1))
    first.close()
    assert newest(second) == [1, 1, 1]
    second.write_many(lease, "card", 0, KEYS, filled(2), BatchTag(1, 1))
    second.close()


def test_a_read_only_store_reads_what_others_write(recipe):
    api = dataclasses.replace(recipe, read_only=True)
    with pytest.raises(StateStoreError, match="holds no state"):
        api()
    store = recipe()
    reader = api()
    assert newest(reader) == [0, 0, 0]
    lease = store.acquire("stream", "layout")
    store.begin_batch(lease, BatchTag(1, 1))
    store.write_many(lease, "card", 0, KEYS, filled(1), BatchTag(1, 1))
    assert newest(reader) == [1, 1, 1]
    assert reader.current() == BatchTag(1, 1)
    assert reader.stats() == store.stats()
    store.close()
    assert newest(reader) == [1, 1, 1]
    for attempt in (
        lambda: reader.acquire("stream", "layout"),
        lambda: reader.release(lease),
        lambda: reader.begin_batch(lease, BatchTag(1, 2)),
        lambda: reader.write_many(lease, "card", 0, KEYS, filled(2), BatchTag(1, 1)),
        lambda: reader.delete_where(lease, "card", 0, WORDS, lambda states: states[:, 0] == 1),
        lambda: reader.clear(lease),
    ):
        with pytest.raises(StateStoreError, match="read-only"):
            attempt()
    reader.close()


def test_a_recipe_can_be_pickled(recipe):
    again = pickle.loads(pickle.dumps(recipe))  # noqa: S301 - our own bytes, as Spark ships them
    assert again == recipe
    again().close()
