"""Who has access; accounts are made and removed by `paywarden console user`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from paywarden.service.console.guard import Parts, SomeUser, require_role
from paywarden.service.console.pages import page

router = APIRouter()


@router.get("/people")
def people(request: Request, parts: Parts, session: SomeUser) -> Response:
    """The page, for admins."""
    require_role(session, "admin")
    return page(request, "people.html", session, people=parts.accounts.all())
