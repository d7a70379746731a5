"""Figures of the console: how many requests, how they ended, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class ConsoleMetrics:
    """Counters of one console, by its routes and never by what stands in their place: a path may name a case."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "paywarden_console_requests", "Requests by route and status", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "paywarden_console_request_seconds", "Time of a request", ["route"], buckets=_SECONDS, registry=registry
        )

    async def counted(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """The answer of what follows, counted."""
        began, status = time.perf_counter(), 500
        try:
            answer = await call_next(request)
            status = answer.status_code
            return answer
        finally:
            route = getattr(request.scope.get("route"), "path", "other")
            self.requests.labels(route, str(status)).inc()
            self.seconds.labels(route).observe(time.perf_counter() - began)
