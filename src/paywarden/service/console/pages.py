"""Templates, and what every page knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from paywarden.clock import system_clock
from paywarden.events.masking import masked
from paywarden.service.console.words import FILTERS
from paywarden.wiring.console import Session

_FOLDER: Final = Path(__file__).parent
STATIC: Final = _FOLDER / "static"
_templates = Jinja2Templates(_FOLDER / "templates")
_templates.env.filters.update({**FILTERS, "masked": masked})
_templates.env.trim_blocks = _templates.env.lstrip_blocks = True


def page(
    request: Request,
    template: str,
    session: Session | None,
    *,
    answer: int = 200,
    **context: Any,  # noqa: ANN401 -- a template's
) -> HTMLResponse:
    """A page, or a piece of one, for whoever is logged in."""
    known = {"session": session, "user": session.user if session else None, "now": system_clock()}
    return _templates.TemplateResponse(request, template, {**known, **context}, status_code=answer)
