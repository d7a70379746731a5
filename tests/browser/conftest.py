"""A real Chromium, and the console as people use it: over a database, a real broker and a real registry."""

from __future__ import annotations

import os
import shutil
import threading
import time

import pytest
from playwright.sync_api import sync_playwright
from tests.browser.registry import register
from tests.console_server import listening

from paywarden.adapters.kafka.admin import ensure_topics
from paywarden.settings import Settings
from paywarden.wiring.alerts import alert_work
from paywarden.wiring.console import console_parts

PASSWORD = "long enough for a test"  # noqa: S105 -- of accounts that live as long as the test
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync",
]  # fmt: skip
WAIT_MS = 120_000
"""A busy machine is slow, and no wait is a claim about speed."""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """The browser, with a profile of its own; no longer than needed: Playwright keeps an event loop in this thread."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing = "there is no Chromium on PATH; on Debian or Ubuntu: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"), executable_path=found, args=FLAGS, timeout=WAIT_MS,
            viewport={"width": 1280, "height": 860}, color_scheme="light",
        )  # fmt: skip
        context.set_default_timeout(WAIT_MS)
        yield context
        context.close()


@pytest.fixture(scope="module")
def settings(kafka, tmp_path_factory):
    """Topics of our own, and a registry with one version."""
    folder, stem = tmp_path_factory.mktemp("console"), f"browser{time.time_ns()}"
    topics = {name: f"{stem}.{name}" for name in ("alerts", "predictions", "labels", "dead_letters")}
    ensure_topics(kafka, dict.fromkeys(topics.values(), 2))
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    register(uri, folder / "artifacts")
    return Settings(
        kafka={"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
        cases={"database": f"sqlite:///{folder / 'cases.sqlite'}"},
        console={"monitor_report": folder / "report.json"},
        mlflow={"tracking_uri": uri},
    )


@pytest.fixture(scope="module")
def parts(settings):
    """What the console works with."""
    made = console_parts(settings)
    made.accounts.put("ann", PASSWORD, "analyst")
    yield made
    made.health.database.close()


@pytest.fixture(scope="module")
def work(settings):
    """What `paywarden alerts run` does, again and again beside the tests."""
    done, stop = alert_work(settings), threading.Event()

    def run():
        while not stop.is_set():
            done.take()
            done.send()
            stop.wait(0.2)

    thread = threading.Thread(target=run)
    thread.start()
    yield done
    stop.set()
    thread.join()
    done.close()


@pytest.fixture(scope="module")
def address(parts, work):
    """Where the console listens."""
    with listening(parts) as address:
        yield address
