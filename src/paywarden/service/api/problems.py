"""Refusals as problem documents (RFC 9457): what happened, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from orjson import dumps
from starlette.exceptions import HTTPException

from paywarden.errors import PaywardenError
from paywarden.service.audit import AuditLog

MEDIA_TYPE = "application/problem+json"
_OF_ACCESS = {401, 403, 429}


class Problem(Exception):  # it becomes an answer, as HTTPException does
    """A refusal. ``code`` is stable and for programs; ``remedy`` says what the caller does now.

    ``key`` is the id of the API key that asked, for the audit log alone.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        remedy: str,
        *,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        **members: Any,  # noqa: ANN401  # any JSON
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.headers, self.key = status, code, dict(headers or {}), key
        self.document: dict[str, Any] = {
            "type": f"urn:paywarden:problem:{code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "code": code,
            "remedy": remedy,
            **members,
        }

    def response(self) -> Response:
        """The refusal as HTTP."""
        return Response(dumps(self.document), self.status, self.headers, MEDIA_TYPE)


def tell_problems(app: FastAPI, log: AuditLog) -> None:
    """Have everything that goes wrong in ``app`` told as a problem document, and who was refused in the log."""

    async def told(request: Request, error: Exception) -> Response:
        problem = error if isinstance(error, Problem) else _of_starlette(error)
        if problem.status in _OF_ACCESS:
            log.warning("refused", status=problem.status, code=problem.code, key=problem.key, path=request.url.path)
        return problem.response()

    app.add_exception_handler(Problem, told)
    app.add_exception_handler(HTTPException, told)
    app.add_exception_handler(Exception, told)


_REMEDIES = {
    404: ("not_found", "there is nothing at this path", "GET /docs lists what there is"),
    405: ("method_not_allowed", "this path does not know the method", "GET /docs says which method it takes"),
}


def _of_starlette(error: Exception) -> Problem:
    if not isinstance(error, HTTPException):
        detail = str(error) if isinstance(error, PaywardenError) else "something went wrong here"
        return Problem(500, "internal", detail, "ask again; if it stays, the server's log says what happened")
    status, headers = error.status_code, dict(error.headers or {})
    code, detail, remedy = _REMEDIES.get(status, ("refused", str(error), "GET /docs says what is asked for"))
    return Problem(status, code, detail, remedy, headers=headers)
