"""What commands that run as services share: an orderly end, and a sign of life for a healthcheck."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

HeartbeatFile = Annotated[
    Path | None, typer.Option("--heartbeat", help="A file that is touched while all goes well, for a healthcheck.")
]

MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65_535, help="Show figures to Prometheus at this port of metrics.host; 0 takes any [default: off]."
    ),
]


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set: the work under way is to be ended in an orderly way."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def heartbeat(path: Path | None) -> Callable[[], None]:
    """A function that touches the file, or does nothing where none is given."""
    if path is None:
        return lambda: None
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.touch
