"""The synchronous read gives the vector that the stream would give next, and leaves the states alone."""

import numpy as np
from tests.parity import streams

from paywarden.features.engine import Engine
from paywarden.features.events import from_tables
from paywarden.features.reading import read_vectors
from paywarden.features.replay import replay
from paywarden.features.templates import full_catalogue

FULL = full_catalogue(streams.SCHEMA)
ENGINE = Engine(FULL)


def test_a_read_is_what_the_stream_gives_next():
    stream = streams.random_stream(21, transactions=60)
    whole = replay(stream.transactions, stream.labels, FULL)
    arrivals = stream.transactions["received_at"].to_numpy()
    labelled = stream.labels["received_at"].to_numpy()
    fresh = [row for row in range(arrivals.size) if (arrivals == arrivals[row]).sum() == 1 and whole.verdicts[row] == 0]
    fresh = [row for row in fresh if not (labelled == arrivals[row]).any()]
    assert len(fresh) > 20
    for row in fresh[:20]:
        vector, loaded = read_after(stream.until(arrivals[row] - 1), stream.transactions.slice(row, 1))
        np.testing.assert_array_equal(vector[0], whole.features[row])
        assert list(loaded) == list(FULL.records)
        for states, copy in loaded.values():
            np.testing.assert_array_equal(states, copy)


def test_many_are_read_each_as_if_alone():
    stream = streams.random_stream(22, transactions=40)
    asked = stream.transactions.slice(0, 12)
    together, _ = read_after(stream, asked)
    assert together.shape == (12, len(FULL.names))
    for row in range(12):
        alone, _ = read_after(stream, asked.slice(row, 1))
        np.testing.assert_array_equal(alone[0], together[row])


def test_a_label_among_what_is_asked_changes_no_state():
    stream = streams.random_stream(23, transactions=20)
    _, loaded = read_after(stream, stream.transactions.slice(0, 5), stream.labels)
    assert len(loaded["card"][0])
    for states, copy in loaded.values():
        np.testing.assert_array_equal(states, copy)


def read_after(stream, asked, labels=None):
    """The vectors of ``asked`` from the states that the stream leaves; those states and copies of them, by record."""
    known = replay(stream.transactions, stream.labels, FULL).states
    loaded = {}

    def load(record, keys):
        records = dict(zip(known[record].keys.to_pylist(), known[record].states, strict=True))
        states = np.zeros((len(keys), ENGINE.words(record)), np.int64)
        for row, key in enumerate(keys.to_pylist()):
            states[row] = records.get(key, 0)
        loaded[record] = states, states.copy()
        return states

    labels = stream.labels.slice(0, 0) if labels is None else labels
    return read_vectors(ENGINE, from_tables(asked, labels, FULL.inputs), load), loaded
