"""`paywarden stream`: decisions on live transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paywarden import wiring
from paywarden.cli.console import log, settings_of
from paywarden.cli.service import HeartbeatFile, MetricsPort, figures, heartbeat, stop_on_signals
from paywarden.cli.stream_progress import StreamProgress
from paywarden.clock import Clock
from paywarden.errors import PaywardenError
from paywarden.settings import Settings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

app = typer.Typer(help="The Spark stream: transactions in, decisions out.", no_args_is_help=True)

READY = "the stream is running"
_POLL_SECONDS = 0.2
_CHAMPION_POLL_SECONDS = 5.0


@app.command()
def run(
    bootstrap_servers: Annotated[str | None, typer.Option(help="Kafka's host:port.")] = None,
    directory: Annotated[Path | None, typer.Option(help="Checkpoint, manifests and identity of the stream.")] = None,
    max_offsets: Annotated[int | None, typer.Option(help="At most so many records a micro-batch.")] = None,
    takeover: Annotated[bool, typer.Option("--takeover", help="Take the lease from a stream that is dead.")] = False,
    until_idle: Annotated[float | None, typer.Option(help="End after so many seconds without a record.")] = None,
    wait_for_champion: Annotated[
        bool, typer.Option("--wait-for-champion", help="Wait until the first model serves, instead of failing.")
    ] = False,
    build_state: Annotated[
        bool, typer.Option("--build-state", help="Build a new stream's state from the lake, where it is missing.")
    ] = False,
    beat: HeartbeatFile = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Run the stream until SIGTERM or Ctrl-C; the micro-batch under way is finished first.

    It starts where its checkpoint stands; a new one where the state build ended, else at Kafka's beginning. The
    champion is looked up between micro-batches; one that needs another state is taken up once `paywarden state build`
    has made it. Lists and rules of `policy.file` are looked at between micro-batches, too; a wrong file is told, and
    the former goes on. A line a batch says rows, speed, latency, lag and alerts.

    Examples: [bold]paywarden stream run --max-offsets 20000[/],
    [bold]paywarden stream run --wait-for-champion --build-state[/]
    """
    settings = settings_of(
        kafka__bootstrap_servers=bootstrap_servers,
        stream__directory=directory,
        stream__max_offsets_per_batch=max_offsets,
        metrics__port=metrics_port,
    )
    # Not above: it reads its environment when imported, which `paywarden serve` sets for its workers first.
    from paywarden.service.metrics.stream import StreamMetrics  # noqa: PLC0415

    def made_of(registry: CollectorRegistry, clock: Clock) -> StreamProgress:
        return StreamProgress.of(settings, StreamMetrics(registry, clock))

    with figures(settings, "stream", made_of, StreamProgress.look) as progress:
        stop, alive = stop_on_signals(), heartbeat(beat)
        if wait_for_champion:
            progress.metrics.waiting.set(1)
            if not _champion_came(settings, stop, alive):
                return
            progress.metrics.waiting.set(0)
        if build_state:
            wiring.build_missing_state(settings, log.warn, log.say)
        _run(settings, progress, stop, alive, until_idle, takeover=takeover)


def _run(
    settings: Settings,
    progress: StreamProgress,
    stop: threading.Event,
    alive: Callable[[], None],
    until_idle: float | None,
    *,
    takeover: bool,
) -> None:
    def warn(text: str) -> None:
        progress.metrics.warnings.inc()
        log.warn(text)

    with wiring.stream(
        settings, progress, warn=warn, say=log.say, takeover=takeover, measure=progress.metrics.measure
    ) as running:
        log.say(READY)
        while not stop.is_set() and not running.failed:
            stop.wait(_POLL_SECONDS)
            alive()
            if until_idle is not None and running.idle_seconds > until_idle:
                break
        log.say("stopping after the present batch")


def _champion_came(settings: Settings, stop: threading.Event, alive: Callable[[], None]) -> bool:
    """Whether there is a champion, waited for until one is there or the command is told to end."""
    registry, said = wiring.registry(settings), ""
    while not stop.is_set():
        try:
            if registry.find_champion() is not None:
                return True
            state = "waiting for the first champion: `paywarden train` makes one"
        except PaywardenError as error:
            state = f"waiting for the registry: {error}"
        if state != said:
            log.say(state)
        said = state
        alive()
        stop.wait(_CHAMPION_POLL_SECONDS)
    return False
