"""`paywarden produce`: fill Kafka, from the simulated world or from a file."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import pyarrow.compute as pc
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from paywarden import wiring
from paywarden.cli.console import err, out, settings_of
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
    rate: Annotated[float | None, typer.Option(help="Events a second [default: as fast as it goes].")] = None,
    days: Annotated[int, typer.Option(min=1, help="Days of the simulated world.")] = 7,
    cards: Annotated[int, typer.Option(help="Cards of the simulated world.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 1,
) -> None:
    """Send transactions and labels to Kafka in the order of their arrival, each acknowledged by all replicas.

    Examples: [bold]paywarden produce --days 3 --rate 500[/],
    [bold]paywarden produce handbook_raw.parquet --mapping handbook[/]
    """
    settings = settings_of(kafka__bootstrap_servers=bootstrap_servers)
    schema, portions = _portions(settings, file, mapping, World(seed, cards=cards), days)
    wiring.make_topics(settings)
    topics = settings.kafka.topics
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} events"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar, wiring.kafka_sink(settings) as sink:
        task = bar.add_task("produce", total=None)
        done = job.produce(
            portions,
            sink,
            topics.transactions,
            topics.labels,
            schema,
            rate=rate,
            clock=system_clock,
            sleep=time.sleep,
            progress=lambda sent: bar.update(task, completed=sent.transactions + sent.labels),
        )
    out.print(f"acknowledged: {done.transactions:,} transactions, {done.labels:,} labels", highlight=False)


def _portions(
    settings: Settings, file: Path | None, mapping: str | None, world: World, days: int
) -> tuple[EventSchema, Iterable[job.Arrivals]]:
    if file is None:
        return EventSchema(), arrivals(world.days(0, days), drain=False)
    if mapping is None:
        raise typer.BadParameter("a file needs --mapping: a shipped mapping's name, or the path of a YAML mapping")
    data = wiring.mapped_data(settings, file, mapping)
    received = [pc.min_max(table["received_at"]).as_py() for table in (data.transactions, data.labels)]
    first = min(span["min"] for span in received if span["min"] is not None)
    last = max(span["max"] for span in received if span["max"] is not None)
    return data.schema, arrivals_between(data.transactions, data.labels, first, last + 1)
