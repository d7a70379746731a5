"""One shard of an LMDB store: records, before-images and sizes, each method one transaction (or one a chunk).

The main database holds ``control`` and ``size:<entity>`` (records and payload bytes). ``state:<entity>`` holds the
records. ``undo`` holds what the batch begun last has overwritten, by entity and key, empty where the key was absent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from paywarden.adapters.state import record
from paywarden.adapters.state.control import Control
from paywarden.adapters.state.lmdb_environment import Database, LmdbEnvironment, Transaction
from paywarden.adapters.state.lmdb_meta import get_control, put_control
from paywarden.features.state import BatchTag, Lease, Words

_CHUNK = 1024
"""Records of a scan or deletion in one transaction: a few milliseconds, about 2 MB."""

_SIZE = b"size:"
_SIZES = struct.Struct("<2q")
_UNDO = "undo"


class LmdbShard:
    """The transactions on one shard's environment."""

    def __init__(self, environment: LmdbEnvironment) -> None:
        self._environment = environment
        self._place = str(environment.path)

    def learn(self, fence: int, *, held: bool) -> None:
        """Take note of an acquisition or a release."""
        self._environment.update(lambda txn: put_control(txn, get_control(txn).learn(fence, held=held)))

    def begin(self, lease: Lease, tag: BatchTag) -> None:
        """Begin ``tag``: a batch after the one begun last drops the before-images."""

        def step(txn: Transaction, undo: Database) -> None:
            known = get_control(txn)
            after = known.begin(lease, tag, self._place)
            if after != known:
                put_control(txn, after)
                txn.drop(undo, delete=False)

        self._environment.update(step, _UNDO)
        self._environment.free_dead_readers()

    def read(self, entity: str, keys: Sequence[bytes], words: int, tag: BatchTag | None) -> Words:
        """States of ``keys`` ``[n, words]``, as they were before ``tag`` where one is given."""

        def step(txn: Transaction, state: Database | None, undo: Database | None) -> Words:
            states, touched = record.states_before(_find(txn, state, keys), entity, words, tag, self._place)
            if tag is not None:
                known = get_control(txn)
                known.check_read(tag, self._place)
                if known.begun == tag and undo is not None:
                    prefix = record.undo_prefix(entity)
                    record.restore(states, touched, _find(txn, undo, [prefix + keys[i] for i in touched]))
            return states

        return self._environment.view(step, f"state:{entity}", _UNDO)

    def write(self, lease: Lease, entity: str, keys: Sequence[bytes], states: Words, tag: BatchTag) -> None:
        """Write ``keys`` with ``states`` ``[n, words]`` as part of ``tag``; all or nothing."""
        words = states.shape[1]
        items = sorted(zip(keys, record.slices(record.encode(states, tag), words), strict=True), key=itemgetter(0))
        keys = [key for key, _ in items]

        def step(txn: Transaction, state: Database, undo: Database) -> None:
            get_control(txn).check_write(lease, tag, self._place)
            found = _find(txn, state, keys)
            before = _before_images(record.present(found, entity, words, self._place), found, keys, entity, words, tag)
            untouched = txn.stat(undo)["entries"] == 0
            txn.cursor(undo).putmulti(before, overwrite=False, append=untouched)
            txn.cursor(state).putmulti(items)
            _count(txn, entity, [key for key, value in zip(keys, found, strict=True) if value is None], words, sign=1)

        self._environment.update(step, f"state:{entity}", _UNDO)

    def delete_where(
        self, lease: Lease | None, entity: str, words: int, idle: Callable[[Words], NDArray[np.bool_]]
    ) -> int:
        """How many records were deleted, those that ``idle`` names; before-images of the batch begun last are kept."""

        def delete_after(last: bytes) -> tuple[bytes, int]:
            def step(txn: Transaction, state: Database, undo: Database) -> tuple[bytes, int]:
                known = get_control(txn)
                if lease is not None:
                    known.check_lease(lease, self._place)
                keys, records = self._chunk(txn, state, entity, words, last)
                if not keys:
                    return b"", 0
                gone = np.flatnonzero(idle(record.states_of(records, words))).tolist()
                views = record.slices(records, words)
                for i in gone:
                    if known.begun is not None:
                        txn.put(record.undo_prefix(entity) + keys[i], views[i], overwrite=False, db=undo)
                    txn.delete(keys[i], db=state)
                _count(txn, entity, [keys[i] for i in gone], words, sign=-1)
                return keys[-1], len(gone)

            return self._environment.update(step, f"state:{entity}", _UNDO)

        last, deleted = delete_after(b"")
        while last:
            last, more = delete_after(last)
            deleted += more
        return deleted

    def scan(self, entity: str, words: int) -> Iterator[tuple[list[bytes], Words]]:
        """All records in key order, a snapshot a chunk."""

        def after(last: bytes) -> tuple[list[bytes], bytes]:
            return self._environment.view(
                lambda txn, state: self._chunk(txn, state, entity, words, last), f"state:{entity}"
            )

        keys, records = after(b"")
        while keys:
            yield keys, record.states_of(records, words)
            keys, records = after(keys[-1])

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Records and payload bytes of each entity."""
        return self._environment.view(_sizes)

    def clear(self, lease: Lease) -> None:
        """Remove records and before-images. No batch has begun then, so a late task has nothing to write in."""

        def step(txn: Transaction, undo: Database, *states: Database) -> bool:
            known = get_control(txn)
            known.check_lease(lease, self._place)
            if set(_sizes(txn)) != set(entities):
                return False
            for database in (undo, *states):
                txn.drop(database, delete=False)
            for entity in entities:
                txn.delete(_SIZE + entity.encode())
            put_control(txn, Control(known.fence, known.held))
            return True

        entities = self.sizes()
        while not self._environment.update(step, _UNDO, *(f"state:{entity}" for entity in entities)):
            entities = self.sizes()

    def _chunk(
        self, txn: Transaction, state: Database | None, entity: str, words: int, last: bytes
    ) -> tuple[list[bytes], bytes]:
        """Keys that follow ``last``, and their records laid end to end."""
        if state is None:
            return [], b""
        cursor = txn.cursor(state)
        more = cursor.set_range(last)
        if more and last and cursor.key() == last:
            more = cursor.next()
        keys: list[bytes] = []
        values: list[memoryview | None] = []
        while more and len(keys) < _CHUNK:
            keys.append(bytes(cursor.key()))
            values.append(cursor.value())
            more = cursor.next()
        return keys, record.present(values, entity, words, self._place)


def _find(txn: Transaction, database: Database | None, keys: Sequence[bytes]) -> list[memoryview | None]:
    if database is None:
        return [None] * len(keys)
    get = txn.cursor(database).get
    return [get(key) for key in keys]


def _before_images(
    records: bytes, found: list[memoryview | None], keys: Sequence[bytes], entity: str, words: int, tag: BatchTag
) -> list[tuple[bytes, bytes | memoryview]]:
    """What to remember of ``keys``: nothing of those that ``tag`` has written already."""
    prefix = record.undo_prefix(entity)
    present = zip(record.slices(records, words), record.written_by(records, words, tag).tolist(), strict=True)
    before: list[tuple[bytes, bytes | memoryview]] = []
    for key, value in zip(keys, found, strict=True):
        image, again = (b"", False) if value is None else next(present)
        if not again:
            before.append((prefix + key, image))
    return before


def _sizes(txn: Transaction) -> dict[str, tuple[int, int]]:
    cursor = txn.cursor()
    sizes: dict[str, tuple[int, int]] = {}
    more = cursor.set_range(_SIZE)
    while more and bytes(cursor.key()).startswith(_SIZE):
        entity = bytes(cursor.key())[len(_SIZE) :].decode()
        sizes[entity] = _SIZES.unpack(cursor.value())
        more = cursor.next()
    return sizes


def _count(txn: Transaction, entity: str, keys: Sequence[bytes], words: int, *, sign: int) -> None:
    """Add the records of ``keys`` to their entity's sizes, or take them away."""
    name = _SIZE + entity.encode()
    value = txn.get(name)
    records, payload_bytes = (0, 0) if value is None else _SIZES.unpack(value)
    records += sign * len(keys)
    payload_bytes += sign * sum(len(key) + record.record_bytes(words) for key in keys)
    if keys:
        txn.put(name, _SIZES.pack(records, payload_bytes))
