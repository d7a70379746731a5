import pytest
from tests.unit.jobs.events import TRANSACTIONS

from paywarden.errors import LeaseHeld, StateStoreError
from paywarden.features.manifest import BatchManifest
from paywarden.features.state import BatchTag
from paywarden.jobs.epochs import OpenState
from paywarden.jobs.state_build import build_state
from paywarden.jobs.state_list import drop_state, list_states
from paywarden.jobs.stream_identity import StreamIdentity


@pytest.fixture
def build(epochs, manifests, events):
    def build(engine, share=0.5):
        end = events.at(share)
        ranges = events.spans(events.at(0), end)
        build_state(epochs, manifests, engine, events.history(end), ranges, "builder")

    return build


def on(layout):
    return StreamIdentity("me", 1, 1, layout, False, "1", "digest", {})


def test_nothing_is_listed_and_made_where_there_is_nothing(epochs, manifests, tmp_path):
    assert list_states(epochs, manifests, None) == []
    assert not (tmp_path / "states").exists()


def test_the_live_state_comes_first_and_each_says_what_it_holds(epochs, manifests, build, engine, newer_engine, events):
    build(engine, 0.5)
    build(newer_engine, 0.3)
    for live in (engine, newer_engine):
        first, second = list_states(epochs, manifests, on(live.digest))
        assert (first.layout, first.live, second.live) == (live.digest, True, False)
        assert first.features == len(live.catalogue.names)
        share = 0.5 if live is engine else 0.3
        assert first.stands[TRANSACTIONS] == sum(events.at(share)[TRANSACTIONS].values())
        assert (first.problem, second.problem) == (None, None)
        assert {size.entity for size in first.sizes} == {"card", "merchant", "routing"}
    assert [state.live for state in list_states(epochs, manifests, None)] == [False, False]


def test_where_a_state_stands_is_where_its_last_batch_ended(epochs, manifests, build, engine, events):
    build(engine, 0.3)
    manifests.write(BatchManifest(1, 1, events.spans(events.at(0.3), events.at(0.6)), engine.digest, "1", "d", "p"))
    state = OpenState.take(epochs, engine.digest, "stream")
    state.store.begin_batch(state.lease, BatchTag(1, 1))
    state.close()
    (found,) = list_states(epochs, manifests, None)
    assert found.current == BatchTag(1, 1)
    assert found.stands[TRANSACTIONS] == sum(events.at(0.6)[TRANSACTIONS].values())


def test_an_unfinished_state_says_so(epochs, manifests, engine):
    OpenState.take(epochs, engine.digest, "builder").close()
    (found,) = list_states(epochs, manifests, None)
    assert "build it again" in found.problem
    assert (found.features, found.stands) == (None, {})


def test_an_old_state_is_dropped_by_the_beginning_of_its_layout(epochs, manifests, build, engine, newer_engine):
    build(engine)
    build(newer_engine)
    assert drop_state(epochs, on(newer_engine.digest), engine.digest[:8], "me", takeover=False) == engine.digest
    assert epochs.layouts() == [newer_engine.digest]


def test_the_live_state_is_never_dropped(epochs, build, engine):
    build(engine)
    with pytest.raises(StateStoreError, match="the stream is on the state"):
        drop_state(epochs, on(engine.digest), engine.digest, "me", takeover=True)
    assert epochs.layouts() == [engine.digest]


def test_a_state_that_is_written_is_not_dropped(epochs, build, engine):
    build(engine)
    writer = OpenState.take(epochs, engine.digest, "builder")
    with pytest.raises(LeaseHeld):
        drop_state(epochs, None, engine.digest, "me", takeover=False)
    writer.require_lease()
    assert drop_state(epochs, None, engine.digest, "me", takeover=True) == engine.digest


@pytest.mark.parametrize("prefix", ["", "zz"])
def test_one_state_must_be_meant(epochs, build, engine, newer_engine, prefix):
    build(engine)
    build(newer_engine)
    with pytest.raises(StateStoreError, match="state show"):
        drop_state(epochs, None, prefix, "me", takeover=False)
    assert len(epochs.layouts()) == 2
