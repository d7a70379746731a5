"""`paywarden check`: whether everything is configured and reachable."""

from __future__ import annotations

from collections.abc import Callable

import typer
from rich.markup import escape
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import USER_ERROR, out, settings_of
from paywarden.errors import PaywardenError
from paywarden.settings import Settings


def check() -> None:
    """Validate the settings, then try Java, Kafka, the lake, the state and MLflow; say what to do about each failure.

    Exit status 0 when all is well, 1 otherwise. Nothing is changed.

    Example: [bold]PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS=broker:9092 paywarden check[/]
    """
    settings = settings_of()
    table = Table("what", "", "found, or what to do")
    results = [("settings", True, "valid"), *(_try(name, probe, settings) for name, probe in wiring.PROBES.items())]
    for name, well, text in results:
        table.add_row(name, "[green]ok[/]" if well else "[bold red]failed[/]", escape(text))
    out.print(table)
    if not all(well for _, well, _ in results):
        raise typer.Exit(USER_ERROR)


def _try(name: str, probe: Callable[[Settings], str], settings: Settings) -> tuple[str, bool, str]:
    try:
        return name, True, probe(settings)
    except PaywardenError as error:
        return name, False, str(error)
