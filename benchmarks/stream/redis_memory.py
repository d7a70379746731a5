"""What the online state takes of Redis's memory: a state that knows many cards, extrapolated to a million."""

from __future__ import annotations

import time

import redis

from benchmarks.stream.ground import SHARDS
from benchmarks.stream.known_cards import fill_store
from benchmarks.stream.ours import SCHEMA
from benchmarks.stream.redis_server import redis_server
from paywarden.adapters.state.redis_store import open_redis
from paywarden.features.engine import Engine
from paywarden.features.templates import full_catalogue

CARDS = (50_000, 150_000)
MERCHANTS = 1_000
MILLION = 1_000_000


def measure() -> dict[str, object]:
    """Bytes a card, by the difference between two states of different sizes, and gigabytes a million cards."""
    used = {cards: _filled(cards) for cards in CARDS}
    (few, less), (many, more) = used.items()
    a_card = (more - less) / (many - few)
    print(f"  {a_card:,.0f} bytes a card")
    return {
        "features": len(full_catalogue(SCHEMA).names),
        "used_memory_by_cards": {str(cards): memory for cards, memory in used.items()},
        "bytes_a_card": round(a_card),
        "gigabytes_a_million_cards": round(a_card * MILLION / 1e9, 2),
    }


def _filled(cards: int) -> int:
    began = time.perf_counter()
    with redis_server() as url, redis.Redis.from_url(url) as client:
        store = open_redis(url, "bench", SHARDS)()
        fill_store(store, Engine(full_catalogue(SCHEMA)), cards, MERCHANTS)
        store.close()
        used = int(client.info("memory")["used_memory"])  # type: ignore[index]  # not the asynchronous client
    print(f"  {cards:,} cards: {used / 1e6:,.0f} MB, filled in {time.perf_counter() - began:.0f} s", flush=True)
    return used
