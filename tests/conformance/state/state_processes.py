"""What the processes do that ``test_processes`` starts: importable by name, so that a spawned child finds it."""

from __future__ import annotations

import numpy as np

from paywarden.errors import LeaseHeld
from paywarden.features.state import BatchTag

WORDS = 6
KEYS = [b"key-%04d" % i for i in range(300)]
RUN = 20  # keys of one write: what must be there as a whole or not at all


def acquire_often(recipe, owner, times, start, fences):
    store = recipe()
    start.wait()
    fences.put([store.acquire(owner, "layout", takeover=True).fence for _ in range(times)])
    store.close()


def acquire_once(recipe, owner, start, leases):
    store = recipe()
    start.wait()
    try:
        leases.put(store.acquire(owner, "layout"))
    except LeaseHeld:
        leases.put(None)
    store.close()


def write_shard(recipe, lease, tag, shard, rounds, done):
    """Writes the round's number everywhere, round by round; each record's words are equal at all times."""
    store = recipe()
    for number in range(1, rounds + 1):
        store.write_many(lease, "card", shard, KEYS, np.full((len(KEYS), WORDS), number, np.int64), tag)
    store.close()
    done.put(shard)


def read_shards(recipe, tag, shards, stop, found):
    """Counts the records read whose words differ, and those that are no before-image."""
    store = recipe()
    torn, changed, reads = 0, 0, 0
    while not (stop.is_set() and reads):
        for shard in range(shards):
            states = store.read_many("card", shard, KEYS, WORDS)
            torn += int((states != states[:, :1]).any(axis=1).sum())
            changed += int((store.read_many("card", shard, KEYS, WORDS, tag) != 0).any(axis=1).sum())
        reads += 1
    store.close()
    found.put((torn, changed))


def write_until_killed(recipe, lease, tag, value, progress):
    """Writes the batch in runs of keys, over and over, telling of each run before it is written."""
    store = recipe()
    store.begin_batch(lease, tag)
    while True:
        for start in range(0, len(KEYS), RUN):
            keys = KEYS[start : start + RUN]
            progress.send(start)
            store.write_many(lease, "card", 0, keys, np.full((len(keys), WORDS), value, np.int64), tag)


def use_inherited(store, lease, results):
    """Reads and writes with a store that the parent opened before it forked."""
    tag = BatchTag(1, 2)
    before = store.read_many("card", 0, KEYS, WORDS, tag)
    store.write_many(lease, "card", 0, KEYS, before + 1, tag)
    results.put(before[:, 0].tolist())


def grow_and_report(recipe, lease, tag, turn, reply):
    """Reads, waits for the parent to let the map grow, and reads again with the map it opened."""
    store = recipe()
    store.read_many("card", 0, KEYS, WORDS)
    reply.put("opened")
    turn.wait()
    states = store.read_many("card", 0, [b"%06d" % i for i in range(2_000)], 200)
    store.write_many(lease, "card", 0, [b"mine"], np.ones((1, 200), np.int64), tag)
    store.close()
    reply.put(int(states.sum()))
