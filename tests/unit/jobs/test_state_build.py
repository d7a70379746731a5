import numpy as np
import pyarrow as pa
import pytest

from paywarden.errors import StateStoreError
from paywarden.features.duplicates import ROUTING
from paywarden.features.hashing import hash_strings, shards_of
from paywarden.features.manifest import OffsetRange
from paywarden.features.replay import replay
from paywarden.features.state import BatchTag
from paywarden.jobs import state_build
from paywarden.jobs.state_build import build_state, ranges_of
from paywarden.jobs.stream import begin_stream
from paywarden.simulation.world import World


def with_coordinates(table, topic):
    rows = table.num_rows
    return (
        table.append_column("topic", pa.array([topic] * rows, pa.string()))
        .append_column("partition", pa.array([0] * rows, pa.int32()))
        .append_column("offset", pa.array(range(rows), pa.int64()))
    )


@pytest.fixture(scope="module")
def history():
    (day,) = World(4, cards=40, merchants=60, fraud_rate=0.1).days(0, 1)
    return with_coordinates(day.transactions, "transactions"), with_coordinates(day.labels, "labels")


@pytest.fixture
def build(store, engine, manifests, history):
    def build():
        lease = store.acquire("builder", store.layout_digest() or engine.digest)
        ranges = [OffsetRange("transactions", 0, 0, history[0].num_rows), OffsetRange("labels", 0, 0, len(history[1]))]
        return build_state(store, lease, manifests, engine, *history, ranges)

    return build


def stored(store, engine, entity):
    records = {}
    for shard in range(store.shards):
        for keys, states in store.scan(entity, shard, engine.words(entity)):
            assert set(shards_of(hash_strings(pa.array([k.decode() for k in keys])), store.shards)) == {shard}
            records |= dict(zip(keys, states.copy(), strict=True))
    return records


def test_the_states_are_those_of_a_replay(build, store, engine, history, monkeypatch):
    monkeypatch.setattr(state_build, "_KEYS_PER_WRITE", 7)
    built = build()
    states = replay(*history, engine.catalogue, [built.manifest]).states
    assert set(states) == {"card", "merchant", ROUTING}
    for entity, expected in states.items():
        found = stored(store, engine, entity)
        assert set(found) == {key.encode() for key in expected.keys.to_pylist()}
        for key, state in zip(expected.keys.to_pylist(), expected.states, strict=True):
            np.testing.assert_array_equal(found[key.encode()], state)


def test_the_manifest_says_what_was_read_and_decides_nothing(build, store, manifests, history):
    manifest = build().manifest
    assert (manifest.stream_epoch, manifest.batch, manifest.bundle_digest) == (1, 0, None)
    assert manifest.ranges == (
        OffsetRange("labels", 0, 0, len(history[1])),
        OffsetRange("transactions", 0, 0, len(history[0])),
    )
    assert manifests.read(store.current()) == manifest


def test_every_build_is_a_new_epoch_and_replaces_the_last(build, store, engine):
    first = build().manifest
    lease = store.acquire("stream", engine.digest)
    store.begin_batch(lease, BatchTag(1, 1))
    store.write_many(lease, "card", 0, [b"left over"], np.ones((1, engine.words("card")), np.int64), BatchTag(1, 1))
    store.release(lease)
    second = build().manifest
    assert (first.stream_epoch, second.stream_epoch) == (1, 2)
    assert store.current() == BatchTag(2, 0)
    assert b"left over" not in stored(store, engine, "card")


def test_the_lease_is_given_back(build, store, engine):
    build()
    store.release(store.acquire("the stream", engine.digest))


def test_a_build_for_a_new_layout_replaces_a_store_of_the_old_one(store, engine, manifests, history):
    store.release(store.acquire("old", "another layout"))
    lease = store.acquire("builder", store.layout_digest() or engine.digest)
    build_state(store, lease, manifests, engine, *history, [])
    assert store.layout_digest() == engine.digest


@pytest.mark.parametrize("entity", ["card", "merchant", ROUTING])
def test_a_build_killed_half_way_is_noticed_and_can_be_run_again(
    build, store, engine, manifests, tmp_path, monkeypatch, entity
):
    write = state_build._write

    def killed(store, lease, name, found, shards, tag):
        if name == entity:
            raise KeyboardInterrupt
        write(store, lease, name, found, shards, tag)

    with monkeypatch.context() as patched:
        patched.setattr(state_build, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            build()
    identity = tmp_path / "stream" / "identity.json"
    with pytest.raises(StateStoreError, match="build it again"):
        begin_stream(identity, store, engine.digest, manifests, dict, takeover=True)
    built = build()
    stream, _ = begin_stream(identity, store, engine.digest, manifests, dict)
    assert stream.stream_epoch == built.manifest.stream_epoch
    assert len(stored(store, engine, "card")) == len(built.replay.states["card"].keys)


def test_ranges_run_from_zero_to_where_the_lake_stands():
    ends = {"transactions": {0: 5, 1: None}, "labels": {0: 2}}
    assert ranges_of(ends) == [OffsetRange("transactions", 0, 0, 5), OffsetRange("labels", 0, 0, 2)]
