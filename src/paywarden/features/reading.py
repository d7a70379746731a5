"""The read path of a synchronous scorer: vectors as of now, from states as they are, with nothing observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.features.engine import Engine
from paywarden.features.events import UNOBSERVED, EventBatch, Verdict

LoadStates = Callable[[str, pa.Array], NDArray[np.int64]]
"""From a record and its distinct keys (``[k]``) to their states, int64 ``[k, words]``."""


def read_vectors(engine: Engine, events: EventBatch, load: LoadStates) -> NDArray[np.float32]:
    """The full vector of each transaction in catalogue order, float32 ``[n, f]``; the states stay as they are.

    The same compiled read as in the stream, so a transaction gets the vector that the stream would give it next.
    """
    unobserved = replace(events, source=np.full(len(events), UNOBSERVED, dtype=np.int8))
    verdicts = np.full(len(events), Verdict.SCORED, dtype=np.int8)
    vectors = np.empty((len(events), engine.width), dtype=np.float32)
    for record in engine.catalogue.records:
        keys = engine.keys(record, unobserved)
        states = load(record, keys.unique)
        engine.fold(record, unobserved, np.arange(len(events)), verdicts, states, keys.record_of, vectors)
    engine.request(events, vectors)
    return vectors
