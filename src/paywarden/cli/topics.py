"""`paywarden topics`: the topics that the settings name."""

from __future__ import annotations

from typing import Annotated

import typer

from paywarden import wiring
from paywarden.cli.console import out, settings_of


def topics(bootstrap_servers: Annotated[str | None, typer.Option(help="Kafka's host:port.")] = None) -> None:
    """Create the topics that do not exist yet, with kafka.partitions partitions each; the others are left alone.

    `paywarden produce` and `paywarden demo` do this themselves; run it where other producers fill Kafka.

    Example: [bold]paywarden topics --bootstrap-servers broker:9092[/]
    """
    created = wiring.make_topics(settings_of(kafka__bootstrap_servers=bootstrap_servers))
    out.print("created: " + (", ".join(created) or "none, all are there"), highlight=False)
