"""`paywarden data`: files of real transactions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import VERDICT, epoch_ms, err, out, print_json, settings_of
from paywarden.errors import ConfigurationError
from paywarden.events.description import Description, FieldCount
from paywarden.events.description import describe as describe_data
from paywarden.events.guessing.proposal import propose

DAY_MS = 86_400_000

app = typer.Typer(
    help="Files of real transactions, read through a mapping; and whether the lake's may be trained on.",
    no_args_is_help=True,
)


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
        rejects = Table("rejected", "rows", "first rows", "why, and what to do", title_justify="left", show_lines=True)
        for reject in found.rejects:
            rows = ", ".join(map(str, reject.sample_rows))
            why = escape(f"{reject.detail}\n→ {reject.remedy}")
            rejects.add_row(f"{reject.event}\n{reject.reason}", f"{reject.count:,}", rows, why)
        out.print(rejects)


@app.command(name="map")
def propose_mapping(
    file: Annotated[Path, typer.Argument(help="A .parquet, .csv or .csv.gz file.")],
    path: Annotated[Path | None, typer.Option("--out", help="Where the mapping goes [default: printed].")] = None,
) -> None:
    """Propose a mapping for a file from the columns it has, with what was guessed and why: to be edited.

    Example: [bold]paywarden data map payments.csv --out payments.yaml[/]
    """
    if path is not None and path.exists():
        raise ConfigurationError(f"there is a file {path} already; remove it, or choose another name")
    proposal = propose(file)
    if path is None:
        out.print(proposal.text.rstrip(), markup=False, highlight=False, soft_wrap=True)
    else:
        _write(path, proposal.text)
        out.print(
            f"written: {path}; look at what it says, then `paywarden data describe {file} --mapping {path}`",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for missing in proposal.missing:
        err.print(f"note: {missing}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def check(
    days: Annotated[
        float | None, typer.Option(help="Check the last so many days [default: since the last training].")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="What may be known, as an ISO time in UTC [default: the newest arrival].")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Check whether what came into the lake since the last training may be trained on.

    Volume by day, refused messages, absent fields, drift against the champion's training window, fraud rate, and
    whether labels still come as they used to. Exit status 0 when all is fine, 3 with the reasons when a training should
    not be run. The settings' section checks has the bounds.

    Example: [bold]paywarden data check --days 7[/]
    """
    found = wiring.check_data(settings_of(), days=days, as_of=epoch_ms(as_of))
    if json:
        print_json(found.to_dict())
    else:
        said = f"{found.figures['transactions']:,} transactions since {_day(found.since)} UTC: {found.verdict}"
        out.print(said, highlight=False)
        for finding in found.findings:
            out.print(f"- {finding.sentence}", highlight=False, markup=False)
    if found.findings:
        raise typer.Exit(VERDICT)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; choose another place") from error


def _rows(found: Description) -> Iterator[tuple[str, str]]:
    yield "rows in the file", f"{found.rows:,}"
    yield "transactions accepted", f"{found.transactions:,}{_a_day(found)}"
    if found.repeated_ids:
        yield "ids that occur again", f"{found.repeated_ids:,}; only the first of each counts in features"
    yield "span (UTC)", f"{_day(found.first_occurred_at)} to {_day(found.last_occurred_at)}"
    yield from ((f"distinct {entity}", f"{count:,}") for entity, count in found.entities.items())
    if not found.entities:
        yield "entities", "none: there are no features of history, and the transaction id routes"
    amounts = {share: f"{amount / 100:,.2f}" for share, amount in found.amount_quantiles.items()}
    yield f"amount in {found.base_currency}, by quantile", ", ".join(f"{s}: {a}" for s, a in amounts.items())
    yield "further fields", ", ".join(_field(name, count) for name, count in found.fields.items()) or "none"
    if found.absent:
        yield "not in these data", f"{', '.join(found.absent)}; features of these do not exist"
    if found.fraud_rate is None:
        yield "fraud rate", "no labels"
        return
    yield "fraud rate", f"{found.fraud_rate:.3%} ({found.frauds:,} frauds)"
    yield "labels by source", f"{_counts(found.labels_by_source)}; {found.label_delay_ms / DAY_MS:g} days later"
    if found.frauds_by_pattern.keys() - {"none"}:
        yield "frauds by pattern", _counts(found.frauds_by_pattern)


def _a_day(found: Description) -> str:
    if found.first_occurred_at is None or found.last_occurred_at is None:
        return ""
    days = max((found.last_occurred_at - found.first_occurred_at) / DAY_MS, 1)
    return f", {found.transactions / days:,.0f} a day"


def _field(name: str, count: FieldCount) -> str:
    notes = [] if count.distinct is None else [f"{count.distinct:,} values"]
    if count.known < 1:
        notes.append(f"known in {count.known:.1%}")
    return f"{name} ({', '.join(notes)})" if notes else name


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "none"


def _day(at_ms: int | None) -> str:
    return "–" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
