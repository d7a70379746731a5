"""The columns that lists and rules read of a batch of transactions, each made once and only if any of them reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.scoring.rules.expression import Row, readable
from paywarden.scoring.rules.screen import Column


def column_of(field: str, columns: Sequence[str]) -> str:
    """The column of transactions that a field's name in lists and rules stands for.

    An entity comes first: beside it, rows in flight and archived ones have columns of Kafka's, such as ``topic``.
    """
    entity = f"entity_{field}"
    return "amount_base" if field == "amount" else entity if entity in columns else field


class ReadColumns:
    """What expressions and lists may read of ``rows`` transactions.

    ``score`` float64 [N] and ``vectors`` float32 [N, F] with the ``names`` of their features, or None. Absent texts are
    empty, absent numbers NaN.
    """

    def __init__(
        self,
        transactions: pa.Table,
        score: NDArray[np.float64] | None,
        vectors: NDArray[np.float32] | None,
        names: Sequence[str],
    ) -> None:
        self.rows = transactions.num_rows
        self.at: list[int] = transactions["occurred_at"].to_pylist()
        self._transactions = transactions
        self._score = score
        self._vectors = vectors
        self._places = {name: place for place, name in enumerate(names)} if vectors is not None else {}
        self._known: dict[str, Column | None] = {}
        self._listed: dict[str, list[Any] | None] = {}

    def column(self, name: str) -> Column | None:
        """The column of ``transaction.<field>``, ``features.<name>`` or ``score``; None where there is none."""
        if name not in self._known:
            self._known[name] = self._column(name)
        return self._known[name]

    def texts(self, field: str) -> list[str]:
        """A list's field of every row, as text."""
        return [str(value) if value else "" for value in self._values(f"transaction.{field}") or ()]

    def row(self, place: int, reads: Iterable[str]) -> Row:
        """What is to be read of one row, and no more: handing a value over to CEL takes longer than comparing it."""
        whole: dict[str, dict[str, Any]] = {"transaction": {}, "features": {}, "": {}}
        for name in reads:
            values = self._values(name)
            if values is not None:
                of, _, field = name.rpartition(".")
                whole[of][field] = values[place]
        return readable({**whole.pop(""), **whole})

    def _values(self, name: str) -> list[Any] | None:
        """A column as Python values."""
        if name not in self._listed:
            column = self.column(name)
            self._listed[name] = None if column is None else column.tolist()
        return self._listed[name]

    def _column(self, name: str) -> Column | None:
        whose, _, field = name.partition(".")
        if whose == "score":
            return self._score
        if whose == "transaction":
            return _of_transactions(self._transactions, field)
        place = self._places.get(field)
        return None if place is None or self._vectors is None else self._vectors[:, place].astype(np.float64)


def _of_transactions(transactions: pa.Table, field: str) -> Column:
    column = transactions[column_of(field, transactions.column_names)].combine_chunks()
    if pa.types.is_string(column.type):
        return column.fill_null("").to_numpy(zero_copy_only=False).astype(object)
    if pa.types.is_integer(column.type) and not column.null_count:
        return column.to_numpy().astype(np.int64)
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
