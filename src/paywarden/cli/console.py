"""What every command shares: the console, settings from the context, and errors said in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from paywarden.cli.service_log import ServiceLog
from paywarden.errors import PaywardenError
from paywarden.settings import Settings, load_settings

out = Console()
err = Console(stderr=True)
log = ServiceLog(err)
"""What services say; a command that was not told to be one speaks to people."""

USER_ERROR = 1
VERDICT = 3
"""Exit status of a check that did its work and advises against going on."""
INTERRUPTED = 130


def settings_of(**flags: Any) -> Settings:  # noqa: ANN401 (pydantic checks them)
    """Settings for a command: flags that were given, then environment, then file, then defaults.

    ``flags`` are named ``section__field``; one that is None was not given.
    """
    given: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None:
            continue
        *sections, field = name.split("__")
        place = given
        for section in sections:
            place = place.setdefault(section, {})
        place[field] = value
    return load_settings(**given)


def epoch_ms(as_of: str | None, option: str = "--as-of") -> int | None:
    """An ISO time (UTC where it names no zone) as epoch ms; None for None. ``option`` is what gave it."""
    if as_of is None:
        return None
    try:
        at = datetime.fromisoformat(as_of)
    except ValueError as error:
        raise typer.BadParameter(f"{option} is {as_of!r}; write it as 2024-05-01 or 2024-05-01T06:00") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def saying(status: Status) -> Callable[[str], None]:
    """Says steps on stderr: each stays on the screen; the last one turns beside the spinner."""

    def say(text: str) -> None:
        err.print(text, highlight=False, markup=False)
        status.update(escape(text))

    return say


def print_json(document: object) -> None:
    """One line of JSON on stdout, and nothing else there: for schedulers, which read the last line."""
    print(json.dumps(document, separators=(", ", ": "), default=str), flush=True)  # noqa: T201  # rich would wrap it


def run_app(app: Callable[[], None]) -> None:
    """Run the command line: a PaywardenError ends as a message and exit 1, Ctrl-C as exit 130, without a traceback."""
    try:
        app()
    except PaywardenError as error:
        log.fail(str(error))
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        log.say("interrupted")
        sys.exit(INTERRUPTED)
