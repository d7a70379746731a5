"""What TLS and a password cost: the stream and a passthrough on one broker, by its open listener and by SASL_SSL."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import DataFrame
from tests.secured_broker import ALL_TOPICS, SecuredBroker

from benchmarks.histories import WORLD
from benchmarks.rounds import spread
from benchmarks.stream.ground import (
    INPUT,
    OUTPUTS,
    Ground,
    bundle_files,
    fill,
    rounds_asked,
    rows_asked,
    session,
    size,
    taken_in_turn,
)
from benchmarks.stream.ours import SCHEMA, Ours
from benchmarks.stream.passthrough import COPY, copy
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.local import ivy
from paywarden.features.templates import full_catalogue
from paywarden.settings import load_settings
from paywarden.wiring.kafka_clients import kafka_connection

ROWS_A_ROUND = 100_000
TARGET = 0.8
CATALOGUE = full_catalogue(SCHEMA)
OPEN, TLS = "plaintext", "SASL_SSL"
STREAM, PASSTHROUGH = "stream", "passthrough"


def measure() -> dict[str, object]:
    """Rows a second by job and listener, and TLS ÷ plaintext of each job, round by round."""
    print("  training the model that scores")
    files, rounds = bundle_files(CATALOGUE), rounds_asked()
    jars = ivy.ensure_jars(ivy.BROKER, load_settings().cache_dir)
    with TemporaryDirectory() as name, SecuredBroker(Path(name), jars) as broker, session() as spark:
        broker.allow(ALL_TOPICS)
        plain = Ground(Path(name), KafkaConnection(broker.broker.bootstrap_servers), spark)
        secured = replace(plain, connection=kafka_connection(load_settings(kafka=broker.settings()).kafka))
        plain.topics(INPUT, "labels", *OUTPUTS, COPY)
        print("  filling the topic")
        fill(plain.connection, (rounds + 1) * rows_asked(ROWS_A_ROUND), WORLD)
        streams = {how: Ours.on(here, how, CATALOGUE, files) for how, here in ((OPEN, plain), (TLS, secured))}
        contests: dict[str, tuple[Ground, Callable[[DataFrame], object]]] = {
            f"{PASSTHROUGH}, {OPEN}": (plain, lambda records: copy(plain, records)),
            f"{PASSTHROUGH}, {TLS}": (secured, lambda records: copy(secured, records)),
            f"{STREAM}, {OPEN}": (plain, streams[OPEN].decide),
            f"{STREAM}, {TLS}": (secured, streams[TLS].decide),
        }
        found, loads = _rounds(contests, rounds)
        for ours in streams.values():
            ours.close()
    return {
        "load_by_round": loads,
        "rows_per_second": {what: spread(rates) for what, rates in found.items()},
        **{f"{job}_tls_to_plaintext": _ratio(found, job) for job in (STREAM, PASSTHROUGH)},
    }


def _ratio(found: dict[str, list[float]], job: str) -> dict[str, object]:
    pairs = zip(found[f"{job}, {TLS}"], found[f"{job}, {OPEN}"], strict=True)
    return {**spread([tls / plain for tls, plain in pairs]), "target": TARGET if job == STREAM else None}


def _rounds(
    contests: dict[str, tuple[Ground, Callable[[DataFrame], object]]], rounds: int
) -> tuple[dict[str, list[float]], list[float]]:
    found: dict[str, list[float]] = {name: [] for name in contests}
    loads = []
    for number in range(rounds + 1):
        for name in taken_in_turn(list(contests), number):
            here, work = contests[name]
            spans = here.spans(number, rounds)
            records = here.records(spans)
            began = time.perf_counter()
            work(records)
            rate = size(spans) / (time.perf_counter() - began)
            if number:  # the first round compiles
                found[name].append(rate)
            print(f"  round {number}: {name}: {rate:,.0f} rows/s", flush=True)
        loads.append(round(os.getloadavg()[0], 1))
    return found, loads[1:]
