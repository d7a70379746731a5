"""The `paywarden` command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from paywarden import __version__
from paywarden.cli import (
    alerts,
    archive,
    backtest,
    buckets,
    check,
    data,
    demo,
    dlq,
    evaluate,
    features,
    init,
    keys,
    label,
    maintain,
    models,
    monitor,
    produce,
    serve,
    state,
    stream,
    topics,
    train,
    web_console,
)
from paywarden.cli.console import run_app
from paywarden.settings import CONFIG_VARIABLE

app = typer.Typer(
    name="paywarden",
    help="Real-time payment-fraud detection: one feature engine for training, stream and API.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Start with [bold]paywarden demo[/]. Settings: flags, then PAYWARDEN_… variables, then a YAML file.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    config: Annotated[
        Path | None, typer.Option(help="A YAML settings file [default: paywarden.yaml, if there is one].")
    ] = None,
    version: Annotated[  # noqa: ARG001  # its callback answers
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of every command."""
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)


app.command(name="demo")(demo.demo)
app.command(name="init")(init.init)
app.command(name="topics")(topics.topics)
app.command(name="buckets")(buckets.buckets)
app.command(name="produce")(produce.produce)
app.add_typer(dlq.app, name="dlq")
app.command(name="archive")(archive.archive)
app.command(name="label")(label.label)
app.command(name="train")(train.train)
app.add_typer(models.app, name="models")
app.add_typer(stream.app, name="stream")
app.add_typer(state.app, name="state")
app.add_typer(features.app, name="features")
app.add_typer(data.app, name="data")
app.add_typer(alerts.app, name="alerts")
app.add_typer(web_console.app, name="console")
app.command(name="evaluate")(evaluate.evaluate)
app.command(name="monitor")(monitor.monitor)
app.add_typer(maintain.app, name="maintain")
app.command(name="check")(check.check)
app.command(name="serve")(serve.serve)
app.add_typer(keys.app, name="keys")
app.command(name="backtest")(backtest.backtest)


def main() -> None:
    """Entry point of the console script."""
    run_app(app)


if __name__ == "__main__":
    main()
