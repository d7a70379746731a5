import json

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.jobs.events import everything, expected

from paywarden.errors import LeaseHeld, StateStoreError
from paywarden.features.catalogue import Catalogue
from paywarden.features.duplicates import ROUTING
from paywarden.features.manifest import OffsetRange
from paywarden.features.state import BatchTag
from paywarden.jobs import state_build, state_fold
from paywarden.jobs.epochs import newest_manifest
from paywarden.jobs.state_build import build_state, cut, ranges_of


@pytest.fixture
def build(epochs, engine, manifests, events):
    def build(engine=engine, **options):
        ranges = events.spans(events.at(0), events.ends)
        return build_state(epochs, manifests, engine, events.history(events.ends), ranges, "builder", **options)

    return build


@pytest.fixture
def opened(epochs):
    """Opens the state of an engine's layout, as it is now."""
    stores = []

    def opened(engine):
        stores.append(epochs.recipe(engine.digest)())
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


def test_the_states_are_those_of_a_replay(build, opened, engine, events, monkeypatch):
    monkeypatch.setattr(state_fold, "_KEYS_PER_WRITE", 7)
    built = build()
    found = everything(opened(engine), engine)
    assert found == expected(events, engine, [built.manifest])
    assert set(found) == {"card", "merchant", ROUTING}
    assert len(found["card"]) > 7


def test_the_manifest_says_what_was_read_and_decides_nothing(build, opened, engine, manifests, events):
    manifest = build().manifest
    assert (manifest.stream_epoch, manifest.batch, manifest.bundle_digest) == (1, 0, None)
    assert manifest.from_empty
    assert manifest.ranges == events.spans(events.at(0), events.ends)
    assert manifests.read(opened(engine).current()) == manifest


def test_every_build_is_a_new_epoch_and_replaces_the_last(build, opened, engine, events):
    first, store = build().manifest, opened(engine)
    lease = store.acquire("stream", engine.digest)
    store.begin_batch(lease, BatchTag(1, 1))
    store.write_many(lease, "card", 0, [b"left over"], np.ones((1, engine.words("card")), np.int64), BatchTag(1, 1))
    store.release(lease)
    second = build().manifest
    assert (first.stream_epoch, second.stream_epoch) == (1, 2)
    assert store.current() == BatchTag(2, 0)
    assert everything(store, engine) == expected(events, engine, [second])


def test_a_build_leaves_the_state_of_another_layout_alone_and_live(build, opened, engine, newer_engine):
    build()
    live = opened(engine)
    lease, before = live.acquire("the stream", engine.digest), everything(live, engine)
    build(newer_engine)
    live.begin_batch(lease, BatchTag(1, 1))  # the lease still holds
    assert everything(live, engine) == before
    assert opened(newer_engine).current() == BatchTag(2, 0)


def test_the_state_that_a_stream_writes_is_not_replaced_under_it(build, opened, engine):
    build()
    lease = opened(engine).acquire("the stream", engine.digest)
    with pytest.raises(LeaseHeld):
        build()
    opened(engine).begin_batch(lease, BatchTag(1, 1))
    assert build(takeover=True).manifest.stream_epoch == 2


def test_the_lease_is_given_back(build, opened, engine, monkeypatch):
    build()
    opened(engine).release(opened(engine).acquire("the stream", engine.digest))
    monkeypatch.setattr(state_build, "replay", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build()
    opened(engine).release(opened(engine).acquire("the stream", engine.digest))


def test_the_catalogue_is_kept_beside_the_state(build, epochs, engine):
    build()
    assert Catalogue.from_dict(json.loads(epochs.noted(engine.digest))) == engine.catalogue


def test_it_says_how_far_it_is(build, events):
    said = []
    build(say=said.append)
    assert said[0] == f"replaying {events.transactions.num_rows:,} transactions and {events.labels.num_rows:,} labels"
    assert [text.split(" records of ")[1] for text in said[1:]] == [ROUTING, "card", "merchant"]


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("step", ["clear", "replay", ROUTING, "card", "merchant", "manifest"])
def test_a_build_killed_half_way_is_noticed_and_can_be_run_again(
    build, opened, engine, manifests, events, monkeypatch, step, again
):
    if again:
        build()

    def killed(*_):
        raise KeyboardInterrupt

    write = state_build.write_states
    with monkeypatch.context() as patched:
        if step == "clear":
            # The store's class: killed right after the records are gone.
            clear = type(opened(engine)).clear
            patched.setattr(type(opened(engine)), "clear", lambda *given: (clear(*given), killed()))
        elif step == "replay":
            patched.setattr(state_build, "replay", killed)
        elif step == "manifest":
            patched.setattr(type(manifests), "write", killed)
        else:
            patched.setattr(state_build, "write_states", lambda *given: killed() if given[2] == step else write(*given))
        with pytest.raises(KeyboardInterrupt):
            build()
    with pytest.raises(StateStoreError, match="never finished; build it again"):
        newest_manifest(engine.digest, opened(engine).current(), manifests)
    built = build()
    assert newest_manifest(engine.digest, opened(engine).current(), manifests) == built.manifest
    assert everything(opened(engine), engine) == expected(events, engine, [built.manifest])


def test_ranges_run_from_zero_to_where_the_lake_stands():
    ends = {"transactions": {0: 5, 1: None}, "labels": {0: 2}}
    assert ranges_of(ends) == [OffsetRange("transactions", 0, 0, 5), OffsetRange("labels", 0, 0, 2)]


@pytest.mark.parametrize(
    ("ends", "kept"),
    [
        ({0: 2, 1: 3}, [(0, 1), (1, 2), (1, 0)]),
        ({0: 9, 1: None}, [(0, 1), (0, 2)]),
        ({0: 0}, []),
        ({1: 1}, [(1, 0)]),
        ({}, []),
    ],
)
def test_what_was_archived_later_is_cut_off(ends, kept):
    places = [(0, 1), (1, 2), (0, 2), (1, 0)]
    rows = pa.table(
        {
            "partition": pa.array([p for p, _ in places], pa.int32()),
            "offset": pa.array([o for _, o in places], pa.int64()),
        }
    )
    found = cut(rows, ends)
    assert list(zip(found["partition"].to_pylist(), found["offset"].to_pylist(), strict=True)) == kept
