"""`paywarden demo`: watch frauds being caught, with everything real, on this machine."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer

from paywarden import wiring
from paywarden.cli.console import err, out
from paywarden.cli.demo_view import DemoView, scorecard_table
from paywarden.cli.local_platform import LocalPlatform
from paywarden.errors import PaywardenError
from paywarden.events.mapped_data import MappedData
from paywarden.events.schema import EventSchema
from paywarden.jobs.demo import DemoSettings, DemoSource, run_demo
from paywarden.jobs.mapped import DAY_MS, arrivals_between
from paywarden.settings import load_settings
from paywarden.simulation.arrivals import DayArrivals, arrivals
from paywarden.simulation.world import World
from paywarden.wiring.demo_console import USER, demo_console, make_demo_login

_WORLD_LABEL_DELAY_DAYS = 10.0
"""By then nine in ten chargebacks of the simulated world have arrived."""
_FILE_LABEL_DELAY_DAYS = 7.0


def demo(
    data: Annotated[Path | None, typer.Option(help="A file of transactions [default: the simulated world].")] = None,
    mapping: Annotated[str | None, typer.Option(help="How to read DATA: a shipped mapping or a YAML path.")] = None,
    report: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("build/demo/report.json"),
    directory: Annotated[Path, typer.Option(help="Where servers keep their data; emptied first.")] = Path(
        "build/demo/work"
    ),
    rate: Annotated[float | None, typer.Option(help="Live events a second; 0 for as fast as it goes.")] = None,
    days: Annotated[int, typer.Option(min=1, help="Days of live traffic (of the file: its last days).")] = 14,
    keep: Annotated[bool, typer.Option("--keep", help="Leave Kafka, MLflow and a console up until Ctrl-C.")] = False,
) -> None:
    """Run the whole loop: history to Kafka to lake, train, register, stream live transactions, and keep account.

    A real Kafka broker and MLflow start on free ports and stop at the end. Alerts become cases in a database of the
    demo's own; with --keep the console shows them. With --data the last days of a file are
    replayed in place of the simulated world.

    Examples: [bold]paywarden demo[/], [bold]paywarden demo --keep[/],
    [bold]paywarden demo --data handbook_raw.parquet --mapping handbook --days 21[/]
    """
    if (data is None) != (mapping is None):
        raise typer.BadParameter("--data and --mapping go together: a file, and how to read it")
    signal.signal(signal.SIGTERM, _interrupt)
    if data is None:
        schema, source = EventSchema(), _world(days)
        overrides: dict[str, Any] = {"policy": {"alerts_per_day": 40.0}}
        rate = 400.0 if rate is None else rate
    else:
        mapped = wiring.mapped_data(load_settings(), data, str(mapping))
        schema, source = mapped.schema, _file(mapped, str(data), days)
        overrides = {"events": {**wiring.declared(schema), "base_currency": mapped.currencies.base}}
    started = time.monotonic()
    overrides["training"] = {"strategies": ["none"]}  # comparing what to do about rare fraud takes four times as long
    platform = LocalPlatform(directory, schema, overrides, say=lambda text: err.print(f"  {text}", highlight=False))
    view = DemoView(source.truth, platform)
    try:
        figures = run_demo(platform, source, DemoSettings(rate or None), view)
        figures["seconds"] = round(time.monotonic() - started, 1)
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
        out.print(scorecard_table(figures))
        _where_next(platform, report, figures)
        _show_cases(platform, keep=keep)
    finally:
        err.print("stopping the servers")
        platform.stop()
    if not (figures["account"]["complete"] and figures["replay"]["parity"]["exact"]):
        err.print("[bold red]the account does not balance, or served and replayed decisions differ[/]: see the report")
        raise typer.Exit(1)


def _world(live_days: int, history_days: int = 90) -> DemoSource:
    """A simulated world: its first days as history, the following ones live."""
    world = World(seed=1, cards=2_000, merchants=700)
    stream = arrivals(world.days(0, history_days + live_days), drain=False)
    days = list(stream)
    truth = pa.concat_tables([day.truth for day in world.days(history_days - 1, history_days + live_days)])
    return DemoSource(
        name="simulated world",
        history=days[:history_days],
        live=_not_empty(days[history_days:]),
        truth=truth,
        label_delay_days=_WORLD_LABEL_DELAY_DAYS,
    )


def _not_empty(days: list[DayArrivals]) -> list[DayArrivals]:
    return [day for day in days if day.transactions.num_rows or day.labels.num_rows]


def _file(mapped: MappedData, name: str, live_days: int) -> DemoSource:
    """A mapped file: its last days live, what came before as history."""
    span = pc.min_max(mapped.transactions["received_at"]).as_py()
    end = (span["max"] // DAY_MS + 1) * DAY_MS
    cut = end - live_days * DAY_MS
    frauds = mapped.labels.filter(mapped.labels["is_fraud"])
    row = pc.index_in(mapped.transactions["transaction_id"], value_set=frauds["transaction_id"].combine_chunks())
    truth = pa.table(
        {
            "transaction_id": mapped.transactions["transaction_id"],
            "is_fraud": row.is_valid(),
            "pattern": frauds["pattern"].take(row.combine_chunks()),
        }
    )
    return DemoSource(
        name=name,
        history=arrivals_between(mapped.transactions, mapped.labels, span["min"], cut),
        live=arrivals_between(mapped.transactions, mapped.labels, cut, end),
        truth=truth,
        label_delay_days=_FILE_LABEL_DELAY_DAYS,
    )


def _where_next(platform: LocalPlatform, report: Path, figures: dict[str, Any]) -> None:
    out.print(f"report: {report}   ({figures['seconds']:.0f} s in all)", highlight=False)
    out.print(
        f"stream's log: {platform.directory / 'stream.log'}; lake: {platform.directory / 'lake'}", highlight=False
    )
    out.print("next: `paywarden features show`, `paywarden demo --keep`, docs/map.md", highlight=False)


def _show_cases(platform: LocalPlatform, *, keep: bool) -> None:
    """Where the cases are to be seen; with ``keep`` they are, until Ctrl-C."""
    database = platform.settings.cases.database.get_secret_value()
    password = make_demo_login(platform.settings)
    if keep:
        err.print("watching the champion, for the console's page Monitoring", highlight=False)
        out.print(f"monitoring: {_watched(platform)}", highlight=False, markup=False)
        with demo_console(platform.settings, platform.directory, platform.environment()) as url:
            _wait(platform, f"console: {url}   log in as {USER} with {password}")
        return
    console = platform.settings.console
    out.print(f"to see the cases: `paywarden console --database {database}`", highlight=False, soft_wrap=True)
    out.print(
        f"console: http://{console.host}:{console.port}/   log in as {USER} with {password}   (shown only now)",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _watched(platform: LocalPlatform) -> str:
    """The monitor's verdict; why there is none, where a short or odd file gives nothing to watch."""
    try:
        return platform.monitor()
    except PaywardenError as error:
        return f"no report: {error}"


def _wait(platform: LocalPlatform, console: str) -> None:
    out.print("Kafka, MLflow and the console stay up until Ctrl-C. Any command finds them with:")
    for name, value in platform.environment().items():
        out.print(f"export {name}='{value}'", highlight=False, soft_wrap=True)
    out.print(console, highlight=False, soft_wrap=True, markup=False)
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        err.print("")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
