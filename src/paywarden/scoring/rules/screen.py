"""Which rows a condition may hold of, told for whole columns at once: never fewer than CEL says.

CEL is asked row by row, and most of its time goes into handing a row's values over. Most rules hold of few rows, and
most of their conditions are comparisons of a field with a literal: those are made here on columns, and CEL has the last
word on the rows that remain. What is not understood here may hold of any row.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Literal: TypeAlias = str | int | float
Column: TypeAlias = NDArray[Any]
"""Int64, float64, or objects that are all texts."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"\n]*"|'[^'\n]*')
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<reads>(?:transaction|features)\s*\.\s*\w+|score\b)
    |(?P<mark>&&|\|\||==|!=|<=|>=|<|>|\(|\)|\[|\]|\{|\}|,|in\b)
    |(?P<other>\w+|\S))""",
    re.VERBOSE,
)
_BEYOND = re.compile(r"\\|//|\"\"\"|'''|\?")
"""Escapes, comments, long texts and choices: how these end and bind is left to CEL."""
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXACT = 2**52
"""Up to here a number is the same as an integer and as a float."""


class Columns(Protocol):
    """The columns of ``n`` rows by what an expression calls them, such as ``transaction.amount``."""

    rows: int

    def column(self, name: str) -> Column | None:
        """The column, or None where there is none: what reads it cannot be computed."""


class Screen(Protocol):
    """A condition, or what is known of it."""

    def may_hold(self, columns: Columns) -> NDArray[np.bool_]:
        """Of which rows it may hold, bool ``[n]``; of all others it does not."""


@dataclass(frozen=True)
class AllOf:
    """Conditions that must hold together; without any it may hold of every row."""

    parts: tuple[Screen, ...] = ()

    def may_hold(self, columns: Columns) -> NDArray[np.bool_]:
        """Where all may hold."""
        return reduce(operator.and_, (part.may_hold(columns) for part in self.parts), np.ones(columns.rows, np.bool_))


@dataclass(frozen=True)
class AnyOf:
    """Conditions of which one must hold."""

    parts: tuple[Screen, ...]

    def may_hold(self, columns: Columns) -> NDArray[np.bool_]:
        """Where any may hold."""
        return reduce(operator.or_, (part.may_hold(columns) for part in self.parts), np.zeros(columns.rows, np.bool_))


@dataclass(frozen=True)
class Comparison:
    """A field held against a literal."""

    reads: str
    operator: str
    literal: Literal

    def may_hold(self, columns: Columns) -> NDArray[np.bool_]:
        """Where it holds; everywhere, where the two are of kinds whose comparison is CEL's affair."""
        column = columns.column(self.reads)
        if column is None:
            return np.zeros(columns.rows, np.bool_)
        if not self._comparable(column):
            return np.ones(columns.rows, np.bool_)
        return np.asarray(_COMPARE[self.operator](column, self.literal), dtype=np.bool_)

    def _comparable(self, column: Column) -> bool:
        if isinstance(self.literal, str):
            return column.dtype == np.object_ and self.operator in ("==", "!=")
        return column.dtype != np.object_ and abs(self.literal) <= _EXACT


ANYWHERE = AllOf()
"""Nothing is known of the condition."""


def screen_of(source: str) -> Screen:
    """What an expression's text tells of where it may hold. The text must be one that CEL takes."""
    if _BEYOND.search(source):
        return ANYWHERE
    return _screen([(str(found.lastgroup), str(found[str(found.lastgroup)])) for found in _TOKEN.finditer(source)])


_Token: TypeAlias = tuple[str, str]


def _screen(tokens: Sequence[_Token]) -> Screen:
    for mark, joined in (("||", AnyOf), ("&&", AllOf)):
        parts = _split(tokens, mark)
        if len(parts) > 1:
            return joined(tuple(_screen(part) for part in parts))
    if len(tokens) > 2 and tokens[0][1] == "(" and _closes(tokens) == len(tokens) - 1:
        return _screen(tokens[1:-1])
    return _comparison(tokens)


def _comparison(tokens: Sequence[_Token]) -> Screen:
    kinds, marks = [kind for kind, _ in tokens], [text for _, text in tokens]
    if len(tokens) == 3 and kinds[0] == "reads" and marks[1] in _COMPARE and kinds[2] in ("text", "number"):
        return Comparison(_name(marks[0]), marks[1], _literal(tokens[2]))
    if len(tokens) == 3 and kinds[2] == "reads" and marks[1] in _COMPARE and kinds[0] in ("text", "number"):
        return Comparison(_name(marks[2]), _MIRRORED[marks[1]], _literal(tokens[0]))
    if marks[1:3] == ["in", "["] and kinds[0] == "reads" and marks[-1] == "]":
        return _one_of(_name(marks[0]), tokens[3:-1])
    return ANYWHERE


def _one_of(reads: str, items: Sequence[_Token]) -> Screen:
    """``reads in [items]``, where all items are literals."""
    parts = _split(items, ",")
    if not all(len(part) == 1 and part[0][0] in ("text", "number") for part in parts):
        return ANYWHERE
    return AnyOf(tuple(Comparison(reads, "==", _literal(part[0])) for part in parts))


def _split(tokens: Sequence[_Token], mark: str) -> list[list[_Token]]:
    """The tokens between marks that stand in no brackets."""
    parts: list[list[_Token]] = [[]]
    depth = 0
    for kind, text in tokens:
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}")) if kind == "mark" else 0
        if kind == "mark" and text == mark and depth == 0:
            parts.append([])
        else:
            parts[-1].append((kind, text))
    return parts


def _closes(tokens: Sequence[_Token]) -> int:
    """Where the bracket closes that the first token opens; -1 if nowhere."""
    depth = 0
    for place, (kind, text) in enumerate(tokens):
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}")) if kind == "mark" else 0
        if depth == 0:
            return place
    return -1


def _name(reads: str) -> str:
    return "".join(reads.split())


def _literal(token: _Token) -> Literal:
    kind, text = token
    if kind == "text":
        return text[1:-1]
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
