"""`paywarden backtest`: what a new policy would have decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paywarden.cli.console import epoch_ms, err, out, settings_of
from paywarden.jobs.backtest_report import words_of, write_backtest
from paywarden.wiring.policies import backtest_policy


def backtest(
    policy: Annotated[Path, typer.Option(help="The new policy file: lists and rules.")],
    since: Annotated[str, typer.Option(help="Payments from this day or time on, UTC.")],
    model: Annotated[str, typer.Option(help="A version or an alias.")] = "champion",
    directory: Annotated[Path, typer.Option("--out", help="Where report.json and report.md go.")] = Path(
        "build/backtest"
    ),
) -> None:
    """Hold a policy file against the one in force, on the lake's past payments: alerts, fraud, money, each rule.

    Features are replayed as the stream computed them; fraud is what labels have said by now. Nothing is changed.

    Example: [bold]paywarden backtest --policy new.yaml --since 2024-05-01[/]
    """
    start = epoch_ms(since, "--since")
    if start is None:
        raise typer.BadParameter("--since needs a day or a time")
    found = backtest_policy(settings_of(), policy, start, model=model, say=_say)
    paths = write_backtest(found, directory)
    out.print(words_of(found), highlight=False, markup=False)
    out.print("written: " + ", ".join(map(str, paths)), highlight=False, markup=False)


def _say(text: str) -> None:
    err.print(text, highlight=False, markup=False)
