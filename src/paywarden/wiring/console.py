"""What the console's pages work with."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paywarden import wiring
from paywarden.adapters.alerts.accounts import Session, SqlAccounts
from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.queue import SqlCaseQueue
from paywarden.adapters.alerts.verdicts import SqlCaseReview
from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.adapters.mlflow.versions import RegisteredVersion
from paywarden.errors import RegistryError
from paywarden.events.currency import CurrencyTable
from paywarden.jobs.verdict_record import VerdictRecord
from paywarden.settings import Settings
from paywarden.wiring.alerts import case_database, case_queue, case_review
from paywarden.wiring.stream_health import Health

__all__ = ["ConsoleParts", "Session", "console_accounts", "console_parts"]

_KEPT_SECONDS: Final = 30.0


@dataclass(frozen=True)
class ModelVersion:
    """A version with what the gate said of it."""

    version: int
    aliases: tuple[str, ...]
    created_at: int
    bundle_digest: str
    verdict: VerdictRecord | None


@dataclass
class Models:
    """The registry as pages show it: what was read stays for half a minute, so that a page costs no round trips."""

    registry: MlflowRegistry
    _kept: dict[object, tuple[float, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def versions(self) -> list[ModelVersion]:
        """Every version, the newest first. Raises RegistryError where the registry does not answer."""
        known: list[RegisteredVersion] = self._remembered("versions", self.registry.list_versions)
        return [_version(found) for found in known]

    def document(self, version: int, name: str) -> dict[str, Any] | None:
        """A JSON document of a version; None where there is none."""

        def read() -> Any:  # noqa: ANN401 -- JSON
            try:
                return json.loads(self.registry.document(version, name))
            except RegistryError:
                return None

        found: dict[str, Any] | None = self._remembered((version, name), read)
        return found

    def _remembered(self, key: object, read: Any) -> Any:  # noqa: ANN401
        with self._lock:
            at, value = self._kept.get(key, (0.0, None))
            if at + _KEPT_SECONDS < time.monotonic() or at == 0.0:
                value = read()
                self._kept[key] = (time.monotonic(), value)
        return value


def _version(found: RegisteredVersion) -> ModelVersion:
    record = VerdictRecord.of_tags(found.tags)
    return ModelVersion(found.version, found.aliases, found.created_at, found.bundle_digest, record)


@dataclass(frozen=True)
class ConsoleParts:
    """Everything that pages read and change."""

    queue: SqlCaseQueue
    review: SqlCaseReview
    accounts: SqlAccounts
    models: Models
    health: Health
    currencies: CurrencyTable
    card_entity: str | None
    monitor_path: Path
    https_only: bool
    session_seconds: int

    def monitor_report(self) -> dict[str, Any] | None:
        """What `paywarden monitor` found last; None where it has not run yet, or is not readable."""
        try:
            found: dict[str, Any] = json.loads(self.monitor_path.read_text())
        except (OSError, ValueError):
            return None
        return found


def console_accounts(settings: Settings) -> SqlAccounts:
    """Who may use the console."""
    return _accounts(settings, case_database(settings))


def console_parts(settings: Settings) -> ConsoleParts:
    """What the console's pages work with here."""
    database, wanted, schema = case_database(settings), settings.console, wiring.event_schema(settings)
    return ConsoleParts(
        queue=case_queue(database),
        review=case_review(database, schema),
        accounts=_accounts(settings, database),
        models=Models(wiring.registry(settings)),
        health=Health(settings, database),
        currencies=wiring.currency_table(settings),
        card_entity=schema.routing_entity,
        monitor_path=wanted.monitor_report,
        https_only=wanted.https_only,
        session_seconds=int(wanted.session_hours * 3600),
    )


def _accounts(settings: Settings, database: CaseDatabase) -> SqlAccounts:
    return SqlAccounts(database, session_ms=int(settings.console.session_hours * 3_600_000))
