"""Seconds from the start of `paywarden stream run` to its first new decision: a clean start, and after a kill -9.

The real command, on a registry of MLflow's, in turn. Transactions are waiting in Kafka whenever it starts. A clean
start has no state; a restart one that knows many cards, and a batch that was cut off.
"""

from __future__ import annotations

import os
import shutil
import time

from benchmarks.histories import WORLD
from benchmarks.rounds import spread
from benchmarks.stream.cards import CATALOGUE, sizes
from benchmarks.stream.deployment import Deployment, deployment, register_champion
from benchmarks.stream.ground import rounds_asked, taken_in_turn
from benchmarks.stream.known_cards import fill_store
from paywarden import wiring
from paywarden.events.schema import EventSchema
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest
from paywarden.jobs.produce import produce
from paywarden.simulation.arrivals import arrivals

TARGET = 1.5
ROWS_A_BATCH = 2_000
CLEAN = "clean"
MANIFESTS = "manifests"


def measure() -> dict[str, object]:
    """Seconds by kind of start and round, and restarts ÷ clean starts."""
    rounds, loads = min(rounds_asked(), 3), []
    found: dict[str, list[float]] = {CLEAN: [], **{str(cards): [] for cards in sizes()}}
    with deployment(stream={"max_offsets_per_batch": ROWS_A_BATCH, "trigger_interval_seconds": 0}) as here:
        register_champion(here)
        with wiring.kafka_sink(here.settings) as sink:
            topics = here.settings.kafka.topics
            coming = arrivals(WORLD.days(0, 40), drain=False)
            produce(coming, sink, topics.transactions, topics.labels, EventSchema())
        for cards in sizes():
            _begun(here, cards)
        for number in range(rounds):
            for kind in taken_in_turn(list(found), number):
                seconds = _first_decision(here, kind, number)
                found[kind].append(seconds)
                print(f"  round {number}: {kind}: {seconds:.1f} s", flush=True)
            loads.append(round(os.getloadavg()[0], 1))
    return {
        "load_by_round": loads,
        "seconds": {kind: spread(seconds) for kind, seconds in found.items()},
        "restart_to_clean_start": {
            kind: {**spread([a / b for a, b in zip(found[kind], found[CLEAN], strict=True)]), "target": TARGET}
            for kind in found
            if kind != CLEAN
        },
    }


def _sections(here: Deployment, kind: str) -> dict[str, dict[str, object]]:
    """Each kind is a stream of its own, with its own state."""
    base = here.directory / kind
    return {
        "state": {"path": str(base / "state")},
        "stream": {"directory": str(base / "stream"), MANIFESTS: str(base / MANIFESTS)},
    }


def _begun(here: Deployment, cards: int) -> None:
    """A stream whose state knows the cards, by a build's manifest at the beginning of Kafka; killed in its midst."""
    kind, engine = str(cards), Engine(CATALOGUE)
    settings = here.settings_with(**_sections(here, kind))
    epochs, manifests = wiring.state_epochs(settings), wiring.manifests(settings)
    store = epochs.recipe(engine.digest)()
    fill_store(store, engine, cards, 1_000)
    store.close()
    manifests.new_epoch()
    manifests.write(BatchManifest(1, 0, (), engine.digest, from_empty=True))
    _first_decision(here, kind, -1)


def _first_decision(here: Deployment, kind: str, number: int) -> float:
    """Start, wait for a decision that was not there, kill: seconds from the start."""
    if kind == CLEAN:
        shutil.rmtree(here.directory / kind, ignore_errors=True)
    before = here.rows("predictions")
    began = time.perf_counter()
    process = here.start(f"stream-{kind}-{number}", "stream", "run", **_sections(here, kind))
    here.wait(lambda: here.rows("predictions") > before)
    seconds = time.perf_counter() - began
    process.kill()
    here.processes.clear()
    return seconds
