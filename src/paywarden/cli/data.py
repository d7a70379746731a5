"""`paywarden data`: files of real transactions."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import out, settings_of
from paywarden.events.description import Description
from paywarden.events.description import describe as describe_data

app = typer.Typer(help="Files of real transactions, read through a mapping.", no_args_is_help=True)


@app.command()
def describe(
    file: Annotated[Path, typer.Argument(help="A .parquet, .csv or .csv.gz file.")],
    mapping: Annotated[str, typer.Option(help="A shipped mapping's name, or the path of a YAML mapping.")],
) -> None:
    """Show what a mapping makes of a file: rows, span, fraud rate, entities, amounts, and rejects with reasons.

    Example: [bold]paywarden data describe handbook_raw.parquet --mapping handbook[/]
    """
    found = describe_data(wiring.mapped_data(settings_of(), file, mapping))
    table = Table("what", "value", title=escape(str(file)), title_justify="left", show_header=False)
    for name, value in _rows(found):
        table.add_row(name, escape(value))
    out.print(table)
    if found.rejects:
        rejects = Table("event", "reason", "rows", "first rows", "detail", title="rejected", title_justify="left")
        for reject in found.rejects:
            rows = ", ".join(map(str, reject.sample_rows))
            rejects.add_row(reject.event, reject.reason, f"{reject.count:,}", rows, escape(reject.detail))
        out.print(rejects)


def _rows(found: Description) -> list[tuple[str, str]]:
    amounts = {share: f"{amount / 100:,.2f}" for share, amount in found.amount_quantiles.items()}
    rate = "no labels" if found.fraud_rate is None else f"{found.fraud_rate:.3%} ({found.frauds:,} frauds)"
    return [
        ("rows in the file", f"{found.rows:,}"),
        ("transactions accepted", f"{found.transactions:,}"),
        ("span (UTC)", f"{_day(found.first_occurred_at)} to {_day(found.last_occurred_at)}"),
        ("fraud rate", rate),
        *((f"distinct {entity}", f"{count:,}") for entity, count in found.entities.items()),
        (f"amount in {found.base_currency}, by quantile", ", ".join(f"{s}: {a}" for s, a in amounts.items())),
        ("labels by source", _counts(found.labels_by_source)),
        ("frauds by pattern", _counts(found.frauds_by_pattern)),
    ]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "none"


def _day(at_ms: int | None) -> str:
    return "–" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M")
