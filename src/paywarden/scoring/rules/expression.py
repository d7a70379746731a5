"""Expressions of rules, in CEL (Common Expression Language, cel.dev): total, and with no way out of them.

An expression may read ``transaction.<field>``, ``features.<name>`` and ``score``. What a payment lacks is the empty
text, or a number that compares with nothing (NaN).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import cel

from paywarden.errors import ConfigurationError
from paywarden.scoring.rules.screen import Screen, screen_of

Row: TypeAlias = cel.Context
"""What expressions read of one row, handed over to CEL once for all of them."""

_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_MEMBER = re.compile(r"\b(transaction|features)\s*\.\s*([a-zA-Z_]\w*)")
_WHOLE = re.compile(r"\b(?:transaction|features)\b(?!\s*\.\s*[a-zA-Z_])")
_SCORE = re.compile(r"(?<![.\w])score\b")


@dataclass(frozen=True)
class Expression:
    """A condition on a transaction, compiled. Raises ConfigurationError, saying where, for text that is no CEL."""

    source: str
    place: str = field(compare=False, default="the expression")

    def __post_init__(self) -> None:
        bare = _TEXT.sub('""', self.source)
        if _WHOLE.search(bare):
            raise ConfigurationError(
                f"{self.place}: name each field, as in transaction.amount; neither transaction nor features can be "
                "read as a whole or by index"
            )
        self._program  # noqa: B018  # compiled now, so that a mistake is told when the file is read

    @cached_property
    def reads(self) -> frozenset[str]:
        """What it reads: ``score``, ``transaction.amount``, ``features.card_count_1h`` and so on."""
        bare = _TEXT.sub('""', self.source)
        members = {f"{whose}.{name}" for whose, name in _MEMBER.findall(bare)}
        return frozenset(members | ({"score"} if _SCORE.search(bare) else set()))

    @cached_property
    def screen(self) -> Screen:
        """Of which rows it may hold at all: a look at whole columns that spares :meth:`holds` most of them."""
        return screen_of(self.source)

    def holds(self, row: Row) -> bool:
        """Whether it holds of a row (:func:`readable`); what cannot be computed does not hold."""
        try:
            return self._program.execute(row) is True
        except (TypeError, ValueError, KeyError, ArithmeticError, RuntimeError):
            return False

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise ConfigurationError where these sample values show that it can never be a condition."""
        try:
            found = self._program.execute(dict(values))
        except ArithmeticError:
            return  # a division that some payments allow
        except (TypeError, ValueError, KeyError, RuntimeError) as error:
            raise ConfigurationError(
                f"{self.place}: {self.source!r} cannot be computed ({str(error).splitlines()[0]}); correct it. Amounts "
                "are whole numbers, features and score have fractions, all other fields are texts"
            ) from error
        if not isinstance(found, bool):
            raise ConfigurationError(
                f"{self.place}: {self.source!r} gives {found!r}, and a rule needs true or false; compare it with "
                "something"
            )

    @cached_property
    def _program(self) -> cel.Program:
        try:
            return cel.compile(self.source)
        except ValueError as error:
            raise ConfigurationError(
                f"{self.place}: {self.source!r} is no CEL expression ({_first(str(error))}); see docs/rules.md"
            ) from error


def readable(values: Mapping[str, Any]) -> Row:
    """The values of one row under ``transaction``, ``features`` and ``score``, for any number of expressions."""
    return cel.Context(dict(values))


def _first(message: str) -> str:
    """The telling part of a parser's message."""
    return message.split("ERROR: ", 1)[-1].splitlines()[0]
