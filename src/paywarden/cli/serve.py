"""`paywarden serve`: decisions on request."""

from __future__ import annotations

from typing import Annotated

import typer

from paywarden.cli.console import log, settings_of
from paywarden.service.api.workers import serve as serve_api


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes any free one [default: 8000].")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer [default: 1].")] = None,
) -> None:
    """Answer POST /v1/score until SIGTERM or Ctrl-C, from the state that the stream keeps; it writes none itself.

    The champion is taken up while requests are served. Decisions go to the predictions topic, and act; the stream's
    own decision on the same transaction is an audit then. Callers need a key: `paywarden keys create`.

    Examples: [bold]paywarden serve[/], [bold]paywarden serve --host 0.0.0.0 --workers 4[/]
    """
    settings = settings_of(api__host=host, api__port=port, api__workers=workers)
    log.use(settings.logs, "api")
    serve_api(settings, log.say)
