"""What the number of known cards costs: the stream on states of several sizes, in turn.

Two kinds of traffic for each size: ``same`` is made by cards among the first ten thousand, so that every size touches
equally many records; ``spread`` by all known cards evenly, which is the worst there is: nearly every row touches
another card, and pages that no batch before it has read.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pyarrow as pa

from benchmarks.histories import WORLD
from benchmarks.rounds import spread
from benchmarks.stream.ground import Ground, bundle_files, ground, rounds_asked, rows_asked, taken_in_turn
from benchmarks.stream.known_cards import known, of_cards
from benchmarks.stream.ours import SCHEMA, Ours
from paywarden.adapters.kafka.admin import end_offsets
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.events.encoding import encode_transactions, routing_keys
from paywarden.features.templates import full_catalogue

ROWS_A_ROUND = 100_000
SMALLEST = 10_000
CATALOGUE = full_catalogue(SCHEMA)
TARGETS = {1_000_000: 0.8, 10_000_000: 0.6}


def sizes() -> list[int]:
    """How many cards are known, settable by BENCH_CARDS."""
    return [int(text) for text in os.environ.get("BENCH_CARDS", f"{SMALLEST} 1000000").split()]


def measure() -> dict[str, object]:
    """Rows a second by known cards and traffic, and the ratios to the smallest."""
    print("  training the model that scores")
    files, rounds, rows = bundle_files(CATALOGUE), rounds_asked(), rows_asked(ROWS_A_ROUND)
    with ground(0) as here:
        found: dict[str, list[float]] = {}
        streams, filled = {}, {}
        for cards in sizes():
            began = time.perf_counter()
            recipe = known(here.directory / f"known-{cards}", CATALOGUE, cards)
            streams[cards] = Ours.on(here, f"cards-{cards}", CATALOGUE, files, recipe=recipe)
            filled[str(cards)] = {
                "gigabytes_on_disk": round(_bytes(here.directory / f"known-{cards}") / 1e9, 2),
                "seconds_to_fill": round(time.perf_counter() - began),
            }
            print(f"  a state of {cards:,} cards is there: {filled[str(cards)]}", flush=True)
        contests = [(cards, traffic) for cards in streams for traffic in ("same", "spread")]
        for number in range(rounds + 1):
            for cards, traffic in taken_in_turn(contests, number):
                topic = f"in.{cards}.{traffic}.{number}"
                sent = _send(here, topic, rows, SMALLEST if traffic == "same" else cards, number)
                spans = {p: (0, end) for p, end in end_offsets(here.connection, [topic])[topic].items()}
                records = here.records(spans, topic)
                began = time.perf_counter()
                streams[cards].decide(records)
                rate = sent / (time.perf_counter() - began)
                found.setdefault(f"{cards} {traffic}", []).extend([rate] if number else [])
                print(f"  round {number}: {cards:,} cards, {traffic}: {rate:,.0f} rows/s", flush=True)
        for ours in streams.values():
            ours.close()
    return {
        "rows_a_round": rows,
        "features": len(CATALOGUE.names),
        "states": filled,
        "rows_per_second": {name: spread(rates) for name, rates in found.items()},
        "ratios": _ratios(found),
        "peak_memory_of_this_process_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _ratios(found: dict[str, list[float]]) -> dict[str, object]:
    smallest = str(sizes()[0])
    return {
        f"{cards} to {smallest}, {traffic}": {
            **spread([a / b for a, b in zip(found[f"{cards} {traffic}"], found[f"{smallest} {traffic}"], strict=True)]),
            "target": TARGETS.get(cards),
        }
        for cards in sizes()[1:]
        for traffic in ("same", "spread")
    }


def _send(here: Ground, topic: str, rows: int, cards: int, number: int) -> int:
    here.topics(topic)
    days = list(WORLD.days(number * 30, number * 30 + rows // 7_000 + 2))
    table = of_cards(pa.concat_tables([day.transactions for day in days]).slice(0, rows), cards, number)
    with KafkaEventProducer(here.connection) as sink:
        sink.send_many(topic, routing_keys(table), encode_transactions(table, SCHEMA))
    return table.num_rows


def _bytes(directory: Path) -> int:
    return sum(512 * file.stat().st_blocks for file in directory.rglob("*") if file.is_file())
