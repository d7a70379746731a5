"""What becomes of transactions, whoever sent them: refused, answered as before, by the model, or by the fallback."""

from __future__ import annotations

from collections.abc import Sequence
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
class Asked:
    """A message, and when it came (epoch ms)."""

    payload: bytes
    at: int


@dataclass(frozen=True)
class Made:
    """A new answer, not kept yet; the code of why it is a fallback, if it is one, and what was said of that."""

    answer: Answer
    why: str | None = None
    detail: str | None = None


Outcome = Made | bytes | Problem
"""A new answer, the JSON of the one that was given before, or why there is none."""


def outcomes(parts: ScoringParts, log: AuditLog, asked: Sequence[Asked], without: str | None = None) -> list[Outcome]:
    """The outcome of each message, in their order, whatever they hold.

    ``without`` is the code of why none is to be scored, where that is so.
    """
    parsed = parts.answering.read([one.payload for one in asked], [one.at for one in asked])
    rows, places = parsed.rows, parsed.positions.tolist()
    found: dict[int, Outcome] = {int(i): _refused(parsed, n) for n, i in enumerate(parsed.rejected)}
    before = parts.answers.find(rows["transaction_id"].to_pylist(), parts.clock()) if places else []
    for row, kept in enumerate(before):
        if kept is not None:
            (again,) = rows.slice(row, 1).to_pylist()
            found[places[row]] = given_before(kept, fingerprint(again, parts.schema), again["transaction_id"])
    new = [row for row, kept in enumerate(before) if kept is None]
    if new:
        wanted = rows if len(new) == len(before) else rows.take(new)
        made = _scored(parts, log, wanted) if without is None else _fallen_back(parts, wanted, without)
        found |= {places[row]: one for row, one in zip(new, made, strict=True)}
    return [found[index] for index in range(len(asked))]


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
    """By the model, or by the fallback where that fails."""
    try:
        return [Made(answer) for answer in parts.answering.score(rows)]
    except NoModel as error:
        return _fallen_back(parts, rows, "no_model", str(error))
    except StateStoreError as error:
        return _fallen_back(parts, rows, "state", str(error))
    except Exception:  # a payment waits for an answer, whatever went wrong in scoring it
        log.exception("scoring_failed", transactions=rows.num_rows)
        return _apart(parts, rows)


def _apart(parts: ScoringParts, rows: pa.Table) -> list[Made]:
    """Rows that cannot be scored together: by halves as long as one of both can, so that few calls find the culprit."""
    middle = rows.num_rows // 2
    halves = (rows.slice(0, middle), rows.slice(middle)) if middle else ()
    tried = [_tried(parts, half) for half in halves]
    if not any(tried):
        return _fallen_back(parts, rows, "error")
    return [one for half, made in zip(halves, tried, strict=True) for one in made or _apart(parts, half)]


def _tried(parts: ScoringParts, rows: pa.Table) -> list[Made] | None:
    try:
        return [Made(answer) for answer in parts.answering.score(rows)]
    except Exception:  # noqa: BLE001 -- one like it was told in the log just before
        return None


def _fallen_back(parts: ScoringParts, rows: pa.Table, why: str, detail: str | None = None) -> list[Made]:
    return [Made(answer, why, detail) for answer in parts.answering.fall_back(rows, why)]


def _refused(parsed: Parsed, place: int) -> Problem:
    """The refusal of one transaction, in the words of its dead letter."""
    code, detail = parsed.reasons[place], parsed.details[place]
    status = 400 if code in {"empty", "malformed_json"} else 422
    return Problem(status, code, detail, remedy(code))
