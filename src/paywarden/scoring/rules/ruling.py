"""What lists and rules make of the model's decisions.

A block list declines. Else an allow list approves. Else the strictest of the model's decision, review lists and rules
holds; where no rule or list is stricter, a rule that approves lowers the model's decision. Shadow ones decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.scoring.policy import APPROVE, DECLINE, REVIEW
from paywarden.scoring.rules.rule_book import NamedList, Rule, RuleBook

_NOT_READ = {"routing_key", "received_at", "transaction_id", "currency", "amount_base", "amount"}
_EXTRA = "extra_"


@dataclass(frozen=True)
class Ruling:
    """Aligned with N transactions: ``decision`` int8 [N]; the names that fired, the deciding one first; shadow ones."""

    decision: NDArray[np.int8]
    fired: list[list[str]]
    shadow: list[list[str]]


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
    fired: list[list[str]] = [[] for _ in decision]
    shadow: list[list[str]] = [[] for _ in decision]
    final = decision.copy()
    if not book:
        return Ruling(final, fired, shadow)
    usable = [r for r in book.rules if score is not None or not _needs_model(r)]
    values = _Values(transactions, usable, book.lists, score, vectors, names)
    for row in range(len(decision)):
        on = [one for one in book.lists if one.holds(values.text(one.field, row), values.at[row])]
        held = values.of(row)
        holding = [r for r in usable if r.when.holds(held)]
        final[row], acting = _settle(
            int(decision[row]), [x for x in on if not x.shadow], [r for r in holding if not r.shadow]
        )
        fired[row] = acting
        shadow[row] = [*(x.name for x in on if x.shadow), *(r.name for r in holding if r.shadow)]
    return Ruling(final, fired, shadow)


def _needs_model(rule: Rule) -> bool:
    return any(read == "score" or read.startswith("features.") for read in rule.when.reads)


def _settle(model: int, on: Sequence[NamedList], rules: Sequence[Rule]) -> tuple[int, list[str]]:
    """The decision, and the names of what fired: the one that decided first, or in the file's order."""
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


class _Values:
    """The values that rules and lists read, column by column, only those that any of them reads."""

    def __init__(
        self,
        transactions: pa.Table,
        rules: Sequence[Rule],
        lists: Sequence[NamedList],
        score: NDArray[np.float64] | None,
        vectors: NDArray[np.float32] | None,
        names: Sequence[str],
    ) -> None:
        reads = {read for r in rules for read in r.when.reads}
        of_transaction = {read.partition(".")[2] for read in reads if read.startswith("transaction.")}
        self.at: list[int] = transactions["occurred_at"].to_pylist()
        self._columns = {name: _column(transactions, name) for name in of_transaction}
        self._texts = {one.field: _column(transactions, one.field) for one in lists}
        wanted = [read.partition(".")[2] for read in reads if read.startswith("features.")]
        places = {name: place for place, name in enumerate(names)}
        self._features = {
            name: vectors[:, places[name]].astype(float).tolist()
            for name in wanted
            if vectors is not None and name in places
        }
        self._score: list[float] | None = None if score is None else score.tolist()

    def text(self, field: str, row: int) -> str | None:
        """A list's field of a row; the empty text, which is on no list, where it is absent."""
        value = self._texts[field][row]
        return str(value) if value else None

    def of(self, row: int) -> dict[str, object]:
        """What expressions read of a row."""
        found: dict[str, object] = {
            "transaction": {name: column[row] for name, column in self._columns.items()},
            "features": {name: column[row] for name, column in self._features.items()},
        }
        return found if self._score is None else found | {"score": self._score[row]}


def _column(transactions: pa.Table, field: str) -> list[object]:
    """A field of all rows; absent texts are empty, absent numbers NaN."""
    name = "amount_base" if field == "amount" else field if field in transactions.column_names else f"entity_{field}"
    column = transactions[name]
    absent: object = "" if pa.types.is_string(column.type) else float("nan")
    return [absent if value is None else value for value in column.to_pylist()]
