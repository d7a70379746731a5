"""`paywarden maintain`: what grows is kept in bounds."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import out, print_json, settings_of

app = typer.Typer(help="Keep the lake, MLflow's runs and the online state in bounds.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@app.command()
def lake(json: Json = False, dry_run: DryRun = False) -> None:
    """Compact the lake's small files, and remove those that have been out of use for maintenance.lake_days.

    Readers and the archiver may go on meanwhile. Table versions that the champion and other models under an alias were
    trained on stay readable, as far back as Delta's log goes (30 days).

    Example: [bold]paywarden maintain lake --dry-run[/]
    """
    tended = wiring.maintain_lake(settings_of(), dry_run=dry_run)
    if json:
        print_json({"dry_run": dry_run, "tables": [table.to_dict() for table in tended]})
        return
    shown = Table("table", "version", "files before", "files now", "to remove" if dry_run else "removed")
    for table in tended:
        counts = (table.version, table.files_before, table.files_after, table.removed)
        shown.add_row(table.topic, *(f"{count:,}" for count in counts))
    out.print(shown)


@app.command()
def runs(json: Json = False, dry_run: DryRun = False) -> None:
    """Delete MLflow runs older than maintenance.run_days that bear no version and are not nested under one that does.

    MLflow marks them as deleted; its own command, mlflow gc, then frees their files.

    Example: [bold]paywarden maintain runs --dry-run[/]
    """
    tidied = wiring.maintain_runs(settings_of(), dry_run=dry_run)
    if json:
        print_json({"dry_run": dry_run, **tidied.to_dict()})
        return
    done = "would be removed" if dry_run else "removed"
    out.print(
        f"{len(tidied.removed):,} of {tidied.runs:,} runs {done}; {tidied.kept_for_versions:,} belong to versions",
        highlight=False,
    )


@app.command()
def state(json: Json = False, dry_run: DryRun = False) -> None:
    """Free the records of the online states that have read as empty for a whole lifetime.

    No score changes by it, and a stream may go on meanwhile: it frees the same now and then by itself.

    Example: [bold]paywarden maintain state --dry-run[/]
    """
    swept = wiring.maintain_state(settings_of(), dry_run=dry_run)
    if json:
        print_json({"dry_run": dry_run, "states": [one.to_dict() for one in swept]})
        return
    shown = Table("layout", "records", "to free" if dry_run else "freed", "")
    for one in swept:
        shown.add_row(one.layout[:16], f"{one.records:,}", f"{one.freed:,}", escape(one.problem or ""))
    out.print(shown)
