"""The stream's health: its pace, its latency, what waits, and what it could not read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from paywarden.events.stream_minutes import StreamMinute, quantile_ms
from paywarden.service.console.guard import Parts, SomeUser
from paywarden.service.console.pages import page

router = APIRouter()


@router.get("/stream")
def stream(request: Request, parts: Parts, session: SomeUser) -> Response:
    """The page."""
    return page(request, "stream.html", session, letters=parts.health.dead_letters(), **_live(parts.queue.minutes()),
                waiting=parts.health.waiting())  # fmt: skip


@router.get("/stream/live")
def live(request: Request, parts: Parts, session: SomeUser) -> Response:
    """Figures and charts again."""
    return page(request, "stream_live.html", session, **_live(parts.queue.minutes()), waiting=parts.health.waiting())


def _live(minutes: list[StreamMinute]) -> dict[str, Any]:
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
