"""What a command that runs as a service says: lines for people, or JSON for a collector of logs (`logs.format`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

if TYPE_CHECKING:
    from rich.console import Console

    from paywarden.service.audit import AuditLog
    from paywarden.settings import LogSettings


class ServiceLog:
    """Says things on standard error; until :meth:`use` says otherwise, to people."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._json: AuditLog | None = None

    def use(self, settings: LogSettings, part: str) -> None:
        """From now on speak in this format, as this part of the platform."""
        # Not above: it takes a while, and most commands speak to people.
        from paywarden.service.audit import audit_log  # noqa: PLC0415

        self._json = audit_log().bind(part=part) if settings.format == "json" else None

    def say(self, text: str, **fields: Any) -> None:  # noqa: ANN401  # any JSON
        """What happened. ``fields`` are what ``text`` tells as values of their own, for JSON alone."""
        if self._json is not None:
            self._json.info(text, **fields)
        else:
            self._print(escape(text))

    def note(self, text: str, **fields: Any) -> None:  # noqa: ANN401  # any JSON
        """What happened to one thing among many: for JSON alone, since people would drown in it."""
        if self._json is not None:
            self._json.info(text, **fields)

    def warn(self, text: str, **fields: Any) -> None:  # noqa: ANN401  # any JSON
        """What somebody should look at, although the work goes on."""
        if self._json is not None:
            self._json.warning(text, **fields)
        else:
            self._print(f"[yellow]warning[/]: {escape(text)}")

    def fail(self, text: str) -> None:
        """Why the command ends."""
        if self._json is not None:
            self._json.error(text)
        else:
            self._print(f"[bold red]error[/]: {escape(text)}")

    def _print(self, markup: str) -> None:
        self._console.print(markup, highlight=False, soft_wrap=True)
