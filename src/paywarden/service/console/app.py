"""The console's application."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles

from paywarden.errors import DataError, PaywardenError
from paywarden.service.audit import AuditLog, audit_log
from paywarden.service.console import case, login, models, monitoring, people, queue, stream
from paywarden.service.console.guard import COOKIE, NotAllowed, NotLoggedIn, to_login, with_headers
from paywarden.service.console.pages import STATIC, page
from paywarden.service.metrics.console import ConsoleMetrics
from paywarden.wiring.console import ConsoleParts


def console_app(parts: ConsoleParts, metrics: ConsoleMetrics | None = None, log: AuditLog | None = None) -> FastAPI:
    """The application over these parts; ``metrics`` count its requests, ``log`` says who decided what."""
    app = FastAPI(title="Paywarden console", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.parts = parts
    app.state.log = log or audit_log()
    app.middleware("http")(with_headers)
    if metrics is not None:
        app.middleware("http")(metrics.counted)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for room in (login, queue, case, models, monitoring, stream, people):
        app.include_router(room.router)
    app.add_api_route("/healthz", _alive, include_in_schema=False)
    app.add_exception_handler(NotLoggedIn, to_login)
    app.add_exception_handler(NotAllowed, _not_allowed)
    app.add_exception_handler(PaywardenError, _problem)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(404, _not_found)
    return app


def _alive() -> Response:
    return PlainTextResponse("ok")


def _said(request: Request, status: int, title: str, words: str) -> Response:
    parts: ConsoleParts = request.app.state.parts
    try:
        session = parts.accounts.session(request.cookies.get(COOKIE, ""))
    except PaywardenError:
        session = None
    return page(request, "problem.html", session, answer=status, title=title, words=words)


def _not_allowed(request: Request, error: Exception) -> Response:
    return _said(request, 403, "Not allowed", str(error))


def _problem(request: Request, error: Exception) -> Response:
    status = 422 if isinstance(error, DataError) else 503
    return _said(request, status, "That did not work", str(error))


def _bad_request(request: Request, _error: Exception) -> Response:
    return _said(request, 422, "That did not work", "The address or the form holds a value of another kind.")


def _not_found(request: Request, _error: Exception) -> Response:
    return _said(request, 404, "Nothing here", "There is no such page.")
