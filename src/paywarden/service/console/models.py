"""Models: versions, what the gate said, and how figures would move with the threshold."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from paywarden.errors import PaywardenError
from paywarden.service.console.guard import Parts, SomeUser
from paywarden.service.console.pages import page
from paywarden.wiring.console import ConsoleParts

router = APIRouter()
_WINDOWS: Final = ("test", "validation")
"""By how much they tell: nothing was chosen on test, thresholds were chosen on validation."""


@router.get("/models")
def models(
    request: Request, parts: Parts, session: SomeUser, version: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """The page of a version, by default the champion, else the newest."""
    try:
        versions = parts.models.versions()
    except PaywardenError as error:
        return page(request, "models.html", session, versions=[], problem=str(error))
    champion = next((v for v in versions if "champion" in v.aliases), None)
    asked = next((v for v in versions if v.version == version), None)
    chosen = asked or champion or next(iter(versions), None)
    context = _documents(parts, chosen.version) if chosen else {}
    return page(request, "models.html", session, versions=versions, chosen=chosen, champion=champion, **context)


def _documents(parts: ConsoleParts, version: int) -> dict[str, Any]:
    report, gate = parts.models.document(version, "report/report.json"), parts.models.document(version, "gate.json")
    window = next((name for name in _WINDOWS if name in (report or {}).get("windows", {})), None)
    return {
        "gate": gate,
        "window": window,
        "figures": report["windows"][window] if report and window else None,
        "curves": report["curves"].get(window) if report and window else None,
    }
