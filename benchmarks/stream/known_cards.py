"""States that know many cards: real records under other keys, written in bulk."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.histories import simulated
from benchmarks.stream.ground import SHARDS
from paywarden.adapters.state.lmdb_store import open_lmdb
from paywarden.features.catalogue import Catalogue
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.hashing import hash_strings
from paywarden.features.replay import replay
from paywarden.features.state import BatchTag, OpenStore, StateStore

_CHUNK = 50_000


@cache
def _samples(catalogue: Catalogue) -> dict[str, NDArray[np.int64]]:
    source = simulated()
    states = replay(source.transactions, source.labels, catalogue).states
    return {record: found.states for record, found in states.items()}


def card_keys(first: int, last: int) -> pa.Array:
    """The tokens of cards ``first`` to before ``last``."""
    return pa.array([f"card_{number:08d}" for number in range(first, last)], pa.string())


def known(path: Path, catalogue: Catalogue, cards: int, *, merchants: int = 1_000) -> OpenStore:
    """A state in LMDB that knows so many cards, each with one merchant, and merchants; batch 0 of epoch 1."""
    recipe = open_lmdb(path, SHARDS)
    store, engine = recipe(), Engine(catalogue)
    fill_store(store, engine, cards, merchants)
    store.close()
    return recipe


def fill_store(store: StateStore, engine: Engine, cards: int, merchants: int) -> None:
    """Write records drawn from those of a simulated month."""
    lease, tag = store.acquire("bench", engine.digest), BatchTag(1, 0)
    store.begin_batch(lease, tag)
    samples, random = _samples(engine.catalogue), np.random.default_rng(7)
    owners = {record: _keys(engine, record, 0, 0)[1] for record in (ROUTING, *engine.catalogue.records)}
    for record, owner in owners.items():
        total = merchants if owner == "merchant" else cards
        for first in range(0, total, _CHUNK):
            keys, _ = _keys(engine, record, first, min(total, first + _CHUNK))
            states = samples[record][random.integers(0, len(samples[record]), len(keys))]
            shards = engine.shards(record, keys, store.shards)
            for shard in range(store.shards):
                rows = np.flatnonzero(shards == shard)
                if len(rows):
                    names = keys.take(pa.array(rows)).cast(pa.binary()).to_pylist()
                    store.write_many(lease, record, shard, names, states[rows], tag)
    store.release(lease)


def _keys(engine: Engine, record: str, first: int, last: int) -> tuple[pa.Array, str]:
    """Keys of a record and whose they are: the card's, or the merchant's."""
    tokens = engine.catalogue.tokens_of.get(record, ("card",))
    if len(tokens) == 2:
        cards = card_keys(first, last)
        shops = pa.array([f"mrch_{number % 1_000:06d}" for number in range(first, last)], pa.string())
        hashes = np.stack([hash_strings(cards), hash_strings(shops)], axis=1).astype("<u8")
        return pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), last - first, [None, pa.py_buffer(hashes.tobytes())]
        ), "card"
    if tokens[0] == "merchant":
        return pa.array([f"mrch_{number:06d}" for number in range(first, last)], pa.string()), "merchant"
    return card_keys(first, last), "card"


def of_cards(transactions: pa.Table, cards: int, seed: int) -> pa.Table:
    """The transactions, made by cards drawn evenly from so many."""
    numbers = np.random.default_rng(seed).integers(0, cards, transactions.num_rows)
    tokens = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 8, "0")
    tokens = pc.binary_join_element_wise("card_", tokens, "")
    for name in ("routing_key", "entity_card"):
        transactions = transactions.set_column(transactions.schema.get_field_index(name), name, tokens)
    return transactions
