"""`paywarden archive`: Kafka to lake."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import Progress

from paywarden import wiring
from paywarden.cli.console import err, out, settings_of
from paywarden.jobs import archive as job


def archive(
    bootstrap_servers: Annotated[str | None, typer.Option(help="Kafka's host:port.")] = None,
    lake: Annotated[str | None, typer.Option(help="The lake's path or s3:// URL.")] = None,
) -> None:
    """Move everything new from Kafka into the Delta lake, each offset exactly once.

    Run it as often as you like: it goes on where the lake stands, also after a crash.

    Example: [bold]paywarden archive --lake data/lake[/]
    """
    settings = settings_of(kafka__bootstrap_servers=bootstrap_servers, lake__path=lake)
    with Progress(console=err, transient=True) as bars:
        tasks: dict[str, int] = {}

        def progress(topic: str, done: int, total: int) -> None:
            if topic not in tasks:
                tasks[topic] = bars.add_task(topic, total=total)
            bars.update(tasks[topic], completed=done, total=total)  # type: ignore[arg-type]  # TaskID is an int

        moved = job.archive(
            wiring.kafka_source(settings), wiring.lake(settings), wiring.archive_columns(settings), progress=progress
        )
    for topic, rows in moved.rows.items():
        rejected = f", {moved.rejected[topic]:,} of them rejected" if moved.rejected[topic] else ""
        out.print(f"{topic}: {rows:,} rows{rejected}", highlight=False)
