"""One case: the payments, why, what is usual for the card, and what an analyst decides."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from paywarden.errors import DataError
from paywarden.events.cases import VERDICTS, Case, Payment
from paywarden.jobs.habits import habits
from paywarden.service.console.guard import FormUser, Log, Parts, SomeUser, require_role
from paywarden.service.console.pages import page
from paywarden.service.console.payment_facts import payment_facts

router = APIRouter(prefix="/cases/{case_id}")


@router.get("")
def show(request: Request, parts: Parts, session: SomeUser, case_id: int) -> Response:
    """The page of a case."""
    case = parts.queue.case(case_id)
    if case is None:
        raise DataError(f"There is no case {case_id}.")
    acting = [alert for alert in case.alerts if alert.acts]
    undecided = [alert for alert in acting if alert.verdict is None]
    main = max(undecided or acting, key=lambda alert: (alert.expected_loss, alert.occurred_at))
    payments = parts.queue.payments(case.row.card, until=max(alert.occurred_at for alert in acting))
    context: dict[str, Any] = {
        "case": case,
        "acting": acting,
        "main": main,
        "notes": main.notes,
        "facts": payment_facts(main, parts.card_entity, parts.currencies),
        "assumed": main.score is None or main.expected_loss > round(main.score * max(main.amount, 0)),
        "base": parts.currencies.base,
        "habits": habits(payments, main.transaction_id, main.occurred_at, main.amount),
        "payments": payments,
        "timeline": _timeline(payments, case),
        "users": parts.accounts.all() if session.user.is_at_least("lead") else [],
    }
    return page(request, "case.html", session, **context)


@router.post("/verdict")
async def judge(request: Request, parts: Parts, log: Log, session: FormUser, case_id: int) -> Response:
    """A verdict on what the analyst saw; back to the queue."""
    form = await request.form()
    verdict = next((known for known in VERDICTS if known == form.get("verdict")), None)
    if verdict is None:
        raise DataError(f"A verdict is one of {', '.join(VERDICTS)}.")
    seen = [str(value) for value in form.getlist("seen")]
    labels = parts.review.judge(case_id, verdict, session.user.name, seen=seen)
    log.info("verdict", user=session.user.name, case=case_id, verdict=verdict, decision_ids=seen, labels=labels)
    sent = f"{labels} label{'' if labels == 1 else 's'} on the way"
    words = "set aside as unsure" if verdict == "unsure" else f"{verdict}, {sent}"
    return RedirectResponse(f"/queue?{urlencode({'done': f'Case {case_id}: {words}'})}", 303)


@router.post("/note")
def note(parts: Parts, log: Log, session: FormUser, case_id: int, text: Annotated[str, Form()] = "") -> Response:
    """A note beside the case."""
    parts.review.note(case_id, text, session.user.name)
    log.info("note", user=session.user.name, case=case_id)
    return RedirectResponse(f"/cases/{case_id}", 303)


@router.post("/assign")
def assign(parts: Parts, log: Log, session: FormUser, case_id: int, to: Annotated[str, Form()] = "") -> Response:
    """The case is whose it is given to: oneself, nobody, or by a lead anybody."""
    if to not in ("", session.user.name):
        require_role(session, "lead")
        if to not in {user.name for user in parts.accounts.all()}:
            raise DataError(f"There is no user {to}.")
    parts.review.assign(case_id, to or None, session.user.name)
    log.info("assigned", user=session.user.name, case=case_id, to=to)
    return RedirectResponse(f"/cases/{case_id}", 303)


@router.post("/reopen")
def reopen(parts: Parts, log: Log, session: FormUser, case_id: int) -> Response:
    """A closed case is judged again; leads decide that."""
    require_role(session, "lead")
    parts.review.reopen(case_id, session.user.name)
    log.info("reopened", user=session.user.name, case=case_id)
    return RedirectResponse(f"/cases/{case_id}", 303)


def _timeline(payments: list[Payment], case: Case) -> dict[str, list[float | int | None]]:
    """The card's payments as columns for a chart: seconds, and amounts by what was decided."""
    alerted = {alert.transaction_id: alert for alert in case.alerts if alert.acts}
    points = {p.transaction_id: (p.occurred_at, p.amount, p.score, p.decision) for p in payments}
    points |= {a.transaction_id: (a.occurred_at, a.amount, a.score, a.decision) for a in alerted.values()}
    rows = sorted((*values, name in alerted) for name, values in points.items())
    return {
        "at": [at / 1000 for at, *_ in rows],
        "other": [None if here else amount / 100 for _, amount, _, _, here in rows],
        "here": [amount / 100 if here else None for _, amount, _, _, here in rows],
        "score": [score for _, _, score, _, _ in rows],
    }
