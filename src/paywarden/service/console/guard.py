"""What stands before every page: who is asking, forms that are really ours, and headers that shut out the rest."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from paywarden.events.accounts import Role
from paywarden.service.audit import AuditLog
from paywarden.wiring.console import ConsoleParts, Session

COOKIE: Final = "paywarden_session"
_HEADERS: Final = {
    # No script, style, font or image but our own files; nothing inline, nothing framed, forms to ourselves alone.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


class NotLoggedIn(Exception):
    """Nobody is logged in, or no longer."""


class NotAllowed(Exception):
    """The form or the role is wrong for what was asked."""


async def with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """The answer with headers; pages about cases are kept in no cache."""
    answer = await call_next(request)
    for name, value in _HEADERS.items():
        answer.headers[name] = value
    kept = request.url.path.startswith("/static/")
    answer.headers["Cache-Control"] = "public, max-age=3600" if kept else "no-store"
    return answer


def parts_of(request: Request) -> ConsoleParts:
    """What the console works with."""
    parts: ConsoleParts = request.app.state.parts
    return parts


Parts = Annotated[ConsoleParts, Depends(parts_of)]


def log_of(request: Request) -> AuditLog:
    """The audit log."""
    log: AuditLog = request.app.state.log
    return log


Log = Annotated[AuditLog, Depends(log_of)]


def logged_in(request: Request, parts: Parts) -> Session:
    """The session of whoever asks."""
    session = parts.accounts.session(request.cookies.get(COOKIE, ""))
    if session is None:
        raise NotLoggedIn
    return session


SomeUser = Annotated[Session, Depends(logged_in)]


async def with_form(request: Request, session: SomeUser) -> Session:
    """The session, where the form bears its token and came from our own pages."""
    require_same_origin(request)
    form = await request.form()
    if not hmac.compare_digest(str(form.get("csrf", "")).encode(), session.csrf.encode()):
        raise NotAllowed("The form is of another session. Load the page again and repeat what you did.")
    return session


FormUser = Annotated[Session, Depends(with_form)]


def require_same_origin(request: Request) -> None:
    """Refuse a form that another site's page sent: browsers say where a form comes from."""
    origin = request.headers.get("origin")
    if origin not in (None, "null") and origin.split("//", 1)[-1] != request.headers.get("host"):
        raise NotAllowed("The form came from another site.")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotAllowed("The form came from another site.")


def require_role(session: Session, role: Role) -> None:
    """Refuse who may less than this role."""
    if not session.user.is_at_least(role):
        raise NotAllowed(f"This needs the role {role}; yours is {session.user.role}.")


def to_login(request: Request, _error: Exception) -> Response:
    """The login page; htmx is told to go there as a whole page."""
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": "/login"})
    return RedirectResponse("/login", 303)
