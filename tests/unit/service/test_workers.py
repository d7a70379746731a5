import socket

import pytest

from paywarden.errors import EnvironmentNotReady
from paywarden.service.api.workers import listen


def test_what_is_written_in_two_pieces_leaves_at_once():
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken_is_refused_with_the_remedy():
    with listen("127.0.0.1", 0) as listening:
        host, port = listening.getsockname()
        with pytest.raises(EnvironmentNotReady, match=f"{host}:{port} cannot be listened on .*api.port"):
            listen(host, port)
