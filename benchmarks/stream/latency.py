"""Latency at half load: the stream and the passthrough in turn, at the same rate and trigger.

Latency is from a transaction's Kafka timestamp to that of its decision, or copy: both are set by the sending client.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event

import numpy as np
import orjson
import pyarrow as pa

from benchmarks.histories import WORLD
from benchmarks.rounds import spread
from benchmarks.stream.ground import INPUT, Ground, bundle_files, ground, rounds_asked, size, taken_in_turn
from benchmarks.stream.ours import SCHEMA, Ours
from benchmarks.stream.passthrough import COPY, copy
from paywarden.adapters.kafka.admin import end_offsets
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.kafka.source import KafkaSource
from paywarden.adapters.spark.warm_up import warm_up
from paywarden.events.encoding import encode_transactions, routing_keys
from paywarden.features.templates import full_catalogue

TRIGGER_SECONDS = float(os.environ.get("BENCH_TRIGGER", "1"))
WARM_SECONDS, MEASURED_SECONDS = 10, 15
BATCH_ROWS, BATCHES = 16_000, 40
"""Before the rounds, of both in turn: what a JVM needs until it has compiled most of what a batch runs through. A
stream that has been up for minutes is past that."""
CATALOGUE = full_catalogue(SCHEMA)
_FIRST_DAY = 200
"""Of the paced transactions, after those that calibrate."""
_SLICE_SECONDS = 0.05
Offsets = dict[str, dict[int, int]]


def measure() -> dict[str, object]:
    """Milliseconds by round at p50 and p99 of both, and their ratios."""
    print("  training the model that scores")
    files, rounds = bundle_files(CATALOGUE), rounds_asked()
    with ground((BATCHES + 1) * BATCH_ROWS) as here:
        here.topics(COPY)
        ours = Ours.on(here, "full", CATALOGUE, files, trigger_seconds=TRIGGER_SECONDS)
        full_load = _full_load(here, ours)
        rate = full_load / 2
        print(f"  full load {full_load:,.0f} rows/s, half of it is sent")
        runs: dict[str, Callable[[Offsets, int], object]] = {
            "passthrough": lambda starting, number: _start_copy(here, starting, number),
            "stream": lambda starting, number: _start_stream(here, ours, starting, number),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        loads = []
        for number in range(rounds):
            for name in taken_in_turn(list(runs), number):
                p50, p99 = _measured(here, runs[name], name, rate, number)
                found[name].append((p50, p99))
                print(f"  round {number}: {name} p50 {p50:,.0f} ms, p99 {p99:,.0f} ms", flush=True)
            loads.append(round(os.getloadavg()[0], 1))
        ours.close()
    by = {(n, q): [pair[i] for pair in pairs] for n, pairs in found.items() for i, q in enumerate(("p50", "p99"))}
    return {
        "rows_per_second_sent": round(rate),
        "trigger_seconds": TRIGGER_SECONDS,
        "features": len(CATALOGUE.names),
        "load_by_round": loads,
        **{f"{name}_{quantile}_ms": spread(values) for (name, quantile), values in by.items()},
        **{
            f"stream_to_passthrough_{quantile}": {
                **spread([a / b for a, b in zip(by["stream", quantile], by["passthrough", quantile], strict=True)]),
                "target": target,
            }
            for quantile, target in (("p50", 2.0), ("p99", 3.0))
        },
    }


def _full_load(here: Ground, ours: Ours) -> float:
    """Rows a second of the stream when it is behind: the median of the last ten batches, when both are warm."""
    rates = []
    for number in range(BATCHES):
        spans = here.spans(number, BATCHES, BATCH_ROWS)
        copy(here, here.records(spans), plain=True)
        began = time.perf_counter()
        ours.decide(here.records(spans))
        rates.append(size(spans) / (time.perf_counter() - began))
    return float(np.median(rates[-10:]))


@contextmanager
def _paced(connection: KafkaConnection, rate: float, first_day: int) -> Iterator[None]:
    """Transactions come at a rate, from a process of its own, while the block runs."""
    context = multiprocessing.get_context("spawn")
    ready, seconds = context.Event(), WARM_SECONDS + MEASURED_SECONDS + 5
    process = context.Process(target=_send, args=(connection.bootstrap_servers, rate, seconds, first_day, ready))
    process.start()
    ready.wait()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _send(bootstrap_servers: str, rate: float, seconds: float, first_day: int, ready: Event) -> None:
    keys, values = _messages(int(rate * seconds), first_day)
    with KafkaEventProducer(KafkaConnection(bootstrap_servers)) as sink:
        ready.set()
        began, sent = time.perf_counter(), 0
        while sent < len(values):
            due = min(len(values), int((time.perf_counter() - began) * rate))
            sink.send_many(INPUT, keys[sent:due], values[sent:due])
            sent = due
            time.sleep(_SLICE_SECONDS)


def _messages(rows: int, first_day: int) -> tuple[list[bytes], list[bytes]]:
    tables: list[pa.Table] = []
    for day in WORLD.days(first_day, first_day + 365):
        tables.append(day.transactions)
        if sum(table.num_rows for table in tables) >= rows:
            break
    table = pa.concat_tables(tables).slice(0, rows)
    return routing_keys(table), encode_transactions(table, SCHEMA)


def _measured(
    here: Ground, start: Callable[[Offsets, int], object], name: str, rate: float, number: int
) -> tuple[float, float]:
    starting = end_offsets(here.connection, [INPUT, "labels"])
    output = COPY if name == "passthrough" else "predictions"
    before = end_offsets(here.connection, [output])
    # Each run has days of its own, so that a transaction is sent once.
    first_day = _FIRST_DAY + (2 * number + (name == "stream")) * 60
    with _paced(here.connection, rate, first_day):
        query = start(starting, number)
        time.sleep(WARM_SECONDS)
        since_ms = time.time() * 1000
        time.sleep(MEASURED_SECONDS)
        until_ms = since_ms + MEASURED_SECONDS * 1000
        _stop(query)
    latencies = _latencies(here, starting, output, before, since_ms, until_ms - 2_000)
    return float(np.quantile(latencies, 0.5)), float(np.quantile(latencies, 0.99))


def _latencies(
    here: Ground, starting: Offsets, output: str, before: Offsets, since_ms: float, until_ms: float
) -> np.ndarray:
    """Of the transactions sent in the span; those without an answer yet count as if it came at the end of reading."""
    sent = _times(here, INPUT, {INPUT: starting[INPUT]})
    answered = _times(here, output, before)
    last = max(answered.values())
    return np.array(
        [answered.get(key, last) - at for key, at in sent.items() if since_ms <= at < until_ms], dtype=np.float64
    )


def _times(here: Ground, topic: str, start: Offsets) -> dict[str, int]:
    found: dict[str, int] = {}
    source = KafkaSource(here.connection)
    for table in source.read(start, source.end_offsets([topic])):
        for value, at in zip(table["value"].to_pylist(), table["timestamp"].to_pylist(), strict=True):
            found.setdefault(orjson.loads(value)["transaction_id"], at)
    return found


def _start_copy(here: Ground, starting: Offsets, number: int) -> object:
    records = (
        here.session.readStream.format("kafka")
        .options(**here.connection.spark_options())
        .option("subscribe", INPUT)
        .option("startingOffsets", orjson.dumps({INPUT: {str(p): o for p, o in starting[INPUT].items()}}).decode())
        .load()
    )
    return (
        records.select("key", "value")
        .writeStream.format("kafka")
        .options(**here.connection.spark_options(), topic=COPY)
        .option("checkpointLocation", str(here.directory / f"checkpoint-copy-{number}"))
        .trigger(processingTime=f"{TRIGGER_SECONDS} seconds")
        .start()
    )


def _start_stream(here: Ground, ours: Ours, starting: Offsets, number: int) -> object:
    # As `paywarden stream run` does: Spark has ended workers that were idle for a minute, while the passthrough ran.
    warm_up(here.session, dict(ours.files), ours.catalogue)
    stream = replace(ours.stream, checkpoint=here.directory / f"checkpoint-latency-{number}")
    return stream.start(starting, ours.job)


def _stop(query: object) -> None:
    getattr(query, "finish", getattr(query, "stop", None))()
