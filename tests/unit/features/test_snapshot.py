import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity import streams

from paywarden.features.catalogue import Memory
from paywarden.features.replay import replay
from paywarden.features.snapshot import continue_replay
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.features.windows import HOUR_MS

FULL = full_catalogue(streams.SCHEMA)


def assert_equal(found, stream, catalogue=FULL):
    expected = replay(stream.transactions, stream.labels, catalogue)
    assert np.array_equal(found.features.view(np.int32), expected.features.view(np.int32))
    assert np.array_equal(found.verdicts, expected.verdicts)
    assert np.array_equal(found.label_verdicts, expected.label_verdicts)
    for record, held in expected.states.items():
        mine = dict(zip(found.states[record].keys.to_pylist(), found.states[record].states.tolist(), strict=True))
        assert mine == dict(zip(held.keys.to_pylist(), held.states.tolist(), strict=True))


def run(stream, snapshot=None, catalogue=FULL, open_ms=HOUR_MS):
    return continue_replay(stream.transactions, stream.labels, catalogue, snapshot, open_ms)


def nights(stream, count):
    """The history as it stood at several times."""
    received = np.concatenate([t["received_at"].to_numpy() for t in (stream.transactions, stream.labels)])
    return [stream.until(int(at)) for at in np.quantile(received, np.linspace(0.2, 1.0, count))]


@pytest.mark.parametrize("seed", range(3))
def test_night_after_night_gives_the_frame_of_a_full_replay(seed):
    """Streams have late events, labels of old transactions and repeats across every cut."""
    snapshot, folded = None, []
    for night in nights(streams.random_stream(seed, transactions=400), 5):
        done = run(night, snapshot)
        assert_equal(done.replay, night)
        folded.append(done.continued)
        snapshot = done.snapshot
    assert folded[0] == 0
    assert (np.diff(folded) > 0).all()  # each night goes on where the last one stood


@settings(max_examples=60, deadline=None)
@given(stream=streams.streams(), catalogue=streams.catalogues(), cut=st.floats(0, 1), open_ms=st.sampled_from((0, 1)))
def test_any_history_may_be_cut_anywhere(stream, catalogue, cut, open_ms):
    received = np.concatenate([t["received_at"].to_numpy() for t in (stream.transactions, stream.labels)])
    first = run(stream.until(int(np.quantile(received, cut))), None, catalogue, open_ms)
    assert_equal(run(stream, first.snapshot, catalogue, open_ms).replay, stream, catalogue)


def test_an_event_that_was_received_before_the_snapshot_ends_makes_it_useless():
    stream = streams.random_stream(5)
    without = dataclasses.replace(stream, transactions=stream.transactions.slice(1))
    done = run(stream, run(without).snapshot)
    assert done.continued == 0
    assert_equal(done.replay, stream)


def test_an_event_that_changed_makes_it_useless():
    stream = streams.random_stream(5)
    place = stream.transactions.column_names.index("amount_base")
    amounts = stream.transactions["amount_base"].to_numpy().copy()
    amounts[0] += 1
    changed = stream.transactions.set_column(place, "amount_base", pa.array(amounts))
    done = run(dataclasses.replace(stream, transactions=changed), run(stream).snapshot)
    assert done.continued == 0
    assert run(stream, run(stream).snapshot).continued > 0


@pytest.mark.parametrize(
    "other", [core_catalogue(), dataclasses.replace(FULL, memory=Memory(ids=17)), dataclasses.replace(FULL, request=())]
)
def test_another_catalogue_is_replayed_from_nothing(other):
    stream = streams.random_stream(6)
    done = run(stream, run(stream).snapshot, other)
    assert done.continued == 0
    assert_equal(done.replay, stream, other)


def test_a_snapshot_is_not_touched_by_what_goes_on_from_it():
    early, late = nights(streams.random_stream(7), 2)
    snapshot = run(early).snapshot
    before = {record: held.states.copy() for record, held in snapshot.states.items()}
    run(late, snapshot)
    for record, held in snapshot.states.items():
        assert np.array_equal(held.states, before[record])


def test_what_has_just_arrived_stays_out_of_it():
    stream = streams.random_stream(8)
    last = max(int(t["received_at"].to_numpy().max()) for t in (stream.transactions, stream.labels))
    assert run(stream).snapshot.until <= last - HOUR_MS
    assert run(stream, open_ms=0).snapshot.until == last
