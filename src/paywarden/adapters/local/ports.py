"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import random
import socket
import time
from pathlib import Path

from paywarden.errors import EnvironmentNotReady

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below Linux's ephemeral range (32768 on), so that a client's outgoing connection never takes a server's port."""

_ATTEMPTS = 200
_SOON_SECONDS = 2.0


def free_port() -> int:
    """A TCP port nobody listens on at 127.0.0.1, in 20000 to 32000.

    Another process may still take it before the caller does; servers here therefore start again on another port.
    Raises :class:`EnvironmentNotReady` when no port of the range is free.
    """
    chooser = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = chooser.randint(_LOWEST, _HIGHEST)
        if is_free(port):
            return port
    raise EnvironmentNotReady(
        f"No free TCP port between {_LOWEST} and {_HIGHEST} on 127.0.0.1 in {_ATTEMPTS} tries. "
        "Stop servers that are no longer needed and run again."
    )


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:``port`` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too: a port whose last connection is in TIME_WAIT can be listened on again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_free_soon(port: int) -> bool:
    """The same, with two seconds of patience: a server that was killed may hold its port a moment longer."""
    end = time.monotonic() + _SOON_SECONDS
    while not is_free(port):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def chosen_port(asked: int | None, remembered: Path) -> int:
    """The port to start a server on: the one asked for, else that of its last run where it is free, else any free one.

    ``remembered`` is the file with the last run's, if there was one. Raises :class:`EnvironmentNotReady` when the asked
    port is taken.
    """
    if asked is not None:
        if not is_free(asked):
            raise EnvironmentNotReady(
                f"Port {asked} on 127.0.0.1 is taken. Stop what listens there or ask for another port."
            )
        return asked
    if remembered.exists():
        port = int(remembered.read_text())
        if is_free_soon(port):
            return port
    return free_port()
