"""The live queue: the costliest cases first, renewed as alerts come."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from paywarden.service.console.guard import Parts, SomeUser
from paywarden.service.console.pages import page
from paywarden.wiring.console import ConsoleParts, Session

router = APIRouter()
PAGE_ROWS: Final = 40

Status = Annotated[str, Query(pattern="^(open|unsure|closed)$")]
Mine = Annotated[bool, Query()]
CardEnd = Annotated[str, Query(max_length=60)]
After = Annotated[str, Query(pattern=r"^(\d{1,18}-\d{1,18})?$")]


@router.get("/")
def home(_session: SomeUser) -> Response:
    """The queue is home."""
    return RedirectResponse("/queue", 303)


@router.get("/queue")
def queue(
    request: Request, parts: Parts, session: SomeUser, status: Status = "open", mine: Mine = False, card: CardEnd = "",
    after: After = "", done: Annotated[str, Query(max_length=80)] = "",
) -> Response:  # fmt: skip
    """The page."""
    shown = _shown(parts, session, status, mine, card, after)
    return page(request, "queue.html", session, done=done, **shown)


@router.get("/queue/rows")
def rows(
    request: Request, parts: Parts, session: SomeUser, status: Status = "open", mine: Mine = False, card: CardEnd = "",
    after: After = "", seen: Annotated[int, Query()] = 0,
) -> Response:  # fmt: skip
    """The rows and figures again; nothing (204) while no case has changed since ``seen`` (epoch ms)."""
    if parts.queue.changed_at() == seen:
        return Response(status_code=204)
    shown = _shown(parts, session, status, mine, card, after)
    return page(request, "queue_rows.html", session, seen_before=seen, **shown)


def _shown(
    parts: ConsoleParts, session: Session, status: str, mine: bool, card: str, after: str
) -> dict[str, Any]:  # fmt: skip
    changed_at = parts.queue.changed_at()  # before the rows: what changes meanwhile is shown by the next look
    loss, _, number = after.partition("-")
    found = parts.queue.page(
        status,
        after=(int(loss), int(number)) if after else None,
        assignee=session.user.name if mine else None,
        card_ends=card.strip().lstrip("•").strip() or None,
        most=PAGE_ROWS + 1,
    )
    last = found[PAGE_ROWS - 1] if len(found) > PAGE_ROWS else None
    return {
        "rows": found[:PAGE_ROWS],
        "more": f"{last.expected_loss}-{last.case_id}" if last else "",
        "base": parts.currencies.base,
        "counts": parts.queue.counts(),
        "changed_at": changed_at,
        "status": status,
        "mine": mine,
        "card": card,
        "after": after,
    }
