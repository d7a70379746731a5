"""Where Prometheus reads a command's figures: a port of its own, off unless one is set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Info, ProcessCollector, start_http_server

from paywarden import __version__
from paywarden.errors import EnvironmentNotReady
from paywarden.settings import MetricsSettings


def new_registry(part: str) -> CollectorRegistry:
    """A registry that knows which part of the platform it is of, its version, and the process's memory and time."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    Info("paywarden_build", "Which part this is, and its version", registry=registry).info(
        {"part": part, "version": __version__}
    )
    return registry


@contextmanager
def metrics_endpoint(
    wanted: MetricsSettings, registry: CollectorRegistry, say: Callable[[str], None]
) -> Iterator[None]:
    """GET /metrics is answered while the block lasts; without a port nothing listens.

    Raises EnvironmentNotReady where the address cannot be had.
    """
    if wanted.port is None:
        yield
        return
    try:
        server, thread = start_http_server(wanted.port, wanted.host, registry)
    except OSError as error:
        raise EnvironmentNotReady(
            f"{wanted.host}:{wanted.port} cannot be listened on for metrics ({error.strerror}); set metrics.host and "
            "metrics.port (--metrics-port) to an address that is this machine's and free, or leave the port out"
        ) from error
    say(f"figures for Prometheus: http://{wanted.host}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
