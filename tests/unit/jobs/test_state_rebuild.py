import itertools

import pytest
from tests.unit.jobs.events import everything, expected

from paywarden.errors import LeaseHeld, StateStoreError
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.state import BatchTag
from paywarden.jobs import state_rebuild
from paywarden.jobs.epochs import UNFINISHED, OpenState
from paywarden.jobs.state_fold import fold_into
from paywarden.jobs.state_rebuild import folded_manifests, rebuild_state, require_archived
from paywarden.jobs.stream_identity import StreamIdentity

STREAM = "the stream"


@pytest.fixture
def identity(engine):
    return StreamIdentity(STREAM, 1, 1, engine.digest, True, "1", "digest", {})


@pytest.fixture
def batches(events, engine):
    """Three batches of a stream; the third has a manifest, and was never finished."""
    cuts = [events.at(0), events.at(0.3), events.at(0.6), events.ends]
    return [
        BatchManifest(1, n, events.spans(before, after), engine.digest, "1", "digest", "policy", from_empty=n == 1)
        for n, (before, after) in enumerate(itertools.pairwise(cuts), start=1)
    ]


@pytest.fixture
def state(epochs, engine, events, batches):
    """What the stream had written when it was cut off in its third batch."""
    held = OpenState.take(epochs, engine.digest, STREAM)
    for manifest in batches:
        held.store.begin_batch(held.lease, manifest.tag)
        fold_into(held.store, held.lease, engine, *events.read(manifest.ranges), manifest.tag)
    held.close()


@pytest.fixture
def rebuild(epochs, identity, batches, engine, events):
    def rebuild(committed=2, **options):
        folded = folded_manifests(batches, identity, committed)
        return rebuild_state(epochs, identity, folded, engine, events.history(events.ends), "rebuilder", **options)

    return rebuild


def test_a_lost_state_is_the_same_again_at_the_batch_that_is_done(rebuild, epochs, engine, events, batches):
    rebuilt = rebuild()
    store = epochs.recipe(engine.digest)()
    assert rebuilt.tag == store.current() == BatchTag(1, 2)
    assert everything(store, engine) == expected(events, engine, batches[:2])
    store.close()


def test_the_unfinished_batch_is_run_again_on_it_as_it_would_have_been(rebuild, epochs, engine, events, batches):
    rebuild()
    state = OpenState.take(epochs, engine.digest, STREAM)
    state.store.begin_batch(state.lease, batches[2].tag)
    fold_into(state.store, state.lease, engine, *events.read(batches[2].ranges), batches[2].tag)
    assert everything(state.store, engine) == expected(events, engine, batches)
    state.close()


@pytest.mark.usefixtures("state")
def test_what_was_left_is_replaced(rebuild, epochs, engine, events, batches):
    rebuild()
    store = epochs.recipe(engine.digest)()
    assert everything(store, engine) == expected(events, engine, batches[:2])
    store.close()


@pytest.mark.usefixtures("state")
def test_a_state_that_cannot_be_opened_is_removed_and_that_is_said(rebuild, epochs, engine, tmp_path):
    said = []
    for file in tmp_path.rglob("data.mdb"):
        file.write_bytes(b"damaged" * 1000)
    rebuild(say=said.append)
    assert any("cannot be opened and is removed" in text for text in said), said
    epochs.recipe(engine.digest)().close()


def test_the_state_of_a_running_stream_is_left_alone(rebuild, epochs, engine):
    running = OpenState.take(epochs, engine.digest, STREAM)
    with pytest.raises(LeaseHeld):
        rebuild()
    running.store.begin_batch(running.lease, BatchTag(1, 1))  # the lease still holds
    running.store.close()  # its process died, and the lease is held still
    assert rebuild(takeover=True).tag == BatchTag(1, 2)


def test_killed_half_way_no_stream_goes_on_with_it(rebuild, epochs, engine, monkeypatch):
    write = state_rebuild.write_states

    def cut_off(store, lease, record, *rest):
        write(store, lease, record, *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(state_rebuild, "write_states", cut_off)
    with pytest.raises(KeyboardInterrupt):
        rebuild()
    store = epochs.recipe(engine.digest)()
    assert store.current() == UNFINISHED
    store.close()
    monkeypatch.undo()
    assert rebuild().tag == BatchTag(1, 2)


def test_nothing_is_rebuilt_before_the_first_batch_is_done(batches, identity):
    with pytest.raises(StateStoreError, match="not finished a batch"):
        folded_manifests(batches, identity, None)


def test_manifests_that_begin_in_the_middle_rebuild_nothing(batches, identity):
    with pytest.raises(StateStoreError, match=r"how the state .* began: restore stream.manifests"):
        folded_manifests(batches[1:], identity, 2)


def test_only_what_followed_the_last_beginning_counts(batches, identity, engine):
    build = BatchManifest(2, 0, batches[0].ranges, engine.digest, from_empty=True)
    later = StreamIdentity(STREAM, 2, 3, engine.digest, False, "1", "digest", {})
    assert folded_manifests([*batches, build], later, 2) == [build]


def test_a_lake_that_ends_too_early_is_refused(batches):
    lake = {span.topic: {span.partition: span.end} for span in batches[0].ranges}
    require_archived(batches[:1], {**lake, "transactions": dict.fromkeys(range(9), 10**6), "labels": {0: 10**6}})
    short = BatchManifest(1, 1, (OffsetRange("transactions", 1, 0, 8),), "layout")
    with pytest.raises(StateStoreError, match=r"ends at offset 7 of transactions/1, the state needs it up to 8"):
        require_archived([short], {"transactions": {1: 7}})
