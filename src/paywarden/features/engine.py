"""The engine: one catalogue compiled to layouts, and the two steps that every runner takes.

A runner says in which order its events are folded, finds the states of the keys they name, calls :meth:`Engine.judge`
at the routing step and :meth:`Engine.fold` for each record, and keeps the states, which change in place.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events.strings import validity
from paywarden.features.catalogue import Catalogue
from paywarden.features.cells import halves
from paywarden.features.duplicates import ROUTING, judge_repeats, newest_arrival, routing_words
from paywarden.features.events import UNOBSERVED, EventBatch, Verdict
from paywarden.features.fields import field_columns
from paywarden.features.hashing import hash_strings, shards_of
from paywarden.features.kernel import fold_events
from paywarden.features.layout import RecordLayout, layout_digest, record_layout
from paywarden.features.places import place_words

_HASH_BYTES = 8
_SCORED, _LABEL_APPLIED = int(Verdict.SCORED), int(Verdict.LABEL_APPLIED)
_UNOBSERVED = np.int8(UNOBSERVED)


@dataclass(frozen=True)
class Keys:
    """The distinct keys that a batch names: ``record_of`` int64 ``[n]`` points into ``unique``, -1 for none.

    A key is an entity's token (string), or for a pair the hashes of its two tokens (binary, 16 bytes).
    """

    unique: pa.Array
    record_of: NDArray[np.int64]


StatesOf = Callable[[str], AbstractContextManager[tuple[NDArray[np.int64], NDArray[np.int64]]]]
"""From a record, or ``routing``, to its states ``[k, words]`` and where each event's is; kept when the block ends."""


class Engine:
    """Compiled features of one catalogue; stateless, so that processes and threads may share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.layouts: dict[str, RecordLayout] = {r: record_layout(catalogue, r) for r in catalogue.records}

    @cached_property
    def digest(self) -> str:
        """The digest of the state layout."""
        return layout_digest(self.catalogue)

    @cached_property
    def columns(self) -> dict[str, int]:
        """Where the features of each record begin in a vector."""
        ends = np.cumsum([0, *(len(self.catalogue.of(record)) for record in self.catalogue.records)])
        return dict(zip(self.catalogue.records, ends.tolist(), strict=False))

    @property
    def width(self) -> int:
        """How many features a vector has."""
        return len(self.catalogue.names)

    def words(self, record: str) -> int:
        """Width of a record, or of ``routing``, in int64 words."""
        return routing_words(self.catalogue.memory) if record == ROUTING else self.layouts[record].words

    def keys(self, record: str, events: EventBatch) -> Keys:
        """The distinct keys of a record, or of ``routing``, that these events name, in order of first appearance."""
        if record == ROUTING:
            return _keys_of(events.routing_key)
        entities = self.catalogue.tokens_of[record]
        return _keys_of(events.tokens[entities[0]] if len(entities) == 1 else _pairs(events, *entities))

    def shards(self, record: str, keys: pa.Array, shards: int) -> NDArray[np.int32]:
        """The shard of each key, int32 ``[k]``: a pair is kept where its first entity is."""
        if len(self.catalogue.tokens_of.get(record, ())) < 2:
            return shards_of(hash_strings(keys), shards)
        joined = np.frombuffer(b"".join(keys.cast(pa.binary()).to_pylist()), dtype="<u8").reshape(-1, 2)
        return shards_of(joined[:, 0], shards)

    def judge(
        self, events: EventBatch, order: NDArray[np.int64], states: NDArray[np.int64], record_of: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """Verdicts of events folded in ``order``, int8 ``[n]``; routing ``states`` ``[k, words]`` change in place."""
        return judge_repeats(events, order, states, record_of, self.catalogue.memory)

    def fold(
        self,
        record: str,
        events: EventBatch,
        order: NDArray[np.int64],
        verdicts: NDArray[np.int8],
        states: NDArray[np.int64],
        record_of: NDArray[np.int64],
        vectors: NDArray[np.float32],
    ) -> None:
        """Write the record's features of events folded in ``order`` into ``vectors``; ``states`` change in place.

        ``vectors`` float32 ``[m, width]`` holds those of the first ``m`` events, and those of the records before this
        one already. Rows that are not scored (labels, duplicates) or do not name the entity are NaN.
        """
        layout, calendar = self.layouts[record], self.catalogue.calendar
        values, present = field_columns(layout.fields, events, calendar)
        scored = verdicts == _SCORED
        fold_events(
            order,
            states,
            halves(states),
            record_of,
            scored,
            np.where(scored | (verdicts == _LABEL_APPLIED), events.source, _UNOBSERVED),
            events.as_of,
            values,
            present,
            _places(events) if "place" in layout.header else np.zeros(len(events), np.int64),
            self.catalogue.memory.record_ttl_ms,
            layout.merged_words,
            layout.tables,
            vectors,
            self.columns[record],
        )

    def fold_all(
        self, events: EventBatch, order: NDArray[np.int64], vectors: NDArray[np.float32], states_of: StatesOf
    ) -> NDArray[np.int8]:
        """Judge events and fold every record in ``order``, as one process may: fills ``vectors``, gives verdicts."""
        with states_of(ROUTING) as routing:
            verdicts = self.judge(events, order, *routing)
        for record in self.catalogue.records:
            with states_of(record) as held:
                self.fold(record, events, order, verdicts, *held, vectors)
        return verdicts

    def request(self, events: EventBatch, vectors: NDArray[np.float32]) -> None:
        """Write the request features of the first ``m`` events into the last columns of ``vectors`` ``[m, width]``."""
        features = self.catalogue.request_features
        for column, feature in enumerate(features, self.width - len(features)):
            vectors[:, column] = feature.compute(events, self.catalogue.calendar)[: len(vectors)]

    def idle(self, record: str, states: NDArray[np.int64], now_ms: int) -> NDArray[np.bool_]:
        """Which records read as empty for ever from ``now_ms`` on: deleting them frees space and changes nothing."""
        memory = self.catalogue.memory
        if record == ROUTING:
            return now_ms - newest_arrival(states, memory) > max(memory.ids_ttl_ms, memory.labelled_ttl_ms)
        return now_ms - states[:, :2].max(axis=1) > memory.record_ttl_ms


def _keys_of(tokens: pa.Array) -> Keys:
    encoded = tokens.dictionary_encode()
    indices = encoded.indices
    record_of = pc.fill_null(indices, -1) if indices.null_count else indices
    return Keys(encoded.dictionary, record_of.to_numpy().astype(np.int64))


def _pairs(events: EventBatch, first: str, second: str) -> pa.Array:
    """The pair's key of each row: the tokens' XXH64, 8 bytes each, little-endian; null where either token is."""
    hashes = np.stack([events.token_hash(first), events.token_hash(second)], axis=1).astype("<i8")
    flat = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(2 * _HASH_BYTES), len(hashes), [None, pa.py_buffer(hashes.tobytes())]
    )
    both = validity(events.tokens[first]) & validity(events.tokens[second])
    return flat if both.all() else pc.if_else(pa.array(both), flat, None)


def _places(events: EventBatch) -> NDArray[np.int64]:
    return place_words(events.numbers["latitude"], events.numbers["longitude"])
