"""How the work divides: the stream on a standalone cluster of one-core workers on this machine, its state in Redis.

The same rows by one worker and by as many as there are cores, and by the latter from a single partition: reading and
validation are then one task, while folding and deciding still have a task a shard. Each worker is bound to a core of
its own, where `taskset` is there: Spark counts a worker's cores, but a task's JVM and Python run beside each other, and
one worker would fill two cores. Broker, Redis and driver are not bound.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyspark

from benchmarks.histories import WORLD
from benchmarks.rounds import spread
from benchmarks.stream.ground import (
    INPUT,
    OUTPUTS,
    PARTITIONS,
    SHARDS,
    Ground,
    bundle_files,
    fill,
    rounds_asked,
    rows_asked,
    size,
    taken_in_turn,
)
from benchmarks.stream.ours import SCHEMA, Ours
from benchmarks.stream.redis_server import redis_server
from paywarden.adapters.kafka.admin import ensure_topics
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.local import ivy
from paywarden.adapters.local.broker import LocalBroker
from paywarden.adapters.local.ports import free_port
from paywarden.adapters.local.process import ChildProcess
from paywarden.adapters.spark.session import spark_session
from paywarden.adapters.state.redis_store import open_redis
from paywarden.features.templates import full_catalogue
from paywarden.settings import load_settings

ROWS_A_ROUND = 60_000
CATALOGUE = full_catalogue(SCHEMA)
ON_THIS_MACHINE = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
WARMING_ROUNDS = 3
SINGLE, _LATER_DAY = "single", 300
"""A topic of one partition, with payments of other days: those that a state has seen are told apart as repeated."""
_START_SECONDS = 120.0


def measure() -> dict[str, object]:
    """Rows a second by workers and partitions, and the ratios to one worker, pass by pass."""
    print("  training the model that scores")
    files, passes, cores = bundle_files(CATALOGUE), min(rounds_asked(), 3), os.cpu_count() or 2
    found: dict[str, list[float]] = {}
    rows = rows_asked(ROWS_A_ROUND)
    with _servers() as (directory, connection, redis_url):
        print("  filling the topic")
        fill(connection, (WARMING_ROUNDS + 2) * rows, WORLD)
        fill(connection, rows, WORLD, _LATER_DAY, SINGLE)
        for number in range(passes):
            for workers in (1, cores) if number % 2 == 0 else (cores, 1):
                with _cluster(directory / f"{number}-{workers}", workers) as master:
                    _pass(found, (directory, connection, redis_url), master, workers, files, rows, number)
    alone = found["1 worker, 4 partitions"]
    return {
        "rows_a_round": rows,
        "cores": cores,
        "load": round(os.getloadavg()[0], 1),
        "rows_per_second": {name: spread(rates) for name, rates in found.items()},
        "ratios_to_one_worker": {
            name: spread([a / b for a, b in zip(rates, alone, strict=True)])
            for name, rates in found.items()
            if rates is not alone
        },
    }


def _pass(
    found: dict[str, list[float]],
    servers: tuple[Path, KafkaConnection, str],
    master: str,
    workers: int,
    files: dict[str, bytes],
    rows: int,
    number: int,
) -> None:
    """One application on the cluster: rounds that warm, then one of each kind."""
    directory, connection, redis_url = servers
    jars = ivy.ensure_jars(ivy.SPARK_KAFKA, load_settings().cache_dir)
    spark = spark_session("bench", jars, master=master, options={**ON_THIS_MACHINE, "spark.cores.max": str(workers)})
    try:
        here, name = Ground(directory, connection, spark), f"{workers}-{number}"
        ours = Ours.on(here, name, CATALOGUE, files, recipe=open_redis(redis_url, f"bench-{name}", SHARDS))
        last = here.spans(WARMING_ROUNDS, WARMING_ROUNDS, rows)
        kinds = {f"{_counted(workers, 'worker')}, {PARTITIONS} partitions": (INPUT, last)}
        if workers > 1:
            kinds[f"{_counted(workers, 'worker')}, 1 partition"] = (SINGLE, {0: (0, rows)})
        for warming in range(WARMING_ROUNDS):
            ours.decide(here.records(here.spans(warming, WARMING_ROUNDS, rows)))
        for kind in taken_in_turn(list(kinds), number):
            topic, spans = kinds[kind]
            records = here.records(spans, topic)
            began = time.perf_counter()
            ours.decide(records)
            rate = size(spans) / (time.perf_counter() - began)
            found.setdefault(kind, []).append(rate)
            print(f"  pass {number}: {kind}: {rate:,.0f} rows/s of {size(spans):,}", flush=True)
        ours.close()
    finally:
        spark.stop()


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@contextmanager
def _servers() -> Iterator[tuple[Path, KafkaConnection, str]]:
    """A directory, a broker with the topics, and a Redis that keeps nothing on disk."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        jars = ivy.ensure_jars(ivy.BROKER, load_settings().cache_dir)
        with redis_server() as url, LocalBroker(directory / "kafka", jars) as broker:
            connection = KafkaConnection(broker.bootstrap_servers)
            ensure_topics(connection, {**dict.fromkeys((INPUT, "labels", *OUTPUTS), PARTITIONS), SINGLE: 1})
            yield directory, connection, url


@contextmanager
def _cluster(directory: Path, workers: int) -> Iterator[str]:
    """The address of a standalone cluster of so many workers, of one core each."""
    port, home = free_port(), Path(pyspark.__file__).parent
    address = f"spark://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    deploy, spark_class = "org.apache.spark.deploy", str(home / "bin" / "spark-class")

    def process(name: str, *arguments: str, core: int | None = None) -> ChildProcess:
        bound = ["taskset", "--cpu-list", str(core)] if core is not None and shutil.which("taskset") else []
        return ChildProcess(name, [*bound, spark_class, *arguments], directory / f"{name}.log", environment)

    master = process(
        "master", f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"
    )
    started = [master]
    try:
        master.start()
        master.wait_until(lambda: "New state: ALIVE" in master.log_tail(200), _START_SECONDS)
        for number in range(workers):
            work = ("--cores", "1", "--memory", "1536m", "--webui-port", "0", "--host", "127.0.0.1")
            place = ("--work-dir", str(directory / f"work{number}"))
            core = number % (os.cpu_count() or 1)
            worker = process(f"worker{number}", f"{deploy}.worker.Worker", *work, *place, address, core=core)
            started.append(worker)
            worker.start()
            worker.wait_until(lambda worker=worker: "Successfully registered" in worker.log_tail(200), _START_SECONDS)
        yield address
    finally:
        for one in reversed(started):
            one.kill()
