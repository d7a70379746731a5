"""`paywarden stream`: decisions on live transactions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from paywarden import wiring
from paywarden.cli.console import err, settings_of
from paywarden.cli.service import HeartbeatFile, heartbeat, stop_on_signals
from paywarden.errors import PaywardenError
from paywarden.features.manifest import BatchManifest, BatchOutcome
from paywarden.settings import Settings

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
) -> None:
    """Run the stream until SIGTERM or Ctrl-C; the micro-batch under way is finished first.

    It starts where its checkpoint stands; a new one where the state build ended, else at Kafka's beginning. The
    champion is looked up between micro-batches; one that needs another state is taken up once `paywarden state build`
    has made it. A line a batch says rows, speed, latency, lag and alerts.

    Examples: [bold]paywarden stream run --max-offsets 20000[/],
    [bold]paywarden stream run --wait-for-champion --build-state[/]
    """
    settings = settings_of(
        kafka__bootstrap_servers=bootstrap_servers,
        stream__directory=directory,
        stream__max_offsets_per_batch=max_offsets,
    )
    stop, alive = stop_on_signals(), heartbeat(beat)
    if wait_for_champion and not _champion_came(settings, stop, alive):
        return
    if build_state:
        wiring.build_missing_state(settings, _warn, _say)
    progress = _Progress(wiring.lag_of(settings), wiring.stream_directory(settings) / "progress.jsonl")
    with wiring.stream(settings, progress, warn=_warn, say=_say, takeover=takeover) as running:
        err.print(READY)
        while not stop.is_set() and not running.failed:
            stop.wait(_POLL_SECONDS)
            alive()
            if until_idle is not None and running.idle_seconds > until_idle:
                break
        err.print("stopping after the present batch")


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
            _say(state)
        said = state
        alive()
        stop.wait(_CHAMPION_POLL_SECONDS)
    return False


def _warn(text: str) -> None:
    err.print(f"[yellow]warning[/]: {escape(text)}", highlight=False, soft_wrap=True)


def _say(text: str) -> None:
    err.print(escape(text), highlight=False, soft_wrap=True)


class _Progress:
    """A line a batch for people, and the same as JSON for programs."""

    def __init__(self, lag_of: wiring.LagOf, path: Path) -> None:
        self._lag_of = lag_of
        self._path = path

    def __call__(self, manifest: BatchManifest, outcome: BatchOutcome, seconds: float) -> None:
        lag = self._lag(manifest)
        entry = {"batch": manifest.batch, "rows": outcome.inputs, "seconds": seconds, "lag": lag, **asdict(outcome)}
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        speed = f"{outcome.inputs / seconds:,.0f} rows/s" if seconds else ""
        latency = ""
        if outcome.latency_p50_ms is not None and outcome.latency_p99_ms is not None:
            latency = f", p50 {outcome.latency_p50_ms / 1000:.2f} s, p99 {outcome.latency_p99_ms / 1000:.2f} s"
        behind = "unknown" if lag is None else f"{lag:,}"
        err.print(
            f"batch {manifest.batch}: {outcome.inputs:,} rows in {seconds:.2f} s, {speed}{latency}, lag {behind}, "
            f"{outcome.alerts:,} alerts, {outcome.dead_letters:,} dead letters, model {manifest.bundle_version}",
            highlight=False,
            soft_wrap=True,
        )

    def _lag(self, manifest: BatchManifest) -> int | None:
        """How far behind the stream is; None where Kafka does not say, which must not fail a finished batch."""
        try:
            return self._lag_of(manifest)
        except PaywardenError:
            return None
