"""What the message of an alert says beyond its decision: only alerts are looked at by people, so only they bear it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

import orjson

WITHOUT_RULES: Final = "without_rules"
RULE_TEXTS: Final = "rule_texts"
TRANSACTION: Final = "transaction"
DESCRIBING: Final = ("amount", "currency", "transaction_type", "category", "channel", "country")
"""Columns of canonical transactions that describe a payment to people and that no decision bears."""


def noted(message: bytes, notes: Mapping[str, Any]) -> bytes:
    """The message of a decision, a JSON object, with these members at its end; those that are empty are left out."""
    told = {name: value for name, value in notes.items() if value}
    return message[:-1] + b"," + orjson.dumps(told)[1:] if told else message


def described(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an alert's message says of a transaction, a row with canonical columns; what is null is left out."""
    return {TRANSACTION: {name: row[name] for name in DESCRIBING if row.get(name) is not None}}


@dataclass(frozen=True)
class AlertNotes:
    """Read from an alert's message.

    ``rules`` are pairs of name and words of the lists and rules that fired, the one that decided first; the words are
    empty where the message is older than they are. ``without_rules`` is what would have been decided without them,
    None where that is the same. ``transaction`` holds those of :data:`DESCRIBING` that are known, the amount in minor
    units of its own currency; ``entities`` the tokens by name.
    """

    rules: tuple[tuple[str, str], ...] = ()
    without_rules: str | None = None
    transaction: Mapping[str, str | int] = field(default_factory=dict)
    entities: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, message: bytes) -> AlertNotes:
        """Never raises: notes are for the eye, and an alert whose notes are odd is an alert all the same."""
        told = _object(message)
        names, texts, without = told.get("rules"), told.get(RULE_TEXTS), told.get(WITHOUT_RULES)
        if not _are_texts(names):
            names = []
        if not _are_texts(texts) or len(texts) != len(names):
            texts = [""] * len(names)
        return cls(
            rules=tuple(zip(names, texts, strict=True)),
            without_rules=without if isinstance(without, str) else None,
            transaction=_described(told.get(TRANSACTION)),
            entities=_texts_of(told.get("entities")),
        )

    @property
    def by_rule(self) -> bool:
        """Whether a list or rule decided."""
        return bool(self.rules) and self.without_rules is not None


def _object(message: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(message)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _described(told: object) -> dict[str, str | int]:
    if not isinstance(told, dict):
        return {}
    kinds = {name: int if name == "amount" else str for name in DESCRIBING}
    return {name: told[name] for name, kind in kinds.items() if isinstance(told.get(name), kind)}


def _texts_of(told: object) -> dict[str, str]:
    held = told.items() if isinstance(told, dict) else ()
    return {name: text for name, text in held if isinstance(text, str)}
