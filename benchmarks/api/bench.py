"""`make bench-api`: times at half load, saturation and workers, into build/bench/api.json."""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa

from benchmarks.api import single_row
from benchmarks.api.load import Told, asked, at_rate, saturate
from benchmarks.api.server import work
from benchmarks.histories import simulated
from paywarden import wiring
from paywarden.adapters.kafka.admin import ensure_topics
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.local import ivy
from paywarden.adapters.local.broker import LocalBroker
from paywarden.events.encoding import encode_transactions
from paywarden.events.schema import EventSchema
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest
from paywarden.features.state import BatchTag
from paywarden.features.templates import full_catalogue
from paywarden.jobs.state_fold import fold_into
from paywarden.jobs.train import split_of
from paywarden.jobs.training_data import History, replayed_dataset
from paywarden.scoring.bundle import ModelBundle
from paywarden.service.api.workers import listen
from paywarden.settings import Settings, load_settings
from paywarden.training.trainer import train
from paywarden.wiring import scoring_api

REPORT = Path("build/bench/api.json")
TARGET = 2.0
"""p99 of a score ÷ p99 of an endpoint that does nothing, both at half of the rate at which scores saturate."""
LOADS = {"half_load": 1 / 2, "an_eighth_of_the_load": 1 / 8}
"""What is measured, as a share of the rate at which scores saturate: by half, several payments are scored together."""
CONNECTIONS = 16
SCHEMA = EventSchema()


def main(arguments: list[str] | None = None) -> int:
    """Measure, write the report, say the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="taken in turn (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes (default: 1 2)")
    asked_for = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        jars = ivy.ensure_jars(ivy.BROKER, load_settings().cache_dir)
        with LocalBroker(directory / "kafka", jars) as broker:
            settings, messages = _deployment(directory, broker.bootstrap_servers)
            alone = single_row.measured(ModelBundle.load(directory / "bundle"), asked_for.rounds)
            _say(alone)
            by_workers = {
                str(n): _measured(settings, messages, directory, n, asked_for.seconds, asked_for.rounds)
                for n in asked_for.workers
            }
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "processor": platform.machine()}
    report = {
        "machine": machine,
        "load_before": round(os.getloadavg()[0], 1),
        "target_ratio": TARGET,
        "single_row": alone,
        "workers": by_workers,
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {REPORT}")
    return 0


def _deployment(directory: Path, bootstrap_servers: str) -> tuple[Settings, list[dict[str, object]]]:
    """A state that holds a simulated month, a model trained on it, and the transactions that come next."""
    settings = load_settings(
        kafka={"bootstrap_servers": bootstrap_servers},
        state={"path": directory / "state"},
        stream={"manifests": directory / "manifests"},
        api={
            "directory": directory / "api",
            "keys": directory / "keys.json",
            "transactions_per_second": 1e9,
            "burst": 1_000_000_000,
            "timeout_ms": 10_000,
        },
    )
    topics = settings.kafka.topics
    ensure_topics(KafkaConnection(bootstrap_servers), dict.fromkeys((topics.predictions, topics.alerts), 4))
    print("training the model that scores")
    source = simulated()
    history = History(source.transactions, source.labels, {"source": source.name})
    engine = Engine(full_catalogue(SCHEMA))
    dataset = replayed_dataset(history, engine.catalogue, wiring.days_ms(3))
    bundle = train(dataset, split_of(dataset, 14), catalogue=engine.catalogue).bundle
    bundle.save(directory / "bundle")
    held = history.transactions.num_rows - 5_000
    placed = [_placed(t) for t in (history.transactions.slice(0, held), history.labels)]
    store, tag = wiring.state_epochs(settings).recipe(engine.digest)(), BatchTag(1, 1)
    lease = store.acquire("bench", engine.digest)
    wiring.manifests(settings).write(BatchManifest(1, 1, (), engine.digest))
    store.begin_batch(lease, tag)
    fold_into(store, lease, engine, *placed, tag)
    store.release(lease)
    store.close()
    messages = encode_transactions(history.transactions.slice(held), SCHEMA)
    return settings, [json.loads(message) for message in messages]


def _placed(table: pa.Table) -> pa.Table:
    rows = np.arange(table.num_rows)
    return table.append_column("partition", pa.array(rows * 0, pa.int32())).append_column("offset", pa.array(rows))


def _measured(
    settings: Settings, messages: list[dict[str, object]], directory: Path, workers: int, seconds: float, rounds: int
) -> dict[str, object]:
    """Saturation of both paths, then rounds of both at shares of what scores bear."""
    _, key = scoring_api.new_api_key(settings, "bench", ["score"], days=None, replaces=None, overlap_days=0)
    numbers = itertools.count(time.time_ns())

    def requests(path: str) -> Iterator[bytes]:
        for message in itertools.cycle(messages):
            body = json.dumps({**message, "transaction_id": f"t-{next(numbers)}"}).encode()
            yield asked(path, key, body)

    score, null = requests("/v1/score"), requests("/null")
    with _serving(settings, directory, workers) as port:
        saturate(port, score, seconds / 2, CONNECTIONS)  # warm
        most = {
            "score": saturate(port, score, seconds, CONNECTIONS),
            "null": saturate(port, null, seconds, CONNECTIONS),
        }
        loads = {name: most["score"].rate * share for name, share in LOADS.items()}
        found: dict[str, dict[str, list[Told]]] = {name: {"null": [], "score": []} for name in loads}
        for number in range(rounds):
            for load, rate in loads.items():
                for name in ("null", "score") if number % 2 else ("score", "null"):
                    path = score if name == "score" else null
                    found[load][name].append(at_rate(port, path, seconds, CONNECTIONS * 4, rate))
    print(f"{workers} worker(s): {most['score'].rate:,.0f}/s at most (null {most['null'].rate:,.0f}/s)")
    return {
        "saturation": {name: told.figures() for name, told in most.items()},
        **{name: _at_load(name, rate, found[name]) for name, rate in loads.items()},
    }


def _at_load(load: str, rate: float, found: dict[str, list[Told]]) -> dict[str, object]:
    """The figures of both paths at a rate, and the ratio of their p99, round by round."""
    slow = {name: [told.figures()["p99_ms"] for told in tolds] for name, tolds in found.items()}
    ratios = [score / null for score, null in zip(slow["score"], slow["null"], strict=True)]
    print(
        f"  {load.replace('_', ' ')}, {rate:,.0f}/s: p50 {_median(found['score'], 'p50_ms'):.2f} ms, p99 "
        f"{_median(found['score'], 'p99_ms'):.2f} ms, {statistics.median(ratios):.2f} × the null endpoint's p99"
    )
    return {
        "per_second": rate,
        **{name: [told.figures() for told in tolds] for name, tolds in found.items()},
        "p99_ratio": {"median": statistics.median(ratios), "rounds": ratios},
    }


def _say(alone: dict[str, dict[str, Any]]) -> None:
    for name, found in alone.items():
        print(f"one vector: {name} {found['us_a_call']:.1f} µs, {found['ratio']:.2f} × the compiled trees")


def _median(tolds: list[Told], name: str) -> float:
    return statistics.median(told.figures()[name] for told in tolds)


@contextmanager
def _serving(settings: Settings, directory: Path, workers: int) -> Iterator[int]:
    """The port on which so many workers answer."""
    listening = listen("127.0.0.1", 0)
    port, context = listening.getsockname()[1], multiprocessing.get_context("spawn")
    log = directory / f"audit-{workers}.log"
    started = [
        context.Process(target=work, args=(settings, listening, directory / "bundle", log)) for _ in range(workers)
    ]
    for one in started:
        one.start()
    for _ in range(1200):
        try:
            ready = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=60).status_code == 200
        except httpx.HTTPError:
            ready = False
        if ready:
            break
        time.sleep(0.1)
    try:
        yield port
    finally:
        for one in started:
            one.terminate()
        for one in started:
            one.join(60)
        listening.close()


if __name__ == "__main__":
    raise SystemExit(main())
