"""One scoring request, from bytes to bytes: limits, what becomes of its transactions in time, answers kept and told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from paywarden.events.kept_answer import Kept, NewAnswer, Record
from paywarden.jobs.answer import Answer
from paywarden.jobs.api_keys import ApiKey
from paywarden.service.api.access import Rates
from paywarden.service.api.metrics import ApiMetrics
from paywarden.service.api.outcomes import TAKEN, Asked, Made, Outcome, given_before, outcomes
from paywarden.service.api.problems import Problem
from paywarden.service.api.together import Together
from paywarden.service.audit import AuditLog
from paywarden.wiring.scoring_api import ScoringParts

MOST_TOGETHER = 100
"""Transactions of several requests in one call: it then takes some milliseconds more than for one."""


@dataclass(frozen=True)
class Scoring:
    """Answers requests of transactions; one a worker. What waits is scored together."""

    parts: ScoringParts
    rates: Rates
    metrics: ApiMetrics
    log: AuditLog
    together: Together[Asked, Outcome]

    @classmethod
    def with_threads(
        cls, parts: ScoringParts, rates: Rates, metrics: ApiMetrics, log: AuditLog, pool: ThreadPoolExecutor
    ) -> Scoring:
        """Scoring in the threads of a pool."""
        scored = partial(outcomes, parts, log)
        return cls(parts, rates, metrics, log, Together(scored, pool, parts.settings.api.threads, MOST_TOGETHER))

    async def answer(self, request: Request, key: ApiKey) -> bytes:
        """The JSON of the answer. Raises a Problem where the request, or its only transaction, is refused."""
        began = time.perf_counter()
        payloads, alone = split(await self._body(request), self.parts.settings.api.largest_batch)
        self.rates.take(key, len(payloads))
        now = self.parts.clock()
        said = self._kept(await self._outcomes([Asked(one, now) for one in payloads], began), key, began)
        if alone:
            (only,) = said
            if isinstance(only, Problem):
                raise only
            return only
        for index, one in enumerate(said):
            if isinstance(one, Problem):
                one.document["index"] = index
        return b"[" + b",".join(orjson.dumps(s.document) if isinstance(s, Problem) else s for s in said) + b"]"

    async def _body(self, request: Request) -> bytes:
        media = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if media != "application/json":
            raise Problem(
                415, "not_json", f"the content type is {media or 'not given'!r}", "send Content-Type: application/json"
            )
        limit, body = self.parts.settings.api.largest_body_bytes, b""
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    break
        except ClientDisconnect as error:
            raise Problem(400, "broken_off", "the request was not sent to its end", "send it again") from error
        if len(body) > limit:
            raise Problem(
                413,
                "too_large",
                f"the request has more than {limit:,} bytes",
                "send fewer transactions at once; api.largest_body_bytes sets the limit",
            )
        return body

    async def _outcomes(self, asked: list[Asked], began: float) -> Sequence[Outcome]:
        """By the model if it gives them in time, else by the fallback."""
        left = self.parts.settings.api.timeout_ms / 1000 - (time.perf_counter() - began)
        try:
            return await asyncio.wait_for(self.together(asked), max(left, 0.0))
        except TimeoutError:
            return outcomes(self.parts, self.log, asked, "timeout")
        except Exception:  # of a call that others had a part in
            self.log.exception("scoring_failed", transactions=len(asked))
            return outcomes(self.parts, self.log, asked, "error")

    def _kept(self, found: Sequence[Outcome], key: ApiKey, began: float) -> list[bytes | Problem]:
        """What each transaction's caller gets. New answers are kept first: of several to an id, all get the first."""
        new = [one for one in found if isinstance(one, Made)]
        kept = iter(self.parts.answers.keep([self._new(one.answer) for one in new], self.parts.clock()) if new else [])
        return [
            self._given(one, *next(kept), key, began) if isinstance(one, Made) else self._told(one, key)
            for one in found
        ]

    def _given(self, made: Made, kept: Kept, is_new: bool, key: ApiKey, began: float) -> bytes | Problem:
        if not is_new:
            return self._told(given_before(kept, made.answer.fingerprint, made.answer.transaction_id), key)
        if made.why is not None:
            self.metrics.fallbacks.labels(made.why).inc()
            said = {"detail": made.detail} if made.detail else {}
            self.log.warning("fallback", reason=made.why, transaction_id=made.answer.transaction_id, **said)
        self._note(made.answer, key, began)
        return kept.said

    def _told(self, one: bytes | Problem, key: ApiKey) -> bytes | Problem:
        if isinstance(one, Problem) and one.code != TAKEN:
            self.metrics.refused.labels(one.code).inc()
            self.log.info("refused", key=key.key_id, code=one.code)
        else:
            self.metrics.repeated.inc()
        return one

    def _new(self, answer: Answer) -> NewAnswer:
        topics = self.parts.settings.kafka.topics
        records = [Record(topics.predictions, answer.key, answer.message)]
        records += [Record(topics.alerts, answer.key, answer.alert)] if answer.alert is not None else []
        return NewAnswer(answer.transaction_id, Kept(answer.fingerprint, answer.said), records)

    def _note(self, answer: Answer, key: ApiKey, began: float) -> None:
        self.metrics.decisions.labels(answer.decision, answer.source).inc()
        said = orjson.loads(answer.said)
        named = ("transaction_id", "decision_id", "decision", "source", "score", "rules", "model_version")
        took = round((time.perf_counter() - began) * 1000, 2)
        if said["state_age_ms"] is not None:
            self.metrics.state_age.set(said["state_age_ms"] / 1000)
        self.log.info(
            "decision",
            **{name: said[name] for name in named},
            state_age_ms=said["state_age_ms"],
            key=key.key_id,
            took_ms=took,
        )


def split(body: bytes, most: int) -> tuple[list[bytes], bool]:
    """The transactions in a body, and whether it is one rather than a batch. Raises a Problem, 400 or 422."""
    if not body.lstrip(b" \t\r\n").startswith(b"["):
        return [body], True
    try:
        batch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(
            400, "malformed_json", f"the batch is not JSON: {error}", "send an array of transactions"
        ) from error
    if not 0 < len(batch) <= most:
        raise Problem(
            422,
            "batch_too_large" if batch else "empty_batch",
            f"the batch has {len(batch)} transactions",
            f"send 1 to {most}; api.largest_batch sets the limit",
        )
    return [orjson.dumps(item) for item in batch], False
