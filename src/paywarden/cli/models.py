"""`paywarden models`: the registry."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

import typer
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import out, settings_of

app = typer.Typer(help="Registered models and their aliases.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the registered versions, newest first, with their aliases and the layout of the state that each needs.

    Example: [bold]paywarden models list[/]
    """
    table = Table("version", "aliases", "bundle", "state", "registered (UTC)")
    for model in wiring.registry(settings_of()).list_versions():
        registered = datetime.fromtimestamp(model.created_at / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M")
        aliases, bundle, layout = ", ".join(model.aliases), model.bundle_digest[:12], model.state_layout_digest[:16]
        table.add_row(str(model.version), aliases, bundle, layout, registered)
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
def promote(
    version: Annotated[int, typer.Argument(help="The version to serve.")],
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "champion",
) -> None:
    """Point an alias at a version; a running stream takes a new champion up between two micro-batches.

    A champion whose features need a state that is not there yet waits for `paywarden state build --model VERSION`; the
    former one goes on meanwhile. To go back, promote the former version: its state was kept.

    Example: [bold]paywarden models promote 3[/]
    """
    wiring.registry(settings_of()).set_alias(alias, version)
    out.print(f"{alias} is version {version}", highlight=False)
