"""The columns of a file as the fields of events, one after the other, and the rows where a value cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import MappingError
from paywarden.events import reasons, value_readers
from paywarden.events.currency import CurrencyTable
from paywarden.events.mapping import Mapping
from paywarden.events.mapping_parser import OPTIONAL_NUMBERS, OPTIONAL_TEXTS
from paywarden.events.rules import Columns
from paywarden.events.sources import Source
from paywarden.events.strings import validity
from paywarden.events.time_readers import read_time, readable_formats
from paywarden.events.tokens import looks_like_card_number, tokenise

LONGEST_SHOWN = 32
"""Characters of a value that a message may show; what looks like a card number is never shown."""


class FieldReader:
    """Reads ``columns`` of a file, arrays of one length without chunks, as ``mapping`` says.

    ``unreadable`` gathers row index to (code, detail) while reading. A column of which no value at all can be read
    raises :class:`~paywarden.errors.MappingError`: the mapping is wrong then, not the data.
    """

    def __init__(self, columns: Columns, mapping: Mapping) -> None:
        self._columns = columns
        self._mapping = mapping
        self._rows = len(columns[mapping.amount.column])
        self.unreadable: dict[int, tuple[str, str]] = {}

    def fields(self, currencies: CurrencyTable, token_key: bytes | None) -> Columns:
        """The canonical columns of transactions but the derived ones, and ``is_fraud`` and ``pattern`` with labels."""
        mapping, schema = self._mapping, self._mapping.schema
        occurred_at = self._time()
        currency = self._text("currency", mapping.fields["currency"])
        return {
            "transaction_id": self._id(),
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

    def _checked(self, field: str, columns: Sequence[str], values: pa.Array, remedy: str) -> pa.Array:
        """The values read from columns; where all of them were there and the value is null now, it is unreadable."""
        present = np.logical_and.reduce([validity(self._columns[column]) for column in columns])
        lost = present & ~validity(values)
        if not lost.any():
            return values
        named = " and ".join(f"column {column!r}" for column in columns)
        if (lost == present).all():
            row = int(np.flatnonzero(lost)[0])
            held = " and ".join(f"{self._shown(column, row)} ({self._columns[column].type})" for column in columns)
            raise MappingError(
                f"mapping {self._mapping.name}, {field}: no value of {named} can be read, "
                f"in row {row + 1} there is {held}; {remedy}"
            )
        for i in np.flatnonzero(lost).tolist():
            self.unreadable.setdefault(i, (reasons.UNREADABLE_VALUE, f"{field} cannot be read from {named}"))
        return values

    def _shown(self, column: str, row: int) -> str:
        value = value_readers.texts(self._columns[column].slice(row, 1))
        text = value[0].as_py()
        if text is None or len(text) > LONGEST_SHOWN or not text.isprintable() or looks_like_card_number(value)[0]:
            return "a value"
        return repr(text)

    def _id(self) -> pa.StringArray:
        source = self._mapping.transaction_id
        if source.column is None:
            ids = pa.array(np.arange(1, self._rows + 1)).cast(pa.string())
        else:
            ids = self._text("transaction_id", Source(column=source.column))
        return pc.binary_join_element_wise(source.prefix, ids, "") if source.prefix else ids

    def _time(self) -> pa.Int64Array:
        time = self._mapping.occurred_at
        values = self._columns[time.column]
        times = read_time(time, values, None if time.hour is None else self._columns[time.hour])
        others = [] if times.null_count < len(times) else readable_formats(values)
        remedy = f"write format: {' or '.join(others)}" if others else "correct the column, its format or its hour"
        return self._checked("occurred_at", time.columns, times, remedy)

    def _amount(self, exponents: NDArray[np.int64]) -> pa.Int64Array:
        amount = self._mapping.amount
        values = value_readers.minor_units(self._columns[amount.column], amount.unit, exponents)
        remedy = "name a column of numbers such as 12.50"
        if amount.unit == "minor":
            remedy = "name a column of whole numbers, or write unit: major"
        return self._checked("amount", (amount.column,), values, remedy)

    def _text(self, field: str, source: Source | None) -> pa.StringArray:
        if source is None or source.column is None:
            return self._constant(None if source is None else str(source.value), pa.string())
        values = self._columns[source.column]
        if source.names:
            return value_readers.renamed(values, source.names)
        return self._checked(field, (source.column,), value_readers.texts(values), "name a column of text or numbers")

    def _number(self, field: str, source: Source | None) -> pa.DoubleArray:
        if source is None or source.value is not None:
            return self._constant(None if source is None else source.value, pa.float64())
        columns = [self._columns[column] for column in source.columns]
        values = value_readers.distance_km(columns) if source.distance_km else value_readers.numbers(columns[0])
        return self._checked(field, source.columns, values, "name a column of numbers")

    def _constant(self, value: str | float | None, kind: pa.DataType) -> pa.Array:
        return pa.nulls(self._rows, kind) if value is None else pa.repeat(pa.scalar(value, kind), self._rows)

    def _entity(self, name: str, token_key: bytes | None) -> pa.StringArray:
        entity = self._mapping.entities[name]
        ids = self._text(f"entities.{name}", Source(column=entity.column))
        if not entity.tokenise:
            return ids
        if token_key is None:
            raise MappingError(
                f"mapping {self._mapping.name}, entities.{name}: 'tokenise' needs a secret key; set events.token_key "
                f"(PAYWARDEN_EVENTS__TOKEN_KEY) to a random text of at least 16 bytes, and keep it"
            )
        try:
            return tokenise(ids, token_key)
        except ValueError as error:
            raise MappingError(f"events.token_key: {error}") from error

    def _label(self) -> Columns:
        label = self._mapping.label
        if label is None:
            return {}
        is_fraud = value_readers.labels(self._columns[label.column], label.fraud_values, label.legitimate_values)
        known = f"fraud_values ({', '.join(label.fraud_values)}) or legitimate_values"
        remedy = f"list its values in {known} ({', '.join(label.legitimate_values)})"
        return {
            "is_fraud": self._checked("label", (label.column,), is_fraud, remedy),
            "pattern": self._text("label.pattern", label.pattern),
        }


def _exponents(currency: pa.StringArray, currencies: CurrencyTable) -> NDArray[np.int64]:
    """Decimal places of each row's currency, int64 [N]; 0 where it is null."""
    codes = pc.dictionary_encode(currency)
    known = [currencies.exponent(code) for code in codes.dictionary.to_pylist()]
    return np.array([*known, 0], dtype=np.int64)[pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False)]
