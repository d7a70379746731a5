"""The synchronous read gives the vector that the stream would give next, and leaves the states alone."""

import numpy as np
from tests.parity import streams

from paywarden.features.engine import Engine
from paywarden.features.events import from_tables
from paywarden.features.reading import read_vectors
from paywarden.features.replay import replay
from paywarden.features.templates import core_catalogue

CORE = core_catalogue()
ENGINE = Engine(CORE)


def test_a_read_is_what_the_stream_gives_next():
    stream = streams.random_stream(21, transactions=60)
    whole = replay(stream.transactions, stream.labels, CORE)
    arrivals = stream.transactions["received_at"].to_numpy()
    labelled = stream.labels["received_at"].to_numpy()
    fresh = [row for row in range(arrivals.size) if (arrivals == arrivals[row]).sum() == 1 and whole.verdicts[row] == 0]
    fresh = [row for row in fresh if not (labelled == arrivals[row]).any()]
    assert len(fresh) > 20
    for row in fresh[:20]:
        vector, before = read_after(stream.until(arrivals[row] - 1), stream.transactions.slice(row, 1))
        np.testing.assert_array_equal(vector[0], whole.features[row])
        for states, copy in before:
            np.testing.assert_array_equal(states, copy)


def read_after(stream, asked):
    """The vectors of ``asked`` from the states that the stream leaves, and those states beside copies of them."""
    known = replay(stream.transactions, stream.labels, CORE).states
    loaded = []

    def load(entity, keys):
        records = dict(zip(known[entity].keys.to_pylist(), known[entity].states, strict=True))
        states = np.zeros((len(keys), ENGINE.words(entity)), np.int64)
        for row, key in enumerate(keys.to_pylist()):
            states[row] = records.get(key, 0)
        loaded.append((states, states.copy()))
        return states

    return read_vectors(ENGINE, from_tables(asked, stream.labels.slice(0, 0), CORE.entities), load), loaded
