"""How both stores write a record: two int64 of its batch tag, then the state's int64 words, all little-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import StateStoreError
from paywarden.features.state import BatchTag, StoreStats, Words

Buffer: TypeAlias = "bytes | memoryview"

FORMAT = 1
"""Number of this record format, stored with the state and checked at opening."""

HEADER_WORDS = 2
HEADER_BYTES = 16
MAX_KEY_BYTES = 400
"""LMDB allows 511 bytes; a before-image's key is the entity's name, a zero byte and the key."""
MAX_ENTITY_BYTES = 100

_WORD = np.dtype("<i8")
_HEADER = struct.Struct("<2q")


def record_bytes(words: int) -> int:
    """Bytes of a stored record whose state has ``words`` words."""
    return (HEADER_WORDS + words) * _WORD.itemsize


def header(tag: BatchTag) -> bytes:
    """The 16 bytes that begin every record written by ``tag``."""
    return _HEADER.pack(tag.stream_epoch, tag.batch)


def encode(states: Words, tag: BatchTag) -> memoryview:
    """The records of ``states`` ``[n, words]`` written by ``tag``, laid end to end."""
    records = np.empty((states.shape[0], HEADER_WORDS + states.shape[1]), dtype=_WORD)
    records[:, 0] = tag.stream_epoch
    records[:, 1] = tag.batch
    records[:, HEADER_WORDS:] = states
    return records.reshape(-1).view(np.uint8).data


def states_of(records: Buffer, words: int) -> Words:
    """States ``[n, words]``, a copy, of records laid end to end."""
    return _rows(records, words)[:, HEADER_WORDS:].astype(np.int64)


def written_by(records: Buffer, words: int, tag: BatchTag) -> NDArray[np.bool_]:
    """Which of the records laid end to end bear ``tag``, bool ``[n]``."""
    rows = _rows(records, words)
    same: NDArray[np.bool_] = (rows[:, 0] == tag.stream_epoch) & (rows[:, 1] == tag.batch)
    return same


def present(found: Sequence[Buffer | None], entity: str, words: int, place: str) -> bytes:
    """The records that were found, laid end to end; raises :class:`StateStoreError` where one has another length."""
    values = [value for value in found if value is not None]
    check_width(entity, set(map(len, values)), words, place)
    return b"".join(values)


def states_before(
    found: Sequence[Buffer | None], entity: str, words: int, tag: BatchTag | None, place: str
) -> tuple[Words, list[int]]:
    """States ``[n, words]``, zeros for what was not found, and the rows that ``tag`` may have touched.

    A touched row bears the tag, or is absent (it may have been deleted): its before-image, if any, says what it was.
    """
    records = present(found, entity, words, place)
    held = np.fromiter((value is not None for value in found), np.bool_, len(found))
    states = states_of(records, words)
    if not held.all():
        states, known = np.zeros((len(found), words), np.int64), states
        states[held] = known
    if tag is None:
        return states, []
    touched = ~held
    touched[held] = written_by(records, words, tag)
    return states, np.flatnonzero(touched).tolist()


def restore(states: Words, rows: Sequence[int], images: Sequence[Buffer | None]) -> None:
    """Put before-images in the place of ``rows``: none changes nothing, an empty one means absent."""
    absent = [row for row, image in zip(rows, images, strict=True) if image is not None and not len(image)]
    known = [row for row, image in zip(rows, images, strict=True) if image]
    states[absent] = 0
    states[known] = states_of(b"".join(image for image in images if image), states.shape[1])


def slices(records: Buffer, words: int) -> list[memoryview]:
    """A view of each of the records laid end to end."""
    view, width = memoryview(records), record_bytes(words)
    return [view[start : start + width] for start in range(0, len(view), width)]


def totals(sizes: Iterable[dict[str, tuple[int, int]]]) -> list[StoreStats]:
    """The sizes of entities over all shards, by name; without those that have no records."""
    sums: dict[str, tuple[int, int]] = {}
    for shard in sizes:
        for entity, (records, payload_bytes) in shard.items():
            before = sums.get(entity, (0, 0))
            sums[entity] = before[0] + records, before[1] + payload_bytes
    return [StoreStats(entity, *total) for entity, total in sorted(sums.items()) if total[0]]


def undo_prefix(entity: str) -> bytes:
    """What precedes a key among its shard's before-images, which all entities share."""
    return entity.encode() + b"\0"


def check_shards(shards: int) -> None:
    """Raise :class:`StateStoreError` for a number of shards that no store can have."""
    if shards < 1:
        raise StateStoreError(f"a state store needs at least one shard, not {shards}.")


def check_keys(entity: str, keys: Sequence[bytes]) -> None:
    """Raise :class:`StateStoreError` for an entity's name or keys that cannot be stored."""
    if not 1 <= len(entity.encode()) <= MAX_ENTITY_BYTES or "\0" in entity:
        raise StateStoreError(f"the entity name {entity!r} must have 1 to {MAX_ENTITY_BYTES} bytes, none of them zero.")
    lengths = set(map(len, keys))
    if lengths and not 1 <= min(lengths) <= max(lengths) <= MAX_KEY_BYTES:
        raise StateStoreError(
            f"keys of entity {entity!r} have {min(lengths)} to {max(lengths)} bytes; 1 to {MAX_KEY_BYTES} are allowed. "
            "Tokenise longer identifiers."
        )


def check_states(entity: str, keys: Sequence[bytes], states: Words) -> None:
    """Raise :class:`StateStoreError` unless there is one int64 row for each key and no key comes twice."""
    if states.dtype != np.int64 or states.ndim != 2 or states.shape[0] != len(keys):
        raise StateStoreError(
            f"states of entity {entity!r} must be int64 [{len(keys)}, words], not {states.dtype} {list(states.shape)}."
        )
    if len(set(keys)) != len(keys):
        raise StateStoreError(f"a key of entity {entity!r} comes twice in one write; write each key once.")


def check_width(entity: str, found: set[int], words: int, place: str) -> None:
    """Raise :class:`StateStoreError` where stored records have another length in bytes than ``words`` asks for."""
    odd = found - {record_bytes(words)}
    if odd:
        raise wrong_width(entity, odd.pop(), words, place)


def wrong_width(entity: str, stored_bytes: int, words: int, place: str) -> StateStoreError:
    """The error for stored records of another length."""
    stored = stored_bytes // _WORD.itemsize - HEADER_WORDS
    return StateStoreError(
        f"{place}: entity {entity!r} has records of {stored} words, not {words}. The state belongs to another layout."
    )


def _rows(records: Buffer, words: int) -> NDArray[np.int64]:
    return np.frombuffer(records, dtype=_WORD).reshape(-1, HEADER_WORDS + words)
