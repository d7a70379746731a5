"""What lists and rules make of the model's decisions.

A block list declines. Else an allow list approves. Else the strictest of the model's decision, review lists and rules
holds; where no rule or list is stricter, a rule that approves lowers the model's decision. Shadow ones decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.events.alert_notes import RULE_TEXTS, WITHOUT_RULES
from paywarden.scoring.policy import APPROVE, DECISIONS, DECLINE, REVIEW
from paywarden.scoring.rules.read_columns import ReadColumns
from paywarden.scoring.rules.rule_book import NamedList, Rule, RuleBook

_NOT_READ = {"routing_key", "received_at", "transaction_id", "currency", "amount_base", "amount"}


@dataclass(frozen=True)
class Ruling:
    """Aligned with N transactions: ``decision`` int8 [N]; the names that fired, the deciding one first; shadow ones.

    ``without`` int8 [N] is what would have been decided without ``book``.
    """

    decision: NDArray[np.int8]
    fired: list[list[str]]
    shadow: list[list[str]]
    without: NDArray[np.int8]
    book: RuleBook

    def notes(self, row: int) -> dict[str, Any]:
        """What an alert's message says of lists and rules (:mod:`paywarden.events.alert_notes`)."""
        without, texts = int(self.without[row]), self.book.texts
        return {
            WITHOUT_RULES: DECISIONS[without] if without != self.decision[row] else None,
            RULE_TEXTS: [texts[name] for name in self.fired[row]],
        }


def fields_of(transactions: pa.Schema) -> tuple[str, ...]:
    """What rules and lists call the fields of canonical transactions: ``amount``, ``card``, ``country`` and so on."""
    names = [name.removeprefix("entity_") for name in transactions.names if name not in _NOT_READ]
    return ("amount", *(name for name in names if name != "occurred_at"))


def rule(
    book: RuleBook,
    transactions: pa.Table,
    decision: NDArray[np.int8],
    score: NDArray[np.float64] | None = None,
    vectors: NDArray[np.float32] | None = None,
    names: Sequence[str] = (),
) -> Ruling:
    """The decisions on canonical transactions [N], given the model's (codes, int8 [N]).

    ``score`` float64 [N] and ``vectors`` float32 [N, F] with the ``names`` of their features; without a score, rules
    that read it, or a feature, are passed over. A row's outcome does not depend on the other rows.
    """
    fired: list[list[str]] = [[]] * len(decision)  # one empty list for all: rows get lists of their own below
    shadow: list[list[str]] = [[]] * len(decision)
    final = decision.copy()
    if not book:
        return Ruling(final, fired, shadow, decision, book)
    columns = ReadColumns(transactions, score, vectors, names)
    usable = [r for r in book.rules if score is not None or not _needs_model(r)]
    masks = [*(_on(one, columns) for one in book.lists), *(_may_hold(r, columns) for r in usable)]
    may = np.array(masks, np.bool_).reshape(-1, columns.rows).T
    for row in np.flatnonzero(may.any(axis=1)).tolist():
        found = may[row].tolist()
        on = list(compress(book.lists, found))
        asked = list(compress(usable, found[len(book.lists) :]))
        values = columns.row(row, {read for r in asked for read in r.when.reads})
        holding = [r for r in asked if r.when.holds(values)]
        if not on and not holding:
            continue
        final[row], fired[row] = settle(
            int(decision[row]), [x for x in on if not x.shadow], [r for r in holding if not r.shadow]
        )
        shadow[row] = [*(x.name for x in on if x.shadow), *(r.name for r in holding if r.shadow)]
    return Ruling(final, fired, shadow, decision, book)


_FEW_ROWS = 8
"""Fewer are handed to CEL at once: looking at columns first costs as much as a row does."""


def _on(one: NamedList, columns: ReadColumns) -> NDArray[np.bool_]:
    """Which rows are on a list."""
    texts = columns.texts(one.field)
    held = (value in one.until and one.holds(value, at) for value, at in zip(texts, columns.at, strict=True))
    return np.fromiter(held, np.bool_, columns.rows)


def _may_hold(rule: Rule, columns: ReadColumns) -> NDArray[np.bool_]:
    """Of which rows CEL has to be asked whether the rule holds."""
    return np.ones(columns.rows, np.bool_) if columns.rows < _FEW_ROWS else rule.when.screen.may_hold(columns)


def _needs_model(rule: Rule) -> bool:
    return any(read == "score" or read.startswith("features.") for read in rule.when.reads)


def settle(model: int, on: Sequence[NamedList], rules: Sequence[Rule]) -> tuple[int, list[str]]:
    """The decision on one payment, given the model's (a code), the lists that it is on and the rules that hold of it.

    Beside it the names of what fired: the one that decided first, or in the file's order. Whether one is in shadow is
    not looked at.
    """
    items: list[NamedList | Rule] = [*on, *rules]
    names = [item.name for item in items]

    def first(deciding: Sequence[NamedList | Rule]) -> list[str]:
        ahead = [item.name for item in deciding]
        return [*ahead, *(name for name in names if name not in ahead)]

    blocks = [one for one in on if one.action == "block"]
    if blocks:
        return DECLINE, first(blocks)
    allows = [one for one in on if one.action == "allow"]
    if allows:
        return APPROVE, first(allows)
    for code in (DECLINE, REVIEW):
        deciding: list[NamedList | Rule] = [
            *(one for one in on if code == REVIEW),
            *(r for r in rules if r.code == code),
        ]
        if deciding:
            return (code, first(deciding)) if code >= model else (model, names)
    approving = [r for r in rules if r.code == APPROVE]
    return (APPROVE, first(approving)) if approving else (model, names)
