"""`paywarden keys`: who may ask the scoring API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from paywarden.cli.console import err, out, settings_of
from paywarden.clock import system_clock
from paywarden.wiring import scoring_api

app = typer.Typer(help="Keys of the scoring API.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for the list and the audit log.")],
    scope: Annotated[list[str] | None, typer.Option(help="score or model; may be repeated [default: score].")] = None,
    days: Annotated[float | None, typer.Option(min=0, help="It opens for so many days [default: for ever].")] = None,
    replaces: Annotated[str | None, typer.Option(help="The id of the key that it replaces.")] = None,
    overlap_days: Annotated[float, typer.Option(min=0, help="So long the replaced key still opens.")] = 7.0,
) -> None:
    """Create a key and print it, once: only its hash is kept.

    A running API knows it within a second, as it does a key that was revoked.

    Examples: [bold]paywarden keys create checkout --days 90[/],
    [bold]paywarden keys create checkout --replaces 0f3a91c2b7de --overlap-days 2[/]
    """
    key, text = scoring_api.new_api_key(
        settings_of(), name, scope or ["score"], days=days, replaces=replaces, overlap_days=overlap_days
    )
    err.print(f"key {key.key_id} ({', '.join(key.scopes)}); it is shown only now:", highlight=False)
    print(text)  # noqa: T201  # alone on stdout, for a script that keeps it


@app.command("list")
def list_keys() -> None:
    """List the keys: whose, for what, from when, until when.

    Example: [bold]paywarden keys list[/]
    """
    table, now = Table("id", "name", "scopes", "created (UTC)", "expires (UTC)", "state"), system_clock()
    for key in scoring_api.key_file(settings_of()).read():
        state = key.problem(now) or "opens"
        table.add_row(
            key.key_id, escape(key.name), ", ".join(key.scopes), _day(key.created_at), _day(key.expires_at), state
        )
    out.print(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, as the list shows it.")]) -> None:
    """Revoke a key: it opens nothing any more.

    Example: [bold]paywarden keys revoke 0f3a91c2b7de[/]
    """
    key = scoring_api.end_api_key(settings_of(), key_id)
    out.print(f"key {key.key_id} of {escape(key.name)} is revoked", highlight=False)


def _day(at: int | None) -> str:
    return "–" if at is None else datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
