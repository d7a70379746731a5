"""`paywarden models`: the registry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from paywarden import wiring
from paywarden.cli import promotion
from paywarden.cli.console import out, settings_of
from paywarden.training.model_diff import differences

app = typer.Typer(help="Registered models and their aliases.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the registered versions, newest first, with their aliases and the layout of the state that each needs.

    Example: [bold]paywarden models list[/]
    """
    table = Table("version", "aliases", "gate", "bundle", "state", "registered (UTC)")
    for model in wiring.registry(settings_of()).list_versions():
        registered = datetime.fromtimestamp(model.created_at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        aliases, bundle, layout = ", ".join(model.aliases), model.bundle_digest[:12], model.state_layout_digest[:16]
        table.add_row(str(model.version), aliases, model.tags.get("paywarden.gate", "–"), bundle, layout, registered)
    out.print(table)


@app.command()
def show(version: Annotated[str, typer.Argument(help="A version or an alias.")] = "champion") -> None:
    """Print one model: contract, thresholds, data versions and metrics, read from its verified bundle.

    Example: [bold]paywarden models show champion[/]
    """
    bundle = wiring.registry(settings_of()).get(version)
    out.print_json(
        data={
            "digest": bundle.digest,
            "features": list(bundle.feature_names),
            "feature_contract": bundle.contract_digest,
            "state_layout": bundle.state_layout_digest,
            "policy": bundle.policy.to_dict(),
            "data_versions": dict(bundle.data_versions),
            "training": dict(bundle.training),
            "metrics": dict(bundle.metrics),
        }
    )


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help="A version or an alias.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
) -> None:
    """Compare two models: what differs in settings, features, data, thresholds and figures, from verified bundles.

    Example: [bold]paywarden models diff champion challenger[/]
    """
    registry = wiring.registry(settings_of())
    rows = differences(registry.get(first), registry.get(second))
    if not rows:
        out.print("the two models are equal")
        return
    table = Table("what", first, second, "change")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    out.print(table)


app.command()(promotion.judge)
app.command()(promotion.promote)
app.command()(promotion.report)


@app.command()
def rollback() -> None:
    """Make the previous model champion again; the present champion becomes the previous one.

    A running stream goes back between two micro-batches: the former state was kept.

    Example: [bold]paywarden models rollback[/]
    """
    champion, previous = wiring.registry(settings_of()).rollback()
    out.print(f"champion is version {champion} again; previous is version {previous}", highlight=False)
