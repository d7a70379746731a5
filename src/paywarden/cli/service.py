"""What commands that run as services share: an orderly end, a sign of life for a healthcheck, figures."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from paywarden.cli.console import log
from paywarden.clock import Clock, system_clock
from paywarden.errors import PaywardenError
from paywarden.settings import Settings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_LOOK_SECONDS: Final = 15.0
"""As often as Prometheus usually asks."""
_Figures = TypeVar("_Figures")

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


@contextmanager
def figures(
    settings: Settings,
    part: str,
    made_of: Callable[[CollectorRegistry, Clock], _Figures],
    look: Callable[[_Figures], object] | None = None,
) -> Iterator[_Figures]:
    """The log and the figures of a part of the platform, for Prometheus while the block lasts where a port is set.

    Then `look` is called every 15 seconds, too, beside the work and in a thread: what waits is seen to grow also where
    the work hangs. What it raises of ours is passed over, since the work says what is wrong.
    """
    # Not above: it reads its environment when imported, which `paywarden serve` sets for its workers first.
    from paywarden.service.metrics.endpoint import metrics_endpoint, new_registry  # noqa: PLC0415

    log.use(settings.logs, part)
    registry, end = new_registry(part), threading.Event()
    made = made_of(registry, system_clock)

    def looking(look: Callable[[_Figures], object]) -> None:
        while not end.wait(_LOOK_SECONDS):
            with suppress(PaywardenError):
                look(made)

    with metrics_endpoint(settings.metrics, registry, log.say):
        if look is not None and settings.metrics.port is not None:
            threading.Thread(target=looking, args=(look,), daemon=True).start()
        try:
            yield made
        finally:
            end.set()
