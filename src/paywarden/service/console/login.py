"""Logging in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from paywarden.service.console.guard import COOKIE, FormUser, Log, Parts, require_same_origin
from paywarden.service.console.pages import page

router = APIRouter()


@router.get("/login")
def ask(request: Request) -> Response:
    """The form."""
    return page(request, "login.html", None)


@router.post("/login")
def log_in(
    request: Request, parts: Parts, log: Log, name: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
) -> Response:
    """To the queue with a session, or the form again."""
    require_same_origin(request)
    token = parts.accounts.log_in(name.strip(), password)
    log.info("login" if token else "login refused", user=name.strip()[:60])
    if token is None:
        wrong = "Name or password is wrong, or too many tries came before. Wait half a minute and try again."
        return page(request, "login.html", None, answer=401, wrong=wrong, name=name)
    answer = RedirectResponse("/queue", 303)
    lives, secure = parts.session_seconds, parts.https_only
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, max_age=lives, path="/")
    return answer


@router.post("/logout")
def log_out(request: Request, parts: Parts, log: Log, session: FormUser) -> Response:
    """The session is over."""
    parts.accounts.log_out(request.cookies.get(COOKIE, ""))
    log.info("logout", user=session.user.name)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer
