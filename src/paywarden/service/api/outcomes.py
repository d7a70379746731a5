"""What becomes of transactions, whoever sent them: refused, answered as before, by the model, or by the fallback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from paywarden.errors import StateStoreError
from paywarden.events.kept_answer import Kept
from paywarden.events.validation import Parsed
from paywarden.jobs.answer import Answer, NoModel, fingerprint
from paywarden.service.api.problems import Problem
from paywarden.service.api.remedies import remedy
from paywarden.service.audit import AuditLog
from paywarden.wiring.scoring_api import ScoringParts

TAKEN = "id_taken"
"""The code of a transaction id that was another transaction's."""


@dataclass(frozen=True)
class Made:
    """A new answer, not kept yet, and the code of why it is a fallback, if it is one."""

    answer: Answer
    why: str | None = None


Outcome = Made | bytes | Problem
"""A new answer, the JSON of the one that was given before, or why there is none."""


def outcomes(parts: ScoringParts, log: AuditLog, payloads: Sequence[bytes], *, late: bool = False) -> list[Outcome]:
    """The outcome of each message, in their order, whatever they hold; ``late``: without a score, for want of time."""
    parsed = parts.answering.read(payloads)
    rows, places = parsed.rows, parsed.positions.tolist()
    found: dict[int, Outcome] = {int(i): _refused(parsed, n) for n, i in enumerate(parsed.rejected)}
    before = parts.answers.find(rows["transaction_id"].to_pylist(), parts.clock()) if places else []
    for row, kept in enumerate(before):
        if kept is not None:
            (asked,) = rows.slice(row, 1).to_pylist()
            found[places[row]] = given_before(kept, fingerprint(asked, parts.schema), asked["transaction_id"])
    new = [row for row, kept in enumerate(before) if kept is None]
    if new:
        asked_anew = rows if len(new) == len(before) else rows.take(new)
        made = _fallen_back(parts, log.warning, asked_anew, "timeout") if late else _scored(parts, log, asked_anew)
        found |= {places[row]: one for row, one in zip(new, made, strict=True)}
    return [found[index] for index in range(len(payloads))]


def given_before(kept: Kept, asked: str, transaction_id: str) -> bytes | Problem:
    """The answer of before; a problem where a transaction of another fingerprint than ``asked`` got it."""
    if kept.fingerprint == asked:
        return kept.said
    return Problem(
        409,
        TAKEN,
        "another transaction with this transaction_id was answered before",
        "give each transaction an id of its own",
        transaction_id=transaction_id,
    )


def _scored(parts: ScoringParts, log: AuditLog, rows: pa.Table) -> list[Made]:
    """By the model, or by the fallback where that fails; a row that breaks it does so alone."""
    try:
        return [Made(answer) for answer in parts.answering.score(rows)]
    except NoModel as error:
        return _fallen_back(parts, log.warning, rows, "no_model", detail=str(error))
    except StateStoreError as error:
        return _fallen_back(parts, log.warning, rows, "state", detail=str(error))
    except Exception:  # noqa: BLE001 -- a payment waits for an answer, whatever went wrong in scoring it
        if rows.num_rows > 1:
            return [made for row in range(rows.num_rows) for made in _scored(parts, log, rows.slice(row, 1))]
        return _fallen_back(parts, log.error, rows, "error", exc_info=True)


def _fallen_back(
    parts: ScoringParts, tell: Callable[..., object], rows: pa.Table, why: str, **said: object
) -> list[Made]:
    tell("fallback", reason=why, transaction_ids=rows["transaction_id"].to_pylist(), **said)
    return [Made(answer, why) for answer in parts.answering.fall_back(rows, why)]


def _refused(parsed: Parsed, place: int) -> Problem:
    """The refusal of one transaction, in the words of its dead letter."""
    code, detail = parsed.reasons[place], parsed.details[place]
    status = 400 if code in {"empty", "malformed_json"} else 422
    return Problem(status, code, detail, remedy(code))
