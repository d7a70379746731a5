"""The console behind a real server on a free port."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import uvicorn

from paywarden.service.console.app import console_app


@contextmanager
def listening(parts, log=None):
    """The address of a console made of these parts."""
    server = uvicorn.Server(uvicorn.Config(console_app(parts, log=log), port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
