"""Free ports are free, and outside the range from which clients' own ports come."""

from __future__ import annotations

import socket
import threading

import pytest

from paywarden.adapters.local import ports
from paywarden.errors import EnvironmentNotReady


def test_a_free_port_can_be_listened_on_and_is_then_not_free():
    port = ports.free_port()
    assert 20_000 <= port <= 32_000
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        assert not ports.is_free(port)


def test_no_port_left_is_told(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(EnvironmentNotReady, match="No free TCP port"):
        ports.free_port()


def test_a_port_that_is_let_go_is_free_soon():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert not ports.is_free(port)
        letting_go = threading.Timer(0.3, holder.close)
        letting_go.start()
        assert ports.is_free_soon(port)
        letting_go.join()


def test_a_port_that_is_kept_is_not():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        assert not ports.is_free_soon(holder.getsockname()[1])
