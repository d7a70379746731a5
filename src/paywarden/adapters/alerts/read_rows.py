"""Rows of the tables as the values that jobs and pages speak of."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import RowMapping

from paywarden.adapters.alerts.tables import alerts, cases
from paywarden.events.cases import CaseAlert, CaseRow

CASE_COLUMNS: Final = tuple(cases.c[name] for name in CaseRow.__dataclass_fields__)
ALERT_COLUMNS: Final = tuple(alerts.c[name] for name in CaseAlert.__dataclass_fields__)


def case_row(row: RowMapping) -> CaseRow:
    """A case from the columns :data:`CASE_COLUMNS`."""
    return CaseRow(**{column.name: row[column] for column in CASE_COLUMNS})


def case_alert(row: RowMapping) -> CaseAlert:
    """An alert from the columns :data:`ALERT_COLUMNS`."""
    values: dict[str, Any] = {column.name: row[column] for column in ALERT_COLUMNS}
    reasons = tuple((reason["code"], reason["text"]) for reason in json.loads(values["reasons"]))
    return CaseAlert(**{**values, "reasons": reasons, "document": bytes(values["document"])})
