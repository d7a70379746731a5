"""One scoring request, from bytes to bytes: limits, validation, repeated answers, the score in time or the fallback."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson
import pyarrow as pa
import structlog
from fastapi import Request
from starlette.requests import ClientDisconnect

from paywarden.errors import StateStoreError
from paywarden.events.kept_answer import Kept, NewAnswer, Record
from paywarden.events.validation import Parsed
from paywarden.jobs.answer import Answer, NoModel, fingerprint
from paywarden.jobs.api_keys import ApiKey
from paywarden.service.api.access import Rates
from paywarden.service.api.metrics import ApiMetrics
from paywarden.service.api.problems import Problem
from paywarden.service.api.remedies import remedy
from paywarden.wiring.scoring_api import ScoringParts


@dataclass(frozen=True)
class Scoring:
    """Answers requests of transactions; one a worker."""

    parts: ScoringParts
    rates: Rates
    metrics: ApiMetrics
    log: structlog.typing.FilteringBoundLogger
    pool: ThreadPoolExecutor

    async def answer(self, request: Request, key: ApiKey) -> bytes:
        """The JSON of the answer. Raises a Problem where the request, or its only transaction, is refused."""
        began = time.perf_counter()
        payloads, alone = split(await self._body(request), self.parts.settings.api.largest_batch)
        self.rates.take(key, len(payloads))
        parsed = self.parts.answering.read(payloads)
        refused = {int(i): _refused(parsed, n) for n, i in enumerate(parsed.rejected)}
        for problem in refused.values():
            self.metrics.refused.labels(problem.code).inc()
            self.log.info("refused", key=key.key_id, code=problem.code)
        if alone and refused:
            raise refused[0]
        said: list[bytes | Problem] = list(await self._answers(parsed.rows, began, key)) if len(parsed.rows) else []
        for index, problem in sorted(refused.items()):
            problem.document["index"] = index
            said.insert(index, problem)
        if alone:
            only = said[0]
            if isinstance(only, Problem):
                raise only
            return only
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

    async def _answers(self, rows: pa.Table, began: float, key: ApiKey) -> list[bytes | Problem]:
        """An answer, or a conflict, for each row; those given before are given again."""
        ids, now = rows["transaction_id"].to_pylist(), self.parts.clock()
        found = self.parts.answers.find(ids, now)
        new = [i for i, kept in enumerate(found) if kept is None and ids[i] not in ids[:i]]
        made = await self._made(rows.take(new) if len(new) < len(ids) else rows, began) if new else []
        kept = self.parts.answers.keep([self._new(answer) for answer in made], now) if made else []
        first = {ids[i]: one for i, (one, _) in zip(new, kept, strict=True)}
        fresh = {i: one.said for i, (one, is_new) in zip(new, kept, strict=True) if is_new}
        for answer, (_, is_new) in zip(made, kept, strict=True):
            if is_new:
                self._note(answer, key, began)
        self.metrics.repeated.inc(len(ids) - sum(is_new for _, is_new in kept))
        return [
            fresh[i] if i in fresh else self._said_again(found[i] or first[name], rows.slice(i, 1))
            for i, name in enumerate(ids)
        ]

    def _said_again(self, kept: Kept, row: pa.Table) -> bytes | Problem:
        """What was answered before, to the same transaction; a problem if another one bears its id."""
        asked = row.to_pylist()[0]
        if kept.fingerprint == fingerprint(asked, self.parts.schema):
            return kept.said
        return Problem(
            409,
            "id_taken",
            "another transaction with this transaction_id was answered before",
            "give each transaction an id of its own",
            transaction_id=asked["transaction_id"],
        )

    async def _made(self, rows: pa.Table, began: float) -> list[Answer]:
        """Answers by the model if it gives them in time, else by the fallback."""
        answering, why = self.parts.answering, "timeout"
        named = {"transaction_ids": rows["transaction_id"].to_pylist()}
        left = self.parts.settings.api.timeout_ms / 1000 - (time.perf_counter() - began)
        try:
            scored = asyncio.get_running_loop().run_in_executor(self.pool, answering.score, rows)
            return await asyncio.wait_for(scored, max(left, 0.0))
        except TimeoutError:
            self.log.warning("fallback", reason=why, **named)
        except NoModel as error:
            why = "no_model"
            self.log.warning("fallback", reason=why, detail=str(error), **named)
        except StateStoreError as error:
            why = "state"
            self.log.warning("fallback", reason=why, detail=str(error), **named)
        except Exception:  # a payment waits for an answer, whatever went wrong in scoring it
            why = "error"
            self.log.exception("fallback", reason=why, **named)
        self.metrics.fallbacks.labels(why).inc(rows.num_rows)
        return answering.fall_back(rows, why)

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


def _refused(parsed: Parsed, place: int) -> Problem:
    """The refusal of one transaction, in the words of its dead letter."""
    code, detail = parsed.reasons[place], parsed.details[place]
    status = 400 if code in {"empty", "malformed_json"} else 422
    return Problem(status, code, detail, remedy(code))
