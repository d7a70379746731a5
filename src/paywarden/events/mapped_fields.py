"""The columns of a file as the fields of events, one after the other, and the rows where a value cannot be read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import MappingError
from paywarden.events import reasons, value_readers
from paywarden.events.currency import CurrencyTable
from paywarden.events.mapping import OPTIONAL_NUMBERS, OPTIONAL_TEXTS, Mapping, Source
from paywarden.events.rules import Columns
from paywarden.events.strings import validity
from paywarden.events.tokens import tokenise


class FieldReader:
    """Reads ``columns`` of a file, arrays of one length without chunks, as ``mapping`` says.

    ``unreadable`` gathers row index to (code, detail) while reading. A column of which no value at all can be read
    raises :class:`~paywarden.errors.MappingError`: the mapping is wrong then, not the data.
    """

    def __init__(self, columns: Columns, mapping: Mapping) -> None:
        self._columns = columns
        self._mapping = mapping
        self._rows = len(columns[mapping.transaction_id])
        self.unreadable: dict[int, tuple[str, str]] = {}

    def fields(self, currencies: CurrencyTable, token_key: bytes | None) -> Columns:
        """The canonical columns of transactions but the derived ones, and ``is_fraud`` and ``pattern`` with labels."""
        mapping, schema = self._mapping, self._mapping.schema
        occurred_at = self._time()
        currency = self._text("currency", mapping.fields["currency"])
        return {
            "transaction_id": self._text("transaction_id", Source(column=mapping.transaction_id)),
            "occurred_at": occurred_at,
            "received_at": pc.add(occurred_at, mapping.received_delay_ms),
            **{f"entity_{name}": self._entity(name, token_key) for name in schema.entities},
            "currency": currency,
            "amount": self._amount(_exponents(currency, currencies)),
            **{name: self._text(name, mapping.fields.get(name)) for name in OPTIONAL_TEXTS},
            **{name: self._number(name, mapping.fields.get(name)) for name in OPTIONAL_NUMBERS},
            **{f"extra_{name}": self._number(f"extra_{name}", mapping.extras[name]) for name in schema.extra_numbers},
            **{f"extra_{name}": self._text(f"extra_{name}", mapping.extras[name]) for name in schema.extra_categories},
            **self._label(),
        }

    def _checked(self, field: str, column: str, values: pa.Array) -> pa.Array:
        """The values read from a column; where one was there and is null now, the row is unreadable."""
        present = validity(self._columns[column])
        lost = present & ~validity(values)
        if lost.any() and (lost == present).all():
            raise MappingError(
                f"mapping {self._mapping.name}, {field}: no value of column {column!r} ({self._columns[column].type}) "
                f"can be read; correct the column, or how it is to be read"
            )
        for i in np.flatnonzero(lost).tolist():
            self.unreadable.setdefault(i, (reasons.UNREADABLE_VALUE, f"{field} cannot be read from column {column!r}"))
        return values

    def _time(self) -> pa.Int64Array:
        time = self._mapping.occurred_at
        read = value_readers.TIME_FORMATS[time.format]
        return self._checked("occurred_at", time.column, read(self._columns[time.column], time.timezone))

    def _amount(self, exponents: NDArray[np.int64]) -> pa.Int64Array:
        amount = self._mapping.amount
        values = value_readers.minor_units(self._columns[amount.column], amount.unit, exponents)
        return self._checked("amount", amount.column, values)

    def _text(self, field: str, source: Source | None) -> pa.StringArray:
        if source is None or source.column is None:
            return self._constant(None if source is None else str(source.value), pa.string())
        return self._checked(field, source.column, value_readers.texts(self._columns[source.column]))

    def _number(self, field: str, source: Source | None) -> pa.DoubleArray:
        if source is None or source.column is None:
            return self._constant(None if source is None else source.value, pa.float64())
        return self._checked(field, source.column, value_readers.numbers(self._columns[source.column]))

    def _constant(self, value: str | float | None, kind: pa.DataType) -> pa.Array:
        return pa.nulls(self._rows, kind) if value is None else pa.repeat(pa.scalar(value, kind), self._rows)

    def _entity(self, name: str, token_key: bytes | None) -> pa.StringArray:
        entity = self._mapping.entities[name]
        ids = self._text(f"entities.{name}", Source(column=entity.column))
        if not entity.tokenise:
            return ids
        if token_key is None:
            raise MappingError(
                f"mapping {self._mapping.name}, entities.{name}: 'tokenise' needs a token key; set events.token_key"
            )
        return tokenise(ids, token_key)

    def _label(self) -> Columns:
        label = self._mapping.label
        if label is None:
            return {}
        is_fraud = value_readers.labels(self._columns[label.column], label.fraud_values, label.legitimate_values)
        pattern = pa.nulls(self._rows, pa.string())
        if label.pattern_column is not None:
            pattern = value_readers.renamed(self._columns[label.pattern_column], label.pattern_names)
        return {"is_fraud": self._checked("label", label.column, is_fraud), "pattern": pattern}


def _exponents(currency: pa.StringArray, currencies: CurrencyTable) -> NDArray[np.int64]:
    """Decimal places of each row's currency, int64 [N]; 0 where it is null."""
    codes = pc.dictionary_encode(currency)
    known = [currencies.exponent(code) for code in codes.dictionary.to_pylist()]
    return np.array([*known, 0], dtype=np.int64)[pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False)]
