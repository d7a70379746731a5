"""`paywarden state`: the online state."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import err, out, settings_of
from paywarden.jobs.train import read_history

app = typer.Typer(help="The online state: build it from the lake, look at its size.", no_args_is_help=True)


@app.command()
def build(
    takeover: Annotated[bool, typer.Option("--takeover", help="Take the lease from a stream that is dead.")] = False,
) -> None:
    """Build the online state by a replay of the lake, as a new stream epoch; a stream then goes on from there.

    What the store holds is replaced. Archive first, so that the lake is up to date.

    Example: [bold]paywarden archive && paywarden state build[/]
    """
    settings = settings_of()
    topics = settings.kafka.topics
    history = read_history(wiring.lake(settings), topics.transactions, topics.labels)
    err.print(f"replaying {history.transactions.num_rows:,} transactions and {history.labels.num_rows:,} labels")
    built = wiring.rebuild_state(settings, history, takeover=takeover)
    records = {entity: len(states.keys) for entity, states in built.replay.states.items()}
    out.print(f"stream epoch {built.manifest.stream_epoch}: {records}", highlight=False)


@app.command()
def show() -> None:
    """Print the newest batch and how many records and bytes the store holds of each entity.

    Example: [bold]paywarden state show[/]
    """
    store = wiring.open_store(settings_of())()
    table = Table("entity", "records", "bytes", "bytes a record", title=f"state at {store.current()}")
    for size in store.stats():
        each = size.payload_bytes / size.records if size.records else 0
        table.add_row(size.entity, f"{size.records:,}", f"{size.payload_bytes:,}", f"{each:,.0f}")
    out.print(table)
    store.close()
