"""`paywarden models`: the registry."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import out, settings_of

app = typer.Typer(help="Registered models and their aliases.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the registered versions, newest first, with their aliases and test figures.

    Example: [bold]paywarden models list[/]
    """
    table = Table("version", "aliases", "bundle", "test AP", "registered (UTC)")
    for model in wiring.registry(settings_of()).list_versions():
        table.add_row(*wiring.model_row(model))
    out.print(table)


@app.command()
def show(version: Annotated[str, typer.Argument(help="A version or an alias.")] = "champion") -> None:
    """Print one model: contract, thresholds, data versions and metrics, read from its verified bundle.

    Example: [bold]paywarden models show champion[/]
    """
    bundle = wiring.registry(settings_of()).get(version)
    out.print_json(data=wiring.bundle_summary(bundle))


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="The version to serve.")],
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "champion",
) -> None:
    """Point an alias at a version; a running stream takes a new champion up between two micro-batches.

    Example: [bold]paywarden models promote 3[/]
    """
    wiring.registry(settings_of()).set_alias(alias, version)
    out.print(f"{alias} is version {version}", highlight=False)
