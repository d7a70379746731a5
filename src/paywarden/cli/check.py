"""`paywarden check`: whether everything is configured and reachable."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from paywarden import probes
from paywarden.cli.console import USER_ERROR, out, print_json, settings_of
from paywarden.errors import PaywardenError

Result = tuple[str, bool, str]


def check(
    stack: Annotated[
        bool,
        typer.Option("--stack", help="Try also topics, listeners, storage, versions, clock and disks."),
    ] = False,
    compose: Annotated[
        Path, typer.Option(help="With --stack: the directory of compose.yaml, looked at where docker is.")
    ] = Path("deploy/compose"),
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Validate the settings, then try Java, Kafka, the lake, the state and MLflow; say what to do about each failure.

    Exit status 0 when all is well, 1 otherwise. Nothing is changed; with --stack, an object is put into the lake's
    storage, read back and deleted.

    Examples: [bold]paywarden check[/], [bold]paywarden check --stack --json[/]
    """
    settings = settings_of()
    asked = {"settings": probes.settings_agree, **probes.PROBES, **(probes.STACK_PROBES if stack else {})}
    tried: dict[str, Callable[[], str]] = {name: partial(probe, settings) for name, probe in asked.items()}
    if stack:
        tried |= probes.docker_probes(compose)
    results: list[Result] = [_try(name, probe) for name, probe in tried.items()]
    well = all(passed for _, passed, _ in results)
    if json:
        print_json({"well": well, "checks": [{"name": name, "passed": ok, "said": said} for name, ok, said in results]})
    else:
        out.print(_table(results))
    if not well:
        raise typer.Exit(USER_ERROR)


def _table(results: list[Result]) -> Table:
    table = Table("what", "", "found, or what to do")
    for name, passed, text in results:
        table.add_row(name, "[green]ok[/]" if passed else "[bold red]failed[/]", escape(text))
    return table


def _try(name: str, probe: Callable[[], str]) -> Result:
    try:
        return name, True, probe()
    except PaywardenError as error:
        return name, False, str(error)
