"""Recognising repeats at the routing-key step: rings of the last id hashes of each key, evicted by count and age.

A routing record is two rings: transaction ids, then ids of transactions that a fraud label has named. A ring is a
cursor word, ``size`` hashes and ``size`` arrival times.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.features.catalogue import Memory
from paywarden.features.compiled import compiled
from paywarden.features.events import EventBatch, Kind, Verdict

ROUTING = "routing"
"""The name under which routing records stand in a state store."""

_TRANSACTION = int(Kind.TRANSACTION)
_SCORED, _DUPLICATE = int(Verdict.SCORED), int(Verdict.DUPLICATE)
_APPLIED, _REPEATED = int(Verdict.LABEL_APPLIED), int(Verdict.LABEL_REPEATED)


def routing_words(memory: Memory) -> int:
    """Width of a routing record in int64 words."""
    return _ring_words(memory.ids) + _ring_words(memory.labelled_ids)


def judge_repeats(
    events: EventBatch,
    order: NDArray[np.int64],
    states: NDArray[np.int64],
    record_of: NDArray[np.int64],
    memory: Memory,
) -> NDArray[np.int8]:
    """The :class:`Verdict` of each event, int8 ``[n]``, judged in ``order``; ``states`` ``[k, words]`` change."""
    return _judge(
        order,
        states,
        record_of,
        events.kind,
        events.source >= 0,
        events.id_hash,
        events.received_at,
        (memory.ids, memory.labelled_ids),
        (memory.ids_ttl_ms, memory.labelled_ttl_ms),
    )


def newest_payment(states: NDArray[np.int64], memory: Memory) -> NDArray[np.int64]:
    """When each routing record last remembered a payment, int64 ``[k]``; 0 for one that remembers none."""
    return states[:, 1 + memory.ids : 1 + 2 * memory.ids].max(axis=1)


def newest_arrival(states: NDArray[np.int64], memory: Memory) -> NDArray[np.int64]:
    """When each routing record last remembered anything, int64 ``[k]``; 0 for an empty one."""
    start = _ring_words(memory.ids) + 1 + memory.labelled_ids
    return np.maximum(newest_payment(states, memory), states[:, start : start + memory.labelled_ids].max(axis=1))


def _ring_words(size: int) -> int:
    return 1 + 2 * size


@compiled
def _seen(record: NDArray[np.int64], start: int, size: int, id_hash: int, now: int, ttl_ms: int) -> bool:
    """Whether the ring remembers the hash; if not, it does from now on."""
    for i in range(size):
        arrived = record[start + 1 + size + i]
        if record[start + 1 + i] == id_hash and arrived != 0 and now - arrived <= ttl_ms:
            return True
    cursor = record[start] % size
    record[start + 1 + cursor] = id_hash
    record[start + 1 + size + cursor] = now
    record[start] = (cursor + 1) % size
    return False


@compiled
def _judge(
    order: NDArray[np.int64],
    states: NDArray[np.int64],
    record_of: NDArray[np.int64],
    kind: NDArray[np.int8],
    observes: NDArray[np.bool_],
    id_hash: NDArray[np.int64],
    received_at: NDArray[np.int64],
    sizes: tuple[int, int],
    ttls_ms: tuple[int, int],
) -> NDArray[np.int8]:
    verdicts = np.empty(kind.size, dtype=np.int8)
    for i in order:
        record = states[record_of[i]]
        if kind[i] == _TRANSACTION:
            repeated = _seen(record, 0, sizes[0], id_hash[i], received_at[i], ttls_ms[0])
            verdicts[i] = _DUPLICATE if repeated else _SCORED
        else:
            # Only fraud labels change features, so only they are remembered.
            start = 1 + 2 * sizes[0]
            repeated = observes[i] and _seen(record, start, sizes[1], id_hash[i], received_at[i], ttls_ms[1])
            verdicts[i] = _REPEATED if repeated else _APPLIED
    return verdicts
