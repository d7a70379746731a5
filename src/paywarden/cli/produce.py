"""`paywarden produce`: fill Kafka, from the simulated world or from a file."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pyarrow.compute as pc
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from paywarden import wiring
from paywarden.cli import produce_forever
from paywarden.cli.console import err, out, settings_of
from paywarden.cli.service import HeartbeatFile, MetricsPort
from paywarden.clock import system_clock
from paywarden.events.schema import EventSchema
from paywarden.jobs import produce as job
from paywarden.jobs.mapped import arrivals_between
from paywarden.settings import Settings
from paywarden.simulation.arrivals import arrivals
from paywarden.simulation.world import World


def produce(
    file: Annotated[Path | None, typer.Argument(help="A .parquet or .csv file [default: the simulated world].")] = None,
    mapping: Annotated[str | None, typer.Option(help="How to read FILE: a shipped mapping or a YAML path.")] = None,
    bootstrap_servers: Annotated[str | None, typer.Option(help="Kafka's host:port.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Events a second [default: as fast as it goes].")] = None,
    days: Annotated[int, typer.Option(min=1, help="Days of the simulated world.")] = 7,
    cards: Annotated[int, typer.Option(help="Cards of the simulated world.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 1,
    fraud_rate: Annotated[float, typer.Option(help="Share of frauds in the simulated world.")] = 0.015,
    processes: Annotated[int, typer.Option(min=1, help="Senders; each takes the events of some cards.")] = 1,
    forever: Annotated[
        bool, typer.Option("--forever", help="Send the world's --days at once, then the next ones at --rate, for ever.")
    ] = False,
    position: Annotated[
        Path | None, typer.Option(help="With --forever: the file that says where to go on after a restart.")
    ] = None,
    beat: HeartbeatFile = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Send transactions and labels to Kafka in the order of their arrival, each acknowledged by all replicas.

    The same events are sent whatever the number of processes, each card's in the same order.

    Examples: [bold]paywarden produce --days 3 --rate 500[/],
    [bold]paywarden produce handbook_raw.parquet --mapping handbook[/],
    [bold]paywarden produce --days 90 --forever --rate 20 --position position.json[/]
    """
    settings = settings_of(kafka__bootstrap_servers=bootstrap_servers, metrics__port=metrics_port)
    origin: World | tuple[Path, str]
    if file is None:
        origin = World(seed, cards=cards, fraud_rate=fraud_rate, entities=settings.events.entities)
    elif mapping is not None:
        origin = (file, mapping)
    else:
        raise typer.BadParameter("a file needs --mapping: a shipped mapping's name, or the path of a YAML mapping")
    if forever:
        if not isinstance(origin, World) or rate is None:
            raise typer.BadParameter("--forever is for the simulated world, and needs --rate")
        produce_forever.run(settings, origin, days, rate, position, beat)
        return
    if metrics_port is not None:
        raise typer.BadParameter("--metrics-port goes with --forever")
    source = _Source(settings, origin, days)
    wiring.make_topics(settings)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} events"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("produce", total=None)
        done = _send_all(source, rate, processes, lambda events: bar.update(task, completed=events))
    out.print(f"acknowledged: {done.transactions:,} transactions, {done.labels:,} labels", highlight=False)


@dataclass(frozen=True)
class _Source:
    """What is sent: days of a world, or a file by its mapping. It is opened only where it is read."""

    settings: Settings
    origin: World | tuple[Path, str]
    days: int

    def open(self) -> tuple[EventSchema, Iterable[job.Arrivals]]:
        if isinstance(self.origin, World):
            return self.origin.schema, arrivals(self.origin.days(0, self.days), drain=False)
        data = wiring.mapped_data(self.settings, *self.origin)
        received = [pc.min_max(table["received_at"]).as_py() for table in (data.transactions, data.labels)]
        first = min(span["min"] for span in received if span["min"] is not None)
        last = max(span["max"] for span in received if span["max"] is not None)
        return data.schema, arrivals_between(data.transactions, data.labels, first, last + 1)


def _send_all(source: _Source, rate: float | None, processes: int, progress: Callable[[int], None]) -> job.Produced:
    """Everything, by this process or by as many others."""
    if processes == 1:
        return _send(source, rate, 0, 1, progress)
    share = None if rate is None else rate / processes
    # Not forked: the client's threads and Arrow's would be left behind half-way.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        senders = [pool.submit(_send, source, share, part, processes) for part in range(processes)]
        sent = [sender.result() for sender in senders]
    return job.Produced(sum(done.transactions for done in sent), sum(done.labels for done in sent))


def _send(
    source: _Source, rate: float | None, part: int, parts: int, progress: Callable[[int], None] = lambda _events: None
) -> job.Produced:
    schema, portions = source.open()
    topics = source.settings.kafka.topics
    with wiring.kafka_sink(source.settings) as sink:
        return job.produce(
            portions if parts == 1 else job.part_of(portions, part, parts),
            sink,
            topics.transactions,
            topics.labels,
            schema,
            rate=rate,
            clock=system_clock,
            sleep=time.sleep,
            progress=lambda sent: progress(sent.transactions + sent.labels),
        )
