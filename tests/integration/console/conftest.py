"""The console over a database in SQLite, with an analyst, a lead and an admin."""

from __future__ import annotations

import io
import shutil

import httpx
import pytest
from tests.console_server import listening
from tests.integration.alerts.decisions import SCHEMA

from paywarden.adapters.alerts.intake import SqlCaseIntake
from paywarden.events.alerts import Intake
from paywarden.jobs.alerts import _alerts_of, _payments_of
from paywarden.service.audit import audit_log
from paywarden.settings import Settings
from paywarden.wiring.console import console_parts

PASSWORD = "long enough for a test"  # noqa: S105 -- of accounts that live as long as the test


@pytest.fixture(scope="session")
def new_database(tmp_path_factory):
    """A database with an account of each role and nothing else: made once, since that takes seconds; to be copied."""
    folder = tmp_path_factory.mktemp("new")
    made = console_parts(_settings(folder))
    for name in ("analyst", "lead", "admin"):
        made.accounts.put(name, PASSWORD, name)
    made.health.database.close()
    return folder / "cases.sqlite"


@pytest.fixture
def parts(tmp_path, new_database):
    """What the console works with; nothing listens where Kafka and the registry would be."""
    shutil.copy(new_database, tmp_path)
    made = console_parts(_settings(tmp_path))
    yield made
    made.health.database.close()


def _settings(folder):
    return Settings(
        cases={"database": f"sqlite:///{folder / 'cases.sqlite'}"},
        console={"monitor_report": folder / "report.json"},
        mlflow={"tracking_uri": f"sqlite:///{folder / 'mlflow.db'}"},
        kafka={"bootstrap_servers": "127.0.0.1:1"},
    )


@pytest.fixture
def take(parts):
    """Takes messages of decisions as alerts, and others as payments."""
    reached = {"alerts": None, "predictions": None}

    def take(*alerts, payments=()):
        (found, _, _), _ = _alerts_of(alerts, SCHEMA)
        (_, table, minutes), _ = _payments_of([*payments, *alerts], SCHEMA)
        intake = SqlCaseIntake(parts.health.database)
        for topic, rows in (("alerts", (found, None, ())), ("predictions", ((), table, minutes))):
            end = (reached[topic] or 0) + 1
            intake.take(Intake(topic, {0: reached[topic]}, {0: end}, *rows))
            reached[topic] = end

    return take


@pytest.fixture
def log():
    """What the audit log was told."""
    return io.StringIO()


@pytest.fixture
def address(parts, log):
    """Where the console listens."""
    with listening(parts, audit_log(log)) as address:
        yield address


@pytest.fixture
def browser(address):
    """A client that is not logged in."""
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture
def log_in(browser):
    """Logs in with a role; gives the client."""

    def log_in(role="analyst"):
        assert browser.post("/login", data={"name": role, "password": PASSWORD}).headers["location"] == "/queue"
        return browser

    return log_in
