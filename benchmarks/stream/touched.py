"""What a batch costs the store: bytes written, seconds and memory, by the cards it touches and the cards known.

In this process, without Spark: a batch reads and writes the routing and card records of so many cards.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.rounds import spread
from benchmarks.stream.cards import CATALOGUE, sizes
from benchmarks.stream.ground import rounds_asked
from benchmarks.stream.known_cards import known
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.state import BatchTag, Lease, StateStore

TOUCHED = (1_000, 10_000, 100_000)


def measure() -> dict[str, object]:
    """By known cards and touched ones: megabytes written a batch (by the kernel's count), seconds, peak memory."""
    engine, found = Engine(CATALOGUE), {}
    for cards in sizes():
        with tempfile.TemporaryDirectory() as directory:
            store = known(Path(directory) / "state", CATALOGUE, cards)()
            lease, batch = store.acquire("bench", engine.digest), 0
            for touched in (t for t in TOUCHED if t <= cards):
                written, seconds = [], []
                for number in range(rounds_asked() + 1):
                    batch += 1
                    store.begin_batch(lease, BatchTag(1, batch))
                    keys = _drawn(cards, touched, batch)
                    before, began = _written(), time.perf_counter()
                    _batch(store, engine, lease, keys, BatchTag(1, batch))
                    if number:
                        written.append((_written() - before) / 1e6)
                        seconds.append(time.perf_counter() - began)
                name = f"{cards} known, {touched} touched"
                found[name] = {
                    "megabytes_written": spread(written),
                    "kilobytes_a_card": round(1000 * float(np.median(written)) / touched, 2),
                    "seconds": spread(seconds),
                    "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                }
                print(
                    f"  {cards:,} known, {touched:,} touched: {found[f'{cards} known, {touched} touched']}", flush=True
                )
            store.close()
    return {"record_bytes": {r: 8 * engine.words(r) for r in (ROUTING, "card")}, "batches": found}


def _drawn(cards: int, touched: int, seed: int) -> pa.Array:
    numbers = np.random.default_rng(seed).choice(cards, touched, replace=False)
    return pa.array([f"card_{number:08d}" for number in numbers.tolist()], pa.string())


def _batch(store: StateStore, engine: Engine, lease: Lease, keys: pa.Array, tag: BatchTag) -> None:
    for record in (ROUTING, "card"):
        shards = engine.shards(record, keys, store.shards)
        for shard in range(store.shards):
            names = keys.take(pa.array(np.flatnonzero(shards == shard))).cast(pa.binary()).to_pylist()
            states = store.read_many(record, shard, names, engine.words(record), tag)
            states[:, 0] += 1
            store.write_many(lease, record, shard, names, states, tag)


def _written() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])
