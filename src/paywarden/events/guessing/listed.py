"""Fields with a fixed list of values: columns all of whose values are known words for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paywarden.events.guessing.guess import Guess, block, one_line, quoted, scalar
from paywarden.events.guessing.profile import Column

_SYNONYMS = {
    "channel": {
        "online": ("online", "web", "ecommerce", "e-commerce", "internet", "app", "mobile", "net", "card_not_present",
                   "online transaction"),
        "in_person": ("in_person", "in person", "in-person", "pos", "in-store", "in store", "instore", "offline",
                      "chip", "swipe", "contactless", "card_present", "chip transaction", "swipe transaction"),
        "atm": ("atm", "cash", "withdrawal", "cash_out"),
        "mail_or_phone": ("mail_or_phone", "moto", "phone", "mail", "telephone"),
        "transfer": ("transfer", "wire", "bank transfer"),
    },
    "transaction_type": {
        "authorisation": ("authorisation", "authorization", "purchase", "sale", "payment", "debit"),
        "refund": ("refund", "return", "credit"),
        "reversal": ("reversal", "void", "cancel", "cancelled", "canceled"),
    },
    "auth_result": {
        "approved": ("approved", "approve", "accepted", "ok", "success", "successful", "completed", "captured"),
        "declined": ("declined", "decline", "rejected", "refused", "failed", "failure", "denied"),
    },
}  # fmt: skip


def guess_listed(columns: Sequence[Column]) -> Iterator[Guess]:
    """Channel, type and result: columns all of whose values are known words, with names where ours differ."""
    for key, names in _SYNONYMS.items():
        by_synonym = {synonym: name for name, synonyms in names.items() for synonym in synonyms}
        for column in columns:
            found = _listed(column, key, by_synonym)
            if found is not None:
                renamed = any(value != name for value, name in found.items())
                mapped = ", ".join(f"{quoted(value)}: {name}" for value, name in found.items())
                lines = block(column=scalar(column.name), names=f"{{{mapped}}}") if renamed else scalar(column.name)
                yield Guess(key, (lines,), (column.name,), (f"{one_line(column.name)}: {', '.join(found)}",))
                break


def _listed(column: Column, key: str, by_synonym: dict[str, str]) -> dict[str, str] | None:
    if key == "channel" and column.has("present") and set(column.few) <= {"0", "1", "true", "false"} and column.few:
        return {value: "in_person" if value in {"1", "true"} else "online" for value in column.few}
    if not column.few or column.is_number or any(value not in by_synonym for value in column.few):
        return None
    return {value: by_synonym[value] for value in column.few}
