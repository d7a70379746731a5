"""The demo's alerts as cases, and a console over them."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from paywarden import wiring
from paywarden.adapters.local.ports import free_port, is_free
from paywarden.settings import Settings
from paywarden.wiring.alerts import alert_work, case_queue
from paywarden.wiring.console import console_accounts

USER: Final = "demo"
_START_SECONDS: Final = 180.0
_ANY_PORT: Final = {"PAYWARDEN_METRICS__PORT": "0"}
"""A port that is set for one command cannot be both of theirs."""


def take_demo_alerts(settings: Settings) -> dict[str, int]:
    """Every alert into the demo's database of cases: how many alerts, cases, and expected loss (minor units)."""
    work = alert_work(settings)
    try:
        taken = work.take()
        found = case_queue(work.database).counts().values()
    finally:
        work.close()
    return {
        "alerts": taken.alerts,
        "cases": sum(cases for cases, _ in found),
        "expected_loss": sum(loss for _, loss in found),
    }


def make_demo_login(settings: Settings) -> str:
    """The password of a new account that may do everything; only its hash is kept."""
    password = secrets.token_urlsafe(12)
    console_accounts(settings).put(USER, password, "admin")
    return password


@contextmanager
def demo_console(settings: Settings, directory: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The address of a running console, with the alert consumer beside it that sends its verdicts.

    ``environment`` leads commands to the demo's servers. It is at the usual port if that is free.
    """
    port = settings.console.port if is_free(settings.console.port) else free_port()
    commands = {"alerts": ["alerts", "run"], "console": ["console", "--port", str(port)]}
    children = [
        wiring.command_process(f"The demo's {name}", words, directory / f"{name}.log", {**environment, **_ANY_PORT})
        for name, words in commands.items()
    ]
    url = f"http://127.0.0.1:{port}/"
    try:
        for child in children:
            child.start()
        children[-1].wait_until(lambda: _answers(url), _START_SECONDS)
        yield url
    finally:
        for child in children:
            child.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}healthz", timeout=5) as answer:  # noqa: S310  # our own
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
