"""`paywarden buckets`: where lake and artifacts are put."""

from __future__ import annotations

from typing import Annotated

import typer

from paywarden import wiring
from paywarden.cli.console import out, settings_of


def buckets(
    names: Annotated[list[str], typer.Argument(help="Buckets at the object store of lake.storage_options.")],
) -> None:
    """Make the buckets that are missing at the lake's object store; those that exist are left as they are.

    Example: [bold]paywarden buckets paywarden mlflow[/]
    """
    made = wiring.make_buckets(settings_of(), names)
    for name in names:
        out.print(f"{name}: {'made' if name in made else 'exists'}", highlight=False)
