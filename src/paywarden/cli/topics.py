"""`paywarden topics`: the topics that the settings name."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from paywarden import wiring
from paywarden.cli.console import VERDICT, err, out, settings_of
from paywarden.settings import Settings


def topics(
    bootstrap_servers: Annotated[str | None, typer.Option(help="Kafka's host:port.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Create nothing; say what differs and what to do.")] = False,
) -> None:
    """Create the topics that do not exist yet, as the section kafka of the settings wants them.

    Those that exist are left alone; what differs from the settings (partitions, replicas, retention, compaction) is
    said, with the command that corrects it. With --check nothing is created, and the exit status is 3 where anything
    is missing or differs. `paywarden produce` and `paywarden demo` create topics themselves; run this where other
    producers fill Kafka.

    Examples: [bold]paywarden topics --bootstrap-servers broker:9092[/], [bold]paywarden topics --check[/]
    """
    settings = settings_of(kafka__bootstrap_servers=bootstrap_servers)
    if not check:
        created = wiring.make_topics(settings)
        out.print("created: " + (", ".join(created) or "none, all are there"), highlight=False)
    different = _tell_differences(settings)
    if check and not different:
        out.print("all topics are as the settings want them")
    if check and different:
        raise typer.Exit(VERDICT)


def _tell_differences(settings: Settings) -> bool:
    found = wiring.topic_differences(settings)
    for difference in found:
        text = f"{escape(difference.topic)} {escape(difference.said)}\n  {escape(difference.remedy)}"
        err.print(f"[yellow]differs[/]: {text}", highlight=False, soft_wrap=True)
    return bool(found)
