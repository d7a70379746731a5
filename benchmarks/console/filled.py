"""A database of cases that holds as many as are asked for, one alert and five payments each."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
from sqlalchemy import insert

from paywarden.adapters.alerts import tables
from paywarden.adapters.alerts.database import CaseDatabase

AT = 1_780_000_000_000
ANALYST = "ann"
_AT_ONCE = 5_000
_MINE_EVERY = 1_000
_PAYMENTS = 5
_REASONS = json.dumps([{"code": "CARD_UNUSUAL_AMOUNT", "text": "38.2 times the usual amount of the card"}] * 3)
_DOCUMENT = b'{"vector": "' + b"1.25 " * 130 + b'"}'


def fill(database: CaseDatabase, count: int) -> None:
    """Cases 1 to ``count`` of as many cards: six in ten open, one unsure, three closed; one in a thousand is Ann's."""
    losses = np.random.default_rng(1).lognormal(8.0, 1.5, count).astype(np.int64)
    for first in range(0, count, _AT_ONCE):
        numbers = range(first + 1, min(first + _AT_ONCE, count) + 1)
        with database.writing() as connection:
            connection.execute(insert(tables.cases), [_case(n, int(losses[n - 1])) for n in numbers])
            connection.execute(insert(tables.alerts), [_alert(n, int(losses[n - 1])) for n in numbers])
            connection.execute(insert(tables.case_events), [_event(n) for n in numbers])
            connection.execute(insert(tables.payments), [row for n in numbers for row in _payments(n)])
    with database.reading() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def card(number: int) -> str:
    """The token of a case's card."""
    return f"card_{number * 7919 % 10**8:08d}"


def _case(number: int, loss: int) -> dict[str, object]:
    status = tables.OPEN if number % 10 < 6 else tables.UNSURE if number % 10 < 7 else tables.CLOSED
    return {
        "case_id": number,
        "card": card(number),
        "card_end": card(number)[-tables.CARD_END :],
        "status": status,
        "opened_at": AT + number,
        "updated_at": AT + number,
        "closed_at": AT + number if status == tables.CLOSED else None,
        "latest_at": AT + number,
        "alerts": 1,
        "amount": 2 * loss,
        "expected_loss": loss,
        "top_score": 0.5,
        "headline": "38.2 times the usual amount of the card",
        "assignee": ANALYST if number % _MINE_EVERY == 1 else None,
        "verdict": "fraud" if status == tables.CLOSED else None,
    }


def _alert(number: int, loss: int) -> dict[str, object]:
    return {
        "decision_id": f"{number:032x}",
        "case_id": number,
        "transaction_id": f"t{number}",
        "card": card(number),
        "source": "stream",
        "acts": True,
        "occurred_at": AT + number,
        "decided_at": AT + number,
        "taken_at": AT + number,
        "amount": 2 * loss,
        "raw_score": 0.0,
        "score": 0.5,
        "expected_loss": loss,
        "decision": "review",
        "bundle_version": "1",
        "reasons": _REASONS,
        "headline": "38.2 times the usual amount of the card",
        "document": _DOCUMENT,
        "verdict": None,
        "verdict_at": None,
    }


def _event(number: int) -> dict[str, object]:
    said = {"actor": "paywarden", "kind": "opened", "text": "an alert opened the case"}
    return {"case_id": number, "at": AT + number, **said}


def _payments(number: int) -> Iterator[dict[str, object]]:
    for place in range(_PAYMENTS):
        yield {
            "transaction_id": f"t{number}" if place == 0 else f"p{number}-{place}",
            "card": card(number),
            "merchant": f"merchant_{number % 700}",
            "rank": 0,
            "occurred_at": AT + number - place * 40_000_000,
            "amount": 900 * (place + 1),
            "score": 0.01,
            "decision": "approve",
        }
