"""What monitoring found last: drift, performance on matured labels, how long labels take."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from paywarden.service.console.guard import Parts, SomeUser
from paywarden.service.console.pages import page

router = APIRouter()


@router.get("/monitoring")
def monitoring(request: Request, parts: Parts, session: SomeUser) -> Response:
    """The page, from the report that `paywarden monitor` wrote last."""
    report = parts.monitor_report()
    drifts = sorted(_worst(report), key=lambda drift: -drift["ratio"])[:15] if report else []
    where = parts.monitor_path
    return page(request, "monitoring.html", session, report=report, drifts=drifts, where=where)


def _worst(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each column the window that drifted most, in units of its limit."""
    columns: dict[str, list[dict[str, Any]]] = report["drift"]
    worst = [(name, max(found, key=_ratio)) for name, found in columns.items() if found]
    return [{**drift, "name": name} for name, drift in worst]


def _ratio(drift: dict[str, Any]) -> float:
    return float(drift.get("ratio") or 0.0)
