"""What monitoring found last: drift, performance on matured labels, how long labels take."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from paywarden.service.console.guard import Parts, SomeUser
from paywarden.service.console.pages import page

router = APIRouter()
_SHOWN: Final = 15
_OF_WEEKS: Final = ("average_precision", "recall", "precision")


@router.get("/monitoring")
def monitoring(request: Request, parts: Parts, session: SomeUser) -> Response:
    """The page, from the report that `paywarden monitor` wrote last."""
    report = parts.monitor_report()
    drifts = sorted(_worst(report), key=lambda drift: -drift["ratio"]) if report else []
    judged = _judged(report["performance"]) if report and report["performance"] else None
    return page(
        request,
        "monitoring.html",
        session,
        report=report,
        drifts=drifts[:_SHOWN],
        score_drift=next((drift for drift in drifts if drift["name"] == "score"), None),
        judged=judged,
        where=parts.monitor_path,
    )


def _judged(performance: dict[str, Any]) -> dict[str, Any]:
    """The figures of the whole beside the promise, and the weeks of those that there are weeks of."""
    whole = {one["name"]: one for one in performance["compared"] if not one["segment"]}
    weeks: list[dict[str, Any]] = performance["weeks"]
    charts = {
        name: {
            "at": [week["start"] // 1000 for week in weeks],
            **dict(zip(("value", "low", "high"), zip(*(week[name] for week in weeks), strict=True), strict=True)),
            "promised": whole[name]["promised"] if name in whole else None,
        }
        for name in _OF_WEEKS
        if weeks and name in weeks[0]
    }
    return {"figures": list(whole.values()), "charts": charts}


def _worst(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each column the window that drifted most, in units of its limit."""
    columns: dict[str, list[dict[str, Any]]] = report["drift"]
    worst = [(name, max(found, key=_ratio)) for name, found in columns.items() if found]
    return [{**drift, "name": name} for name, drift in worst]


def _ratio(drift: dict[str, Any]) -> float:
    return float(drift.get("ratio") or 0.0)
