"""Sweeping real stores beside whoever writes them: only what reads as empty goes, and nobody is fenced by it."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pyarrow as pa
import pytest

from paywarden.adapters.state.lmdb_epochs import LmdbEpochs
from paywarden.adapters.state.redis_epochs import RedisEpochs
from paywarden.features.duplicates import ROUTING, newest_arrival
from paywarden.features.engine import Engine
from paywarden.features.state import BatchTag
from paywarden.features.templates import core_catalogue
from paywarden.features.windows import DAY_MS
from paywarden.jobs.state_sweep import SweptState, sweep_states

FIRST, SECOND, THIRD = BatchTag(1, 1), BatchTag(1, 2), BatchTag(1, 3)
NOW = 1_000 * DAY_MS
ENGINE = Engine(core_catalogue())
MEMORY = ENGINE.catalogue.memory
LIFETIMES_MS = 2 * MEMORY.record_ttl_ms
_numbers = itertools.count(1)


@pytest.fixture(params=["lmdb", "redis", "redis_cluster"])
def epochs(request, tmp_path):
    if request.param == "lmdb":
        epochs = LmdbEpochs(tmp_path / "states", 2, map_size=1 << 20)
    else:
        epochs = RedisEpochs(request.getfixturevalue(f"{request.param}_url"), f"sweep{next(_numbers)}", 2)
    epochs.note(ENGINE.digest, json.dumps(ENGINE.catalogue.to_dict()))
    return epochs


@pytest.fixture
def store(epochs):
    store = epochs.recipe(ENGINE.digest)()
    yield store
    store.close()


@pytest.fixture
def lease(store):
    lease = store.acquire("stream", ENGINE.digest)
    store.begin_batch(lease, FIRST)
    return lease


def put(store, lease, tag, record, key, at):
    """A record whose last event was at ``at`` (epoch ms)."""
    state = np.zeros((1, ENGINE.words(record)), np.int64)
    if record == ROUTING:
        state[0, 1], state[0, 1 + MEMORY.ids] = 7, at
    else:
        state[0, 0] = at
    shard = int(ENGINE.shards(record, pa.array([key.decode()]), store.shards)[0])
    store.write_many(lease, record, shard, [key], state, tag)


def keys(store, record):
    found = (store.scan(record, shard, ENGINE.words(record)) for shard in range(store.shards))
    return {key for chunks in found for names, _ in chunks for key in names}


def fill(store, lease, tag=FIRST):
    """The present is NOW: one card pays then, others did long before."""
    put(store, lease, tag, ROUTING, b"now", NOW)
    put(store, lease, tag, ROUTING, b"long-ago", NOW - 400 * DAY_MS)
    put(store, lease, tag, "card", b"now", NOW)
    put(store, lease, tag, "card", b"just-in-time", NOW - LIFETIMES_MS)
    put(store, lease, tag, "card", b"gone", NOW - LIFETIMES_MS - 1)
    put(store, lease, tag, "merchant", b"gone", NOW - LIFETIMES_MS - 1)


def test_what_reads_as_empty_for_a_lifetime_goes_and_the_rest_stays(epochs, store, lease):
    fill(store, lease)
    assert sweep_states(epochs) == [SweptState(ENGINE.digest, records=6, freed=3)]
    assert keys(store, ROUTING) == {b"now"}
    assert keys(store, "card") == {b"now", b"just-in-time"}
    assert keys(store, "merchant") == set()
    assert sweep_states(epochs) == [SweptState(ENGINE.digest, records=3, freed=0)]


def test_a_dry_run_only_counts(epochs, store, lease):
    fill(store, lease)
    assert sweep_states(epochs, dry_run=True) == [SweptState(ENGINE.digest, records=6, freed=3)]
    assert keys(store, "card") == {b"now", b"just-in-time", b"gone"}


def test_the_present_is_that_of_the_state_and_not_of_a_clock(epochs, store, lease):
    put(store, lease, FIRST, ROUTING, b"played", 10 * DAY_MS)
    put(store, lease, FIRST, "card", b"played", 10 * DAY_MS)
    assert sweep_states(epochs)[0].freed == 0


def test_a_verdict_of_today_on_a_payment_that_is_played_is_not_the_present(epochs, store, lease):
    put(store, lease, FIRST, "card", b"played", 10 * DAY_MS)
    state = np.zeros((1, ENGINE.words(ROUTING)), np.int64)
    paid, said = 1 + MEMORY.ids, ENGINE.words(ROUTING) - 1
    state[0, paid], state[0, said] = 10 * DAY_MS, 500 * DAY_MS
    shard = int(ENGINE.shards(ROUTING, pa.array(["played"]), store.shards)[0])
    store.write_many(lease, ROUTING, shard, [b"played"], state, FIRST)
    assert newest_arrival(state, MEMORY).tolist() == [500 * DAY_MS]
    assert sweep_states(epochs)[0].freed == 0


def test_the_writer_is_not_fenced_and_its_retry_reads_what_was_freed(epochs, store, lease):
    fill(store, lease)
    store.begin_batch(lease, SECOND)
    before = {key: store.read_many("card", _shard(store, key), [key], _WORDS, SECOND) for key in (b"gone", b"now")}
    assert sweep_states(epochs)[0].freed == 3
    for key, state in before.items():
        assert (store.read_many("card", _shard(store, key), [key], _WORDS, SECOND) == state).all()
    put(store, lease, SECOND, "card", b"gone", NOW)
    assert (store.read_many("card", _shard(store, b"gone"), [b"gone"], _WORDS, SECOND) == before[b"gone"]).all()
    store.begin_batch(lease, THIRD)
    put(store, lease, THIRD, "card", b"now", NOW + 1)
    assert keys(store, "card") == {b"now", b"just-in-time", b"gone"}
    assert sum(size.records for size in store.stats()) == 4


_WORDS = ENGINE.words("card")


def _shard(store, key):
    return int(ENGINE.shards("card", pa.array([key.decode()]), store.shards)[0])


def test_without_a_writer_it_works_too_and_the_next_one_goes_on(epochs, store, lease):
    fill(store, lease)
    store.release(lease)
    assert sweep_states(epochs)[0].freed == 3
    again = store.acquire("another", ENGINE.digest)
    store.begin_batch(again, SECOND)
    assert keys(store, "card") == {b"now", b"just-in-time"}


def test_a_state_of_an_unknown_catalogue_is_left_alone(epochs, store, lease):
    fill(store, lease)
    epochs.note(ENGINE.digest, "{}")
    (left,) = sweep_states(epochs)
    assert left.freed == 0
    assert "not known" in left.problem
    assert keys(store, "merchant") == {b"gone"}
