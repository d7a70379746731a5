"""What the message of an alert says beyond its decision: only alerts are looked at by people, so only they bear it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

import orjson

WITHOUT_RULES: Final = "without_rules"
RULE_TEXTS: Final = "rule_texts"


def noted(message: bytes, notes: Mapping[str, Any]) -> bytes:
    """The message of a decision, a JSON object, with these members at its end; those that are empty are left out."""
    told = {name: value for name, value in notes.items() if value}
    return message[:-1] + b"," + orjson.dumps(told)[1:] if told else message


@dataclass(frozen=True)
class AlertNotes:
    """Read from an alert's message.

    ``rules`` are pairs of name and words of the lists and rules that fired, the one that decided first; the words are
    empty where the message is older than they are. ``without_rules`` is what would have been decided without them,
    None where that is the same.
    """

    rules: tuple[tuple[str, str], ...] = ()
    without_rules: str | None = None

    @classmethod
    def of(cls, message: bytes) -> AlertNotes:
        """Never raises: notes are for the eye, and an alert whose notes are odd is an alert all the same."""
        told = _object(message)
        names, texts, without = told.get("rules"), told.get(RULE_TEXTS), told.get(WITHOUT_RULES)
        if not _are_texts(names):
            names = []
        if not _are_texts(texts) or len(texts) != len(names):
            texts = [""] * len(names)
        return cls(tuple(zip(names, texts, strict=True)), without if isinstance(without, str) else None)

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
