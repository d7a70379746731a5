"""The API's paths, and what begins and ends with a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.security import HTTPBearer

from paywarden import __version__
from paywarden.service.api import documents
from paywarden.service.api.access import KeyRing, Rates
from paywarden.service.api.metrics import ApiMetrics
from paywarden.service.api.problems import MEDIA_TYPE, Problem, tell_problems
from paywarden.service.api.publishing import Publisher
from paywarden.service.api.scoring import Scoring
from paywarden.wiring.scoring_api import ScoringParts

_BEARER = Depends(HTTPBearer(auto_error=False, description="a key of `paywarden keys create`"))
_FIGURES_EVERY_SECONDS = 1.0


def scoring_app(
    parts: ScoringParts, log: structlog.typing.FilteringBoundLogger, shared_metrics: str | None = None
) -> FastAPI:
    """The application of one worker. ``shared_metrics`` is where several workers keep their figures."""
    api = parts.settings.api
    metrics, keys = ApiMetrics(shared_metrics), KeyRing(parts.keys, parts.clock, log)
    rates = Rates(
        api.transactions_per_second / api.workers, max(api.burst / api.workers, api.largest_batch), time.monotonic
    )
    pool = ThreadPoolExecutor(api.threads, thread_name_prefix="scoring")
    scoring = Scoring.with_threads(parts, rates, metrics, log, pool)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        publisher = Publisher(parts.answers, parts.sink, parts.publisher_lock, log.warning)
        publisher.start()
        tasks = [
            asyncio.create_task(_repeat(api.poll_seconds, parts.models.refresh)),
            asyncio.create_task(_repeat(api.poll_seconds, parts.refresh_rules)),
            asyncio.create_task(_repeat(_FIGURES_EVERY_SECONDS, lambda: _figures(parts, metrics))),
        ]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        pool.shutdown()
        await asyncio.to_thread(publisher.stop)

    app = FastAPI(
        title="Paywarden scoring",
        version=__version__,
        summary="A transaction in, a decision out.",
        lifespan=lifespan,
        responses={"default": {"model": documents.ProblemSaid, "content": {MEDIA_TYPE: {}}}},
    )
    tell_problems(app, log)
    _add_scoring(app, scoring, keys, parts)
    _add_watching(app, parts, metrics, keys)
    return app


def _add_scoring(app: FastAPI, scoring: Scoring, keys: KeyRing, parts: ScoringParts) -> None:
    @app.post(
        "/v1/score",
        summary="Decide one transaction, or a small batch",
        description="The decision acts. Asked again with the same transaction_id, the same answer is given.",
        response_class=Response,
        responses=_scoring_responses(),
        openapi_extra={"requestBody": _request_body(parts)},
        dependencies=[_BEARER],
        operation_id="score",
    )
    async def score(request: Request) -> Response:
        began = time.perf_counter()
        status = 500
        try:
            said = await scoring.answer(request, keys.of(request, "score"))
            status = 200
            return Response(said, media_type="application/json")
        except Problem as problem:
            status = problem.status
            raise
        finally:
            scoring.metrics.requests.labels(str(status)).inc()
            scoring.metrics.seconds.observe(time.perf_counter() - began)


def _add_watching(app: FastAPI, parts: ScoringParts, metrics: ApiMetrics, keys: KeyRing) -> None:
    @app.get("/v1/model", summary="Which model and policy answer", dependencies=[_BEARER], operation_id="model")
    async def model(request: Request) -> documents.ModelSaid:
        keys.of(request, "model")
        live = parts.models.current
        if live is None:
            raise _not_ready(parts)
        bundle = live.served.bundle
        return documents.ModelSaid(
            model_version=live.served.version,
            model_digest=bundle.digest,
            policy_digest=parts.rules.current.policy_digest(bundle.policy.digest),
            state_layout=live.layout,
            state_age_ms=live.state.age_ms(),
        )

    @app.get("/healthz", summary="Whether the process lives", operation_id="health")
    async def health() -> documents.HealthSaid:
        return documents.HealthSaid(status="alive")

    @app.get("/readyz", summary="Whether it can score", operation_id="ready")
    async def ready() -> documents.ReadySaid:
        if parts.models.current is None:
            raise _not_ready(parts)
        return documents.ReadySaid(ready=True, problem=parts.models.problem)

    @app.get("/metrics", summary="Figures for Prometheus", response_class=Response, operation_id="metrics")
    async def figures() -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _not_ready(parts: ScoringParts) -> Problem:
    return Problem(
        503,
        "not_ready",
        parts.models.problem or "no model is ready",
        "until then POST /v1/score answers by the fallback",
        headers={"Retry-After": "5"},
    )


async def _repeat(seconds: float, act: Callable[[], None]) -> None:
    while True:
        await asyncio.to_thread(act)
        await asyncio.sleep(seconds)


def _figures(parts: ScoringParts, metrics: ApiMetrics) -> None:
    metrics.outbox.set(parts.answers.pending())
    live = parts.models.current
    metrics.model.set(float(live.served.version) if live and live.served.version.isdigit() else 0.0)
    age = live.state.age_ms() if live else None
    if age is not None:
        metrics.state_age.set(age / 1000)


def _request_body(parts: ScoringParts) -> dict[str, Any]:
    one = documents.transaction_document(parts.schema)
    item = {"anyOf": [one, {"description": "whatever is no transaction is refused in its place, alone"}]}
    many = {"type": "array", "minItems": 1, "maxItems": parts.settings.api.largest_batch, "items": item}
    examples = {
        "one": {"summary": "One transaction", "value": documents.example(parts.schema)},
        "batch": {
            "summary": "A batch",
            "value": [documents.example(parts.schema, name) for name in ("t-1001", "t-1002")],
        },
    }
    return {"required": True, "content": {"application/json": {"schema": {"oneOf": [one, many]}, "examples": examples}}}


def _scoring_responses() -> dict[int | str, dict[str, Any]]:
    problems = {
        400: "not JSON",
        401: "no key that opens",
        403: "the key lacks the scope score",
        409: "the transaction_id was that of another transaction",
        413: "too many bytes",
        415: "not application/json",
        422: "the transaction breaks a rule, or there are too many",
        429: "too many transactions for this key",
    }
    one = {"$ref": "#/components/schemas/DecisionSaid"}
    refused = {"$ref": "#/components/schemas/RefusedSaid"}
    batch = {"type": "array", "items": {"anyOf": [one, refused]}}
    decided = {
        "model": documents.DecisionSaid | list[documents.DecisionSaid | documents.RefusedSaid],
        "description": "The decision; of a batch, in its order, decisions and refusals",
        "content": {"application/json": {"schema": {"anyOf": [one, batch]}}},
    }
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": documents.ProblemSaid, "description": text, "content": {MEDIA_TYPE: {}}}
        for status, text in problems.items()
    }
    return {200: decided, **told}
