"""`paywarden state`: the online state."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import err, out, settings_of
from paywarden.jobs.state_list import ListedState
from paywarden.wiring.state_rebuild import rebuild_online_state

app = typer.Typer(help="The online state: build it from the lake, look at it, drop an old one.", no_args_is_help=True)

_SHORT = 16


@app.command()
def build(
    catalogue: Annotated[
        str | None,
        typer.Option(help="Features: full, core or a YAML file [default: the settings' features.catalogue]."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A version or an alias: build what this registered model needs.")
    ] = None,
    takeover: Annotated[bool, typer.Option("--takeover", help="Take the lease from a stream that is dead.")] = False,
) -> None:
    """Build the online state by a replay of the lake, as a new stream epoch; a stream then goes on from there.

    A state of another layout is left alone, and so is a stream that is running on it: once the champion is a model that
    needs the new state, the stream catches up and goes over to it. Archive first, so that little is left to catch up.

    Examples: [bold]paywarden archive && paywarden state build[/],
    [bold]paywarden state build --catalogue features.yaml[/], [bold]paywarden state build --model challenger[/]
    """
    if catalogue is not None and model is not None:
        raise typer.BadParameter("give --catalogue or --model: a model brings its own catalogue")
    settings = settings_of(features__catalogue=catalogue)
    features = wiring.catalogue_of_model(settings, model) if model is not None else wiring.catalogue(settings)
    built = wiring.build_online_state(settings, features, takeover=takeover, say=_say)
    records = {record: len(states.keys) for record, states in built.replay.states.items()}
    out.print(
        f"stream epoch {built.manifest.stream_epoch}, layout {built.manifest.state_layout[:_SHORT]}: {records}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def rebuild(
    takeover: Annotated[bool, typer.Option("--takeover", help="Take the lease from a stream that is dead.")] = False,
) -> None:
    """Make the state that was lost again, at the batch where the stream stands, by a replay of the lake.

    For a Redis that was restarted without its data, or LMDB files that are damaged or gone. Stop the stream first. What
    Kafka has and the lake has not is archived, every record becomes what it was, and the stream goes on as if nothing
    had been lost. `paywarden state build` begins a new epoch instead, where the stream's checkpoint is gone too.

    Example: [bold]paywarden state rebuild && paywarden stream run[/]
    """
    rebuilt = rebuild_online_state(settings_of(), takeover=takeover, say=_say)
    out.print(
        f"rebuilt: stream epoch {rebuilt.tag.stream_epoch}, batch {rebuilt.tag.batch}, layout "
        f"{rebuilt.layout[:_SHORT]}: {dict(rebuilt.records)}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def show(layout: Annotated[str | None, typer.Argument(help="The beginning of a layout: its records.")] = None) -> None:
    """List the states: their layouts, how far they are, their size, and which one the stream is on.

    With a LAYOUT, how many records and bytes it holds of each kind.

    Examples: [bold]paywarden state show[/], [bold]paywarden state show 3f2a[/]
    """
    states = wiring.list_online_states(settings_of())
    if not states:
        out.print("no state yet; `paywarden state build` or the stream makes it")
    elif layout is None:
        out.print(_overview(states))
    for state in states:
        if layout is not None and state.layout.startswith(layout):
            out.print(_records(state))
        elif state.problem:
            err.print(f"{state.layout[:_SHORT]}: {escape(state.problem)}", highlight=False)


@app.command()
def drop(
    layout: Annotated[str, typer.Argument(help="The beginning of a layout that `paywarden state show` lists.")],
    takeover: Annotated[bool, typer.Option("--takeover", help="Take the lease from a writer that is dead.")] = False,
) -> None:
    """Remove the state of a layout that no model will need any more; never the one the stream is on.

    Example: [bold]paywarden state drop 3f2a9c01[/]
    """
    out.print(f"removed {wiring.drop_online_state(settings_of(), layout, takeover=takeover)}", highlight=False)


def _say(text: str) -> None:
    err.print(escape(text), highlight=False)


def _overview(states: list[ListedState]) -> Table:
    table = Table("layout", "", "features", "newest batch", "covers", "records", "bytes")
    for state in states:
        newest = f"epoch {state.current.stream_epoch}, batch {state.current.batch}" if state.current else ""
        table.add_row(
            state.layout[:_SHORT],
            "live" if state.live else "unfinished" if state.problem else "",
            "" if state.features is None else f"{state.features:,}",
            newest,
            ", ".join(f"{count:,} {topic}" for topic, count in sorted(state.stands.items())),
            f"{sum(size.records for size in state.sizes):,}",
            f"{sum(size.payload_bytes for size in state.sizes):,}",
        )
    return table


def _records(state: ListedState) -> Table:
    table = Table("record", "records", "bytes", "bytes a record", title=f"state of layout {state.layout[:_SHORT]}")
    for size in state.sizes:
        each = size.payload_bytes / size.records if size.records else 0
        table.add_row(size.entity, f"{size.records:,}", f"{size.payload_bytes:,}", f"{each:,.0f}")
    return table
