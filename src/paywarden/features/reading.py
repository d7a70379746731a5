"""The read path of a synchronous scorer: vectors as of now, from states as they are, with nothing observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.features.engine import Engine, keys_of
from paywarden.features.events import EventBatch, Verdict

LoadStates = Callable[[str, pa.Array], NDArray[np.int64]]
"""From an entity and its distinct keys (string ``[k]``) to their states, int64 ``[k, words]``."""


def read_vectors(engine: Engine, events: EventBatch, load: LoadStates) -> NDArray[np.float32]:
    """The full vector of each transaction in catalogue order, float32 ``[n, f]``; the states stay as they are.

    The same compiled read as in the stream, so a transaction gets the vector that the stream would give it next.
    """
    unobserved = replace(events, observes=np.zeros(len(events), dtype=bool))
    verdicts = np.full(len(events), Verdict.SCORED, dtype=np.int8)
    columns = []
    for entity in engine.catalogue.entities:
        keys = keys_of(events.tokens[entity])
        states = load(entity, keys.unique)
        columns.append(engine.fold(entity, unobserved, verdicts, states, keys.record_of))
    return np.concatenate([*columns, engine.request(events)], axis=1)
