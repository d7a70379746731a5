"""The console's server."""

from __future__ import annotations

import uvicorn

from paywarden.service.console.app import console_app
from paywarden.settings import Settings
from paywarden.wiring.console import console_parts


def serve_console(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are answered first."""
    app, wanted = console_app(console_parts(settings)), settings.console
    uvicorn.run(app, host=wanted.host, port=wanted.port, access_log=False, server_header=False, log_level="warning")
