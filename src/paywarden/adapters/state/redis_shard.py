"""One shard of a Redis store: records, before-images and sizes.

The hash ``state:<entity>`` holds the records by key; ``undo`` holds what the batch begun last has overwritten, by
entity and key, empty where the key was absent; ``control`` counts each entity's records and payload bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from paywarden.adapters.state import record
from paywarden.adapters.state import redis_scripts as scripts
from paywarden.adapters.state.control import Control
from paywarden.adapters.state.redis_part import Asked, RedisPart
from paywarden.features.state import BatchTag, Lease, Words


class RedisShard(RedisPart):
    """The reads and the atomic steps on one shard's hashes."""

    def read(self, entity: str, keys: Sequence[bytes], words: int) -> Words:
        """States of ``keys`` ``[n, words]``, the newest."""
        found = self._server.values(self.key(f"state:{entity}"), keys)
        return record.states_before(found, entity, words, None, self.place)[0]

    def read_before(self, entity: str, keys: Sequence[bytes], words: int, tag: BatchTag) -> Words:
        """States of ``keys`` ``[n, words]`` as they were before ``tag``.

        Read in several commands, which cost the server a third of one script: with the same batch begun before and
        after them, no before-image was dropped in between and none was missed.
        """
        known = self.control()
        while True:
            known.check_read(tag, self.place)
            states = self._read_before(entity, keys, words, tag, known)
            again = self.control()
            if again.begun == known.begun:
                return states
            known = again

    def write(self, lease: Lease, entity: str, keys: Sequence[bytes], states: Words, tag: BatchTag) -> None:
        """Write ``keys`` with ``states`` ``[n, words]`` as part of ``tag``; all or nothing."""
        words = states.shape[1]
        batch = (lease.fence, tag.stream_epoch, tag.batch, record.header(tag))
        records = (record.record_bytes(words), record.encode(states, tag))
        asked = Asked(lease, tag, entity, words)
        names = (entity, record.undo_prefix(entity))
        self.run(scripts.WRITE, _hashes(entity), asked, *batch, *names, *records, *keys)

    def delete_where(
        self, lease: Lease | None, entity: str, words: int, idle: Callable[[Words], NDArray[np.bool_]]
    ) -> int:
        """How many records were deleted, those that ``idle`` names; before-images of the batch begun last are kept."""
        if lease is not None:
            self.control().check_lease(lease, self.place)
        asked, fence = (Asked(), "") if lease is None else (Asked(lease), lease.fence)
        deleted = 0
        for keys, records in self._chunks(entity, words):
            gone = np.flatnonzero(idle(record.states_of(b"".join(records), words))).tolist()
            named = [part for i in gone for part in (keys[i], records[i][: record.HEADER_BYTES])]
            fixed = (fence, entity, record.undo_prefix(entity))
            deleted += self.run(scripts.DELETE, _hashes(entity), asked, *fixed, *named)[0]
        return deleted

    def scan(self, entity: str, words: int) -> Iterator[tuple[list[bytes], Words]]:
        """All records, once each: Redis may name a key again while it resizes a hash, so those given are remembered."""
        seen: set[bytes] = set()
        for keys, records in self._chunks(entity, words):
            fresh = [i for i, key in enumerate(keys) if key not in seen]
            seen.update(keys)
            if fresh:
                yield [keys[i] for i in fresh], record.states_of(b"".join(records[i] for i in fresh), words)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Records and payload bytes of each entity."""
        fields = self.fields()
        return {
            (entity := name.removeprefix(b"records:")).decode(): (int(count), int(fields[b"bytes:" + entity]))
            for name, count in fields.items()
            if name.startswith(b"records:")
        }

    def clear(self, lease: Lease) -> None:
        """Remove records and before-images. No batch has begun then, so a late task has nothing to write in."""
        cleared = False
        while not cleared:
            entities = list(self.sizes())
            names = ("control", "undo", *(f"state:{entity}" for entity in entities))
            cleared = bool(self.run(scripts.CLEAR, names, Asked(lease), lease.fence, *entities)[0])

    def _read_before(self, entity: str, keys: Sequence[bytes], words: int, tag: BatchTag, known: Control) -> Words:
        found = self._server.values(self.key(f"state:{entity}"), keys)
        states, touched = record.states_before(found, entity, words, tag, self.place)
        if touched and known.begun == tag:
            prefix = record.undo_prefix(entity)
            record.restore(states, touched, self._server.values(self.key("undo"), [prefix + keys[i] for i in touched]))
        return states

    def _chunks(self, entity: str, words: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
        for chunk in self._server.scan(self.key(f"state:{entity}")):
            record.check_width(entity, set(map(len, chunk.values())), words, self.place)
            yield list(chunk), list(chunk.values())


def _hashes(entity: str) -> tuple[str, str, str]:
    return "control", f"state:{entity}", "undo"
