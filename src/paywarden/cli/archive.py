"""`paywarden archive`: Kafka to lake."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from paywarden import wiring
from paywarden.cli.console import err, log, out, print_json, settings_of
from paywarden.cli.service import HeartbeatFile, MetricsPort, figures, heartbeat, stop_on_signals
from paywarden.errors import PaywardenError
from paywarden.jobs.archive import Archived, archive_beside_others
from paywarden.settings import Settings

if TYPE_CHECKING:
    from paywarden.service.metrics.archiver import ArchiverMetrics


def archive(
    bootstrap_servers: Annotated[str | None, typer.Option(help="Kafka's host:port.")] = None,
    lake: Annotated[str | None, typer.Option(help="The lake's path or s3:// URL.")] = None,
    every: Annotated[
        float | None, typer.Option(min=0.1, help="Go on for ever, and look every so many seconds for what is new.")
    ] = None,
    beat: HeartbeatFile = None,
    metrics_port: MetricsPort = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was moved as one line of JSON.")] = False,
) -> None:
    """Move everything new from Kafka into the Delta lake, each offset exactly once.

    Run it as often as you like, also beside another one: it goes on where the lake stands, also after a crash. With
    --every it runs until SIGTERM or Ctrl-C; the commit under way is finished first, and a failure of Kafka or the lake
    is said and tried again.

    Examples: [bold]paywarden archive --lake data/lake[/], [bold]paywarden archive --every 60[/]
    """
    settings = settings_of(kafka__bootstrap_servers=bootstrap_servers, lake__path=lake, metrics__port=metrics_port)
    if every is None:
        if metrics_port is not None:
            raise typer.BadParameter("--metrics-port goes with --every: a single run is over before anybody looks")
        with Progress(console=err, transient=True) as bars:
            _tell(_archive(settings, _bars(bars)), _print, as_json=as_json)
        return
    _forever(settings, every, heartbeat(beat), as_json=as_json)


def _forever(settings: Settings, every: float, alive: Callable[[], None], *, as_json: bool) -> None:
    # Not above: it reads its environment when imported, which `paywarden serve` sets for its workers first.
    from paywarden.service.metrics.archiver import ArchiverMetrics  # noqa: PLC0415

    with figures(settings, "archiver", ArchiverMetrics) as metrics:
        _rounds(settings, metrics, every, alive, as_json=as_json)


def _rounds(
    settings: Settings, metrics: ArchiverMetrics, every: float, alive: Callable[[], None], *, as_json: bool
) -> None:
    stop = stop_on_signals()
    while not stop.is_set():
        began = time.monotonic()
        try:
            moved = _archive(settings, _ending(stop, metrics.progress))
        except _Ended:
            break
        except PaywardenError as error:
            metrics.failures.inc()
            log.warn(f"{error}; trying again")
        else:
            metrics.round(moved, time.monotonic() - began)
            alive()
            if any(moved.rows.values()):
                _tell(moved, log.say, as_json=as_json)
        stop.wait(every)
    log.say("stopped after the last commit")


class _Ended(Exception):
    """The command was told to end; raised between two commits."""


_Progress = Callable[[str, int, int], None]


def _archive(settings: Settings, progress: _Progress) -> Archived:
    return archive_beside_others(
        wiring.kafka_source(settings), wiring.lake(settings), wiring.archive_columns(settings), progress=progress
    )


def _bars(bars: Progress) -> _Progress:
    tasks: dict[str, TaskID] = {}

    def progress(topic: str, done: int, total: int) -> None:
        if topic not in tasks:
            tasks[topic] = bars.add_task(topic, total=total)
        bars.update(tasks[topic], completed=done, total=total)

    return progress


def _ending(stop: threading.Event, told: _Progress) -> _Progress:
    def progress(topic: str, done: int, total: int) -> None:
        told(topic, done, total)
        if stop.is_set():
            raise _Ended

    return progress


def _tell(moved: Archived, say: Callable[..., None], *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(moved))
        return
    for topic, rows in moved.rows.items():
        rejected = f", {moved.rejected[topic]:,} of them rejected" if moved.rejected[topic] else ""
        say(f"{topic}: {rows:,} rows{rejected}", topic=topic, rows=rows, rejected=moved.rejected[topic])


def _print(text: str, **_fields: object) -> None:
    out.print(text, highlight=False)
