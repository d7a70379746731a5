"""The stream's health: its pace, its latency, what waits, and what it could not read."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from paywarden.events.stream_minutes import StreamMinute, quantile_ms
from paywarden.jobs.dead_letters import Redriven
from paywarden.service.console.guard import FormUser, Log, Parts, SomeUser, require_role
from paywarden.service.console.pages import page
from paywarden.wiring.stream_health import PATIENCE_SECONDS

router = APIRouter()


@router.get("/stream")
def stream(
    request: Request, parts: Parts, session: SomeUser, done: Annotated[str, Query(max_length=160)] = ""
) -> Response:
    """The page."""
    answers = parts.health.answers()
    letters = parts.health.dead_letters(answers=answers)
    return page(request, "stream.html", session, letters=letters, done=done, **_live(parts, answers=answers),
                reasons=sorted({letter.reason for letter in letters or ()}))  # fmt: skip


@router.post("/stream/redrive")
def redrive(parts: Parts, log: Log, session: FormUser, reason: Annotated[str, Form(max_length=80)]) -> Response:
    """Dead letters of a reason are sent to where they came from; leads decide that."""
    require_role(session, "lead")
    done = parts.health.redrive(reason)
    log.info("redrive", user=session.user.name, reason=reason, sent=done.sent if done else 0)
    return RedirectResponse(f"/stream?{urlencode({'done': _told(done)})}", 303)


def _told(done: Redriven | None) -> str:
    if done is None:
        return "Another re-drive is under way. Load the page again in a moment."
    words = [f"{done.sent:,} sent again"]
    words += [f"{done.already:,} were sent again before"] if done.already else []
    words += [f"{done.foreign:,} name no topic they came from"] if done.foreign else []
    words += [] if done.finished else ["there are more: send again to go on"]
    return ", ".join(words)


@router.get("/stream/live")
def live(request: Request, parts: Parts, session: SomeUser) -> Response:
    """Figures and charts again."""
    return page(request, "stream_live.html", session, **_live(parts, answers=parts.health.answers()))


def _live(parts: Parts, *, answers: bool) -> dict[str, Any]:
    waiting = parts.health.waiting(answers=answers)
    return {**_pace(parts.queue.minutes()), "waiting": waiting, "answers": answers, "patience": PATIENCE_SECONDS}


def _pace(minutes: list[StreamMinute]) -> dict[str, Any]:
    last = minutes[-1] if minutes else None
    charts = {
        "at": [minute.minute * 60 for minute in minutes],
        "pace": [minute.decisions / 60 for minute in minutes],
        "alerted": [(minute.reviewed + minute.declined) / max(minute.decisions, 1) for minute in minutes],
        "p50": [quantile_ms(minute.latencies, 0.5) for minute in minutes],
        "p99": [quantile_ms(minute.latencies, 0.99) for minute in minutes],
    }
    whole = [sum(column) for column in zip(*(minute.latencies for minute in minutes), strict=True)]
    return {"last": last, "charts": charts, "p50": quantile_ms(whole, 0.5), "p99": quantile_ms(whole, 0.99)}
