"""A replay that can be continued: what was folded up to a moment, its states, and the vectors it gave.

Folding in pieces gives what folding at once gives, as the stream's micro-batches do, if the pieces follow each other in
arrival order. So a snapshot covers all events received up to a moment, and is good for a history in which exactly the
same events had been received by then; that is checked, event by event, through a digest. What is received later may be
late, repeat what was covered, or judge old transactions: it is folded in its turn like anything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden import __version__
from paywarden.features.catalogue import Catalogue, canonical
from paywarden.features.engine import Engine
from paywarden.features.events import EventBatch, arrival_order, from_tables
from paywarden.features.hashing import hash_strings
from paywarden.features.replay import EntityStates, Replay
from paywarden.features.windows import HOUR_MS

OPEN_MS = HOUR_MS
"""What arrived in the last hour of a history stays out of its snapshot: the archive of another partition or topic may
be behind, and would bring events that arrived before."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """``n`` events folded in arrival order, all that had been received by ``until`` (epoch ms).

    ``features`` float32 ``[t, f]`` are the vectors of the transactions among them, ``verdicts`` int8 ``[n]`` those of
    all, both in that order; ``states`` are the records at its end. ``recipe`` names what folded, ``content`` is a
    digest of the events.
    """

    recipe: str
    until: int
    content: str
    features: NDArray[np.float32] = field(repr=False)
    verdicts: NDArray[np.int8] = field(repr=False)
    states: Mapping[str, EntityStates] = field(repr=False)


def recipe_of(catalogue: Catalogue) -> str:
    """What decides the outcome of folding besides the events: catalogue, layout and this version of Paywarden."""
    parts = [catalogue.to_dict(), catalogue.contract().digest, Engine(catalogue).digest, __version__]
    return hashlib.sha256(canonical(parts)).hexdigest()


@dataclass(frozen=True)
class ContinuedReplay:
    """What a replay gave, how many of its events it did not have to fold, and the snapshot to begin with next time."""

    replay: Replay
    continued: int
    snapshot: Snapshot


def continue_replay(
    transactions: pa.Table, labels: pa.Table, catalogue: Catalogue, snapshot: Snapshot | None, open_ms: int = OPEN_MS
) -> ContinuedReplay:
    """A replay by arrival that begins at ``snapshot`` if that fits this history and catalogue, else from nothing.

    Vectors and verdicts equal those of :func:`~paywarden.features.replay.replay` bit for bit either way. The snapshot
    it gives leaves out what was received within ``open_ms`` of the last event.
    """
    events = from_tables(transactions, labels, catalogue.inputs)
    work = _Work(Engine(catalogue), events, arrival_order(events), transactions.num_rows)
    recipe = recipe_of(catalogue)
    known = work.covered_by(snapshot, recipe)
    if known and snapshot is not None:
        work.take_over(snapshot)
    received = events.received_at[work.order]
    last = int(received[-1]) if len(received) else 0
    closed = max(known, int(np.searchsorted(received, last - open_ms, side="right")))
    work.fold(known, closed)
    following = work.snapshot(recipe, closed)
    work.fold(closed, len(events))
    return ContinuedReplay(work.replay(), known, following)


class _Work:
    """A replay under way: vectors and verdicts of what is folded, and the records so far."""

    def __init__(self, engine: Engine, events: EventBatch, order: NDArray[np.int64], transactions: int) -> None:
        self.engine = engine
        self.events = events
        self.order = order
        self.transactions = transactions
        self.vectors = np.empty((transactions, engine.width), dtype=np.float32)
        self.verdicts = np.empty(len(events), dtype=np.int8)
        self.states: dict[str, EntityStates] = {}

    def covered_by(self, snapshot: Snapshot | None, recipe: str) -> int:
        """How many of the events a snapshot covers; 0 if it does not fit."""
        if snapshot is None or snapshot.recipe != recipe:
            return 0
        known = int(np.searchsorted(self.events.received_at[self.order], snapshot.until, side="right"))
        fits = known == len(snapshot.verdicts) and self._content(known) == snapshot.content
        return known if fits else 0

    def take_over(self, snapshot: Snapshot) -> None:
        """Begin where the snapshot ends."""
        rows = self.order[: len(snapshot.verdicts)]
        self.verdicts[rows] = snapshot.verdicts
        self.vectors[rows[rows < self.transactions]] = snapshot.features
        self.states = {record: EntityStates(held.keys, held.states.copy()) for record, held in snapshot.states.items()}

    def fold(self, start: int, stop: int) -> None:
        """Fold the events that stand between these places of the order."""
        if start == stop:
            return
        rows = np.sort(self.order[start:stop])  # transactions before labels, as the engine wants them
        part = _take(self.events, rows)
        vectors = np.empty((int((rows < self.transactions).sum()), self.engine.width), dtype=np.float32)
        places = np.searchsorted(rows, self.order[start:stop])
        self.verdicts[rows] = self.engine.fold_all(part, places, vectors, lambda record: self._records(record, part))
        self.engine.request(part, vectors)
        self.vectors[rows[: len(vectors)]] = vectors

    def snapshot(self, recipe: str, closed: int) -> Snapshot:
        """All that was received up to the event at this place, which has just been folded."""
        rows = self.order[:closed]
        return Snapshot(
            recipe=recipe,
            until=int(self.events.received_at[rows[-1]]) if closed else np.iinfo(np.int64).min,
            content=self._content(closed),
            features=self.vectors[rows[rows < self.transactions]],
            verdicts=self.verdicts[rows],
            states={record: EntityStates(held.keys, held.states.copy()) for record, held in self.states.items()},
        )

    def replay(self) -> Replay:
        """The whole, once all is folded."""
        verdicts = self.verdicts
        return Replay(self.vectors, verdicts[: self.transactions], verdicts[self.transactions :], self.states)

    @contextmanager
    def _records(self, record: str, part: EventBatch) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The records that a part names, as they were before it; kept when the block ends."""
        keys = self.engine.keys(record, part)
        held = self.states.get(record)
        if held is None:
            held = EntityStates(keys.unique.slice(0, 0), np.zeros((0, self.engine.words(record)), dtype=np.int64))
        place = pc.fill_null(pc.index_in(keys.unique, value_set=held.keys), -1).to_numpy().astype(np.int64)
        records = np.zeros((len(place), held.states.shape[1]), dtype=np.int64)
        old = place >= 0
        records[old] = held.states[place[old]]
        yield records, keys.record_of
        held.states[place[old]] = records[old]
        added = keys.unique.filter(pa.array(~old))
        self.states[record] = EntityStates(
            pa.concat_arrays([held.keys, added]), np.concatenate([held.states, records[~old]])
        )

    def _content(self, count: int) -> str:
        """SHA-256 over all that the engine reads of the first events in order."""
        rows, digest = self.order[:count], hashlib.sha256(f"{count}".encode())
        for column in self._read:
            digest.update(np.ascontiguousarray(column[rows]).data)
        return digest.hexdigest()

    @cached_property
    def _read(self) -> list[NDArray[Any]]:
        """All that the engine reads of the events, column by column; texts count by their XXH64."""
        events = self.events
        columns: list[NDArray[Any]] = [
            events.kind,
            events.occurred_at,
            events.received_at,
            events.amount,
            events.source,
            events.declined,
        ]
        columns += [events.id_hash, hash_strings(events.routing_key)]
        columns += [events.token_hash(entity) for entity in events.tokens]
        return [*columns, *events.codes.values(), *events.numbers.values()]


def _take(events: EventBatch, rows: NDArray[np.int64]) -> EventBatch:
    places = pa.array(rows)
    return EventBatch(
        kind=events.kind[rows],
        occurred_at=events.occurred_at[rows],
        received_at=events.received_at[rows],
        amount=events.amount[rows],
        source=events.source[rows],
        declined=events.declined[rows],
        transaction_id=events.transaction_id.take(places),
        routing_key=events.routing_key.take(places),
        tokens={name: tokens.take(places) for name, tokens in events.tokens.items()},
        codes={name: codes[rows] for name, codes in events.codes.items()},
        numbers={name: numbers[rows] for name, numbers in events.numbers.items()},
    )
