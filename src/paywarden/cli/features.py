"""`paywarden features`: what is computed."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import out, settings_of
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.feature import Feature
from paywarden.features.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

app = typer.Typer(help="The feature catalogue.", no_args_is_help=True)


@app.command()
def show(
    catalogue: Annotated[
        str | None, typer.Option(help="full, core or a YAML file [default: the settings' features.catalogue].")
    ] = None,
) -> None:
    """Print every feature with its entity, window, tile resolution and meaning, and the bytes of state an entity.

    Examples: [bold]paywarden features show[/], [bold]paywarden features show --catalogue features.yaml[/]
    """
    engine = Engine(wiring.catalogue(settings_of(features__catalogue=catalogue)))
    _print(engine)


def _print(engine: Engine) -> None:
    catalogue = engine.catalogue
    table = Table(title=f"{len(catalogue.names)} features", title_justify="left")
    for column in ("feature", "entity", "window", "tile", "meaning"):
        table.add_column(column, no_wrap=column == "feature")
    for record in catalogue.records:
        for feature in catalogue.of(record):
            table.add_row(feature.name, feature.entity, *_window(feature), feature.meaning)
        table.add_section()
    for request in catalogue.request_features:
        table.add_row(request.name, "request", "", "", request.meaning)
    out.print(table)
    sizes = ", ".join(f"{name} {8 * engine.words(name):,} bytes" for name in (*catalogue.records, ROUTING))
    out.print(f"state a key: {sizes}")
    out.print(f"state layout {engine.digest[:16]}, feature contract {catalogue.contract().digest[:16]}")


def _window(feature: Feature) -> tuple[str, str]:
    if feature.window is None:
        return "", ""
    return feature.window.name, _span(feature.window.tile_ms)


def _span(milliseconds: int) -> str:
    for unit, size in (("d", DAY_MS), ("h", HOUR_MS), ("min", MINUTE_MS)):
        if milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds / SECOND_MS:g} s"
