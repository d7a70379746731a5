"""The model that answers now, with the state it reads: taken up while requests are served, the last good one kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.clock import Clock
from paywarden.errors import PaywardenError, StateStoreError
from paywarden.events.schema import DEFAULT_TRANSACTION_TYPE, EventSchema
from paywarden.features.events import from_transactions
from paywarden.features.reading import read_vectors
from paywarden.features.state import OpenStore
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.state_reading import BeganAt, StateReading
from paywarden.scoring.scorer import Scorer


class Models(Protocol):
    """Where served models come from."""

    def champion(self) -> ServedModel:
        """The model to serve now."""


class States(Protocol):
    """The online states, by layout."""

    def find(self, layout: str) -> OpenStore | None:
        """What opens the state of a layout for reading, or None where there is none."""


@dataclass(frozen=True)
class LiveModel:
    """A model made ready to answer, and the state of its layout."""

    served: ServedModel
    scorer: Scorer
    state: StateReading
    schema: EventSchema

    def vectors(self, rows: pa.Table) -> NDArray[np.float32]:
        """The full vectors of canonical transactions ``[n]``, float32 ``[n, f]``, on the state as it is."""
        engine = self.served.engine
        return read_vectors(engine, from_transactions(rows, engine.catalogue.inputs), self.state.load)

    def warm(self) -> None:
        """Have everything compiled and opened that the first request needs."""
        texts = ("transaction_id", "routing_key", "currency", *self.schema.entity_columns)
        row = dict.fromkeys(texts, "nobody") | {"transaction_type": DEFAULT_TRANSACTION_TYPE}
        times = dict.fromkeys(("occurred_at", "received_at", "amount", "amount_base"), 0)
        full = self.vectors(pa.Table.from_pylist([row | times], schema=self.schema.transaction_schema()))
        columns = self.served.engine.catalogue.columns(self.served.bundle.feature_names)
        self.scorer.explain(np.ascontiguousarray(full[:, columns]))

    @property
    def layout(self) -> str:
        """The digest of the state layout that it reads."""
        return self.served.engine.digest


class LiveModels:
    """The champion on the state that the stream writes; the former model where the new one cannot answer.

    A champion of another layout is taken up once the stream has gone over to its state. ``current`` may be read by any
    thread at any time; :meth:`refresh` is called by one, now and then.
    """

    def __init__(
        self,
        models: Models,
        states: States,
        began_at: BeganAt,
        schema: EventSchema,
        warn: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._models = models
        self._schema = schema
        self._states = states
        self._began_at = began_at
        self._warn = warn
        self._clock = clock
        self._left: StateReading | None = None
        self._warned: str | None = None
        self.current: LiveModel | None = None
        self.problem: str | None = "no model has been looked for yet"

    def refresh(self) -> None:
        """Look for another champion. Raises nothing: what stands in its way is told once, and in ``problem``."""
        try:
            self._take_up(self._models.champion())
            self.problem = self._warned = None
        except PaywardenError as error:
            self.problem = str(error)
            if self.problem != self._warned:
                self._warn(self.problem)
            self._warned = self.problem

    def close(self) -> None:
        """Close the states. Nobody may be scoring any more."""
        for state in (self._left, self.current.state if self.current else None):
            if state is not None:
                state.close()
        self.current = self._left = None

    def _take_up(self, champion: ServedModel) -> None:
        now = self.current
        if now and (now.served.version, now.served.bundle.digest) == (champion.version, champion.bundle.digest):
            return
        state = now.state if now and now.layout == champion.engine.digest else self._open(champion)
        live = LiveModel(champion, Scorer(champion.bundle), state, self._schema)
        live.warm()
        if now and now.state is not state:
            if self._left is not None:
                self._left.close()
            self._left = now.state  # threads may still be reading it: closed at the next change
        self.current = live

    def _open(self, champion: ServedModel) -> StateReading:
        layout = champion.engine.digest
        recipe = self._states.find(layout)
        if recipe is None:
            raise StateStoreError(
                f"version {champion.version} reads state of layout {layout[:16]}, and there is none; start "
                f"`paywarden stream run`, or make it by `paywarden state build --model {champion.version}`"
            )
        state = StateReading(recipe(), champion.engine, self._began_at, self._clock)
        try:
            self._require_live(champion, state)
        except PaywardenError:
            state.close()
            raise
        return state

    def _require_live(self, champion: ServedModel, state: StateReading) -> None:
        """The stream numbers its batches from 1, in an epoch above all it left: so one can tell which state moves."""
        tag, before = state.current(), self.current.state.current() if self.current else None
        if tag is None:
            raise StateStoreError(
                f"the state that version {champion.version} reads is empty; start `paywarden stream run`, or make it "
                f"by `paywarden state build --model {champion.version}`"
            )
        if before is not None and (tag.batch == 0 or tag.stream_epoch < before.stream_epoch):
            raise StateStoreError(
                f"version {champion.version} is the champion, and the stream has not gone over to its state yet; the "
                "former model goes on"
            )
