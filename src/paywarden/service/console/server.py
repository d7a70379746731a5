"""The console's server."""

from __future__ import annotations

from collections.abc import Callable

import uvicorn

from paywarden.service.audit import audit_log, hear
from paywarden.service.console.app import console_app
from paywarden.service.metrics.console import ConsoleMetrics
from paywarden.service.metrics.endpoint import metrics_endpoint, new_registry
from paywarden.service.metrics.monitor_file import MonitorFile
from paywarden.settings import Settings
from paywarden.wiring.console import console_parts


def serve_console(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are answered first."""
    registry, wanted = new_registry("console"), settings.console
    MonitorFile(wanted.monitor_report.with_name("metrics.prom"), registry)
    log = audit_log()
    hear("uvicorn", log)
    app = console_app(console_parts(settings), ConsoleMetrics(registry), log)
    with metrics_endpoint(settings.metrics, registry, say):
        uvicorn.run(app, host=wanted.host, port=wanted.port, access_log=False, server_header=False, log_config=None)
