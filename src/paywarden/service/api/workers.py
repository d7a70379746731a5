"""Runs the API: in this process, or in several that share one socket."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from types import FrameType

from paywarden.errors import EnvironmentNotReady
from paywarden.settings import Settings

_BACKLOG = 2048
_GRACE_SECONDS = 20
"""For requests under way and decisions on their way to Kafka, when told to end."""
_LOOK_SECONDS = 0.2
_METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Answer until SIGTERM or SIGINT; requests under way are finished first.

    Raises EnvironmentNotReady where the address cannot be had.
    """
    api = settings.api
    listening = listen(api.host, api.port)
    host, port = listening.getsockname()[:2]
    say(f"the scoring API answers at http://{host}:{port}, described at http://{host}:{port}/docs")
    with listening:
        if api.workers == 1:
            run_worker(settings, listening, None)
        else:
            with tempfile.TemporaryDirectory(prefix="paywarden-metrics-") as shared:
                _supervise(settings, listening, shared, say)


def run_worker(settings: Settings, listening: socket.socket, shared_metrics: str | None) -> None:
    """One worker, in this process."""
    if shared_metrics is not None:
        os.environ[_METRICS_VARIABLE] = shared_metrics  # read when prometheus_client is imported, below
    import uvicorn  # noqa: PLC0415  # starts slowly, and every command imports this file

    from paywarden.service.api.app import scoring_app  # noqa: PLC0415
    from paywarden.service.audit import audit_log, hear  # noqa: PLC0415
    from paywarden.wiring.scoring_api import scoring_parts  # noqa: PLC0415

    log = audit_log()
    hear("uvicorn", log)
    with scoring_parts(settings, log.warning) as parts:
        app = scoring_app(parts, log, shared_metrics)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS, server_header=False
        )
        uvicorn.Server(config).run(sockets=[listening])


def _supervise(settings: Settings, listening: socket.socket, shared: str, say: Callable[[str], None]) -> None:
    """Keep so many workers running; one that ends is replaced."""
    context, stop = multiprocessing.get_context("spawn"), threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)

    def started() -> BaseProcess:
        worker = context.Process(target=run_worker, args=(settings, listening, shared))
        worker.start()
        return worker

    workers = [started() for _ in range(settings.api.workers)]
    while not stop.wait(_LOOK_SECONDS):
        for place, worker in enumerate(workers):
            if not worker.is_alive():
                say(f"a worker ended with status {worker.exitcode}; another one takes its place")
                stop.wait(1.0)  # one that cannot start must not be started in a circle
                workers[place] = started()
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(_GRACE_SECONDS + 10)


def listen(host: str, port: int) -> socket.socket:
    """A socket that workers share. Raises EnvironmentNotReady where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it; without it an answer of two writes waits for the caller's delayed acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise EnvironmentNotReady(
            f"{host}:{port} cannot be listened on ({error.strerror}); set api.host and api.port to an address that is "
            "this machine's and free"
        ) from error
    listening.listen(_BACKLOG)
    listening.set_inheritable(True)
    return listening
