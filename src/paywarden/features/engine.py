"""The engine: one catalogue compiled to layouts, and the two steps that every runner takes.

A runner orders its events, finds the states of the keys they name, calls :meth:`Engine.judge` at the routing step
and :meth:`Engine.fold` at each entity's step, and keeps the states, which change in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.features.catalogue import Catalogue
from paywarden.features.duplicates import ROUTING, judge_repeats, newest_arrival, routing_words
from paywarden.features.events import EventBatch, Kind, Verdict
from paywarden.features.hashing import hash_strings
from paywarden.features.kernel import fold_events
from paywarden.features.layout import EntityLayout, entity_layout, layout_digest
from paywarden.features.request import REQUEST_FEATURES


@dataclass(frozen=True)
class Keys:
    """The distinct keys that a batch names: ``record_of`` int64 ``[n]`` points into ``unique``, -1 for none."""

    unique: pa.Array
    record_of: NDArray[np.int64]


def keys_of(tokens: pa.Array) -> Keys:
    """The distinct tokens of a string array, in order of first appearance."""
    encoded = tokens.dictionary_encode()
    record_of = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Keys(encoded.dictionary, record_of)


class Engine:
    """Compiled features of one catalogue; stateless, so that processes and threads may share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.layouts: dict[str, EntityLayout] = {e: entity_layout(catalogue, e) for e in catalogue.entities}

    @cached_property
    def digest(self) -> str:
        """The digest of the state layout."""
        return layout_digest(self.catalogue)

    def words(self, entity: str) -> int:
        """Width of a record of ``entity``, or of ``routing``, in int64 words."""
        return routing_words(self.catalogue.memory) if entity == ROUTING else self.layouts[entity].words

    def judge(self, events: EventBatch, states: NDArray[np.int64], record_of: NDArray[np.int64]) -> NDArray[np.int8]:
        """Verdicts of ordered events, int8 ``[n]``; routing ``states`` ``[k, words]`` change in place."""
        return judge_repeats(events, states, record_of, self.catalogue.memory)

    def fold(
        self,
        entity: str,
        events: EventBatch,
        verdicts: NDArray[np.int8],
        states: NDArray[np.int64],
        record_of: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """The entity's features of ordered events, float32 ``[n, f]``; ``states`` change in place.

        Rows that are not scored (labels, duplicates) or do not name the entity are NaN.
        """
        layout = self.layouts[entity]
        values, has_value = _values(events, layout)
        applied = (verdicts == Verdict.SCORED) | (verdicts == Verdict.LABEL_APPLIED)
        return fold_events(
            states,
            record_of,
            verdicts == Verdict.SCORED,
            events.observes & applied,
            np.where(events.kind == Kind.TRANSACTION, 0, 1).astype(np.int8),
            events.as_of,
            values,
            has_value,
            self.catalogue.memory.record_ttl_ms,
            layout.scratch_words,
            layout.blocks,
            layout.spans,
            layout.features,
        )

    def request(self, events: EventBatch) -> NDArray[np.float32]:
        """Request features, float32 ``[n, r]``; meaningless for labels."""
        return np.stack([feature.compute(events) for feature in REQUEST_FEATURES], axis=1).astype(np.float32)

    def idle(self, entity: str, states: NDArray[np.int64], now_ms: int) -> NDArray[np.bool_]:
        """Which records read as empty for ever from ``now_ms`` on: deleting them frees space and changes nothing."""
        memory = self.catalogue.memory
        if entity == ROUTING:
            return now_ms - newest_arrival(states, memory) > max(memory.ids_ttl_ms, memory.labelled_ttl_ms)
        return now_ms - states[:, :2].max(axis=1) > memory.record_ttl_ms


def _values(events: EventBatch, layout: EntityLayout) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What cells are made of: the amount, then the token hash of each other entity; and where each is present."""
    columns = [events.amount, *(hash_strings(events.tokens[field]).view(np.int64) for field in layout.fields)]
    present = [np.ones(len(events), bool)]
    present += [events.tokens[field].is_valid().to_numpy(zero_copy_only=False) for field in layout.fields]
    return np.stack(columns, axis=1), np.stack(present, axis=1)
