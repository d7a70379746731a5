"""A CSV or Parquet file read through a mapping: canonical transactions and labels, by the rules that messages keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import MappingError
from paywarden.events.currency import CurrencyTable
from paywarden.events.data_files import column_names, read_columns
from paywarden.events.limits import DEFAULT_LIMITS, Limits
from paywarden.events.mapped_fields import FieldReader
from paywarden.events.mapping import Mapping
from paywarden.events.remedies import remedy
from paywarden.events.rules import Checked, Columns, check_labels, check_transactions
from paywarden.events.schema import EventSchema
from paywarden.events.sources import LabelSource
from paywarden.events.strings import one_array
from paywarden.events.yaml_section import did_you_mean

REJECT_SCHEMA = pa.schema(
    [("row", pa.int64()), ("event", pa.string()), ("reason", pa.string()), ("detail", pa.string())]
)


@dataclass(frozen=True)
class MappedData:
    """What a file holds: canonical transactions and labels in the order of its rows, and the rows that were refused.

    ``rejects`` has the columns of :data:`REJECT_SCHEMA`: the row counted from 1 without a header, ``transaction`` or
    ``label``, the code and the detail. A refused transaction has no label. ``rows`` counts the rows of the file.
    ``label_delay_ms`` is how long after a transaction its label came; 0 without labels.
    """

    schema: EventSchema
    currencies: CurrencyTable
    rows: int
    transactions: pa.Table
    labels: pa.Table
    rejects: pa.Table
    label_delay_ms: int = 0


def read_events(
    path: str | Path,
    mapping: Mapping,
    *,
    currencies: CurrencyTable | None = None,
    token_key: bytes | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> MappedData:
    """The transactions and labels in a ``.parquet`` or ``.csv`` file (also ``.csv.gz``), read whole into memory.

    ``currencies`` may be left out where the mapping gives one currency for all rows, which then is the base.
    ``token_key`` is needed where an entity is tokenised. ``received_at`` of a transaction is ``occurred_at`` plus the
    mapping's delay; that of a label is when it was given. Raises :class:`~paywarden.errors.DataError` if the file
    cannot be read and :class:`~paywarden.errors.MappingError` if the mapping does not fit it, or fits no row.
    """
    currencies = currencies or _only_currency(mapping)
    path = Path(path)
    _check_columns(path, column_names(path), mapping)
    columns = read_columns(path, list(dict.fromkeys(column for _, column in mapping.columns())))
    rows = len(columns[mapping.amount.column])
    reader = FieldReader(columns, mapping)
    fields = reader.fields(currencies, token_key)
    refused = dict(reader.unreadable)
    readable = np.setdiff1d(np.arange(rows), list(refused)) if refused else np.arange(rows)
    if refused:
        fields = {name: values.take(pa.array(readable)) for name, values in fields.items()}
    checked = check_transactions(fields, mapping.schema, currencies, limits)
    refused |= {int(readable[i]): reason for i, reason in checked.refused.items()}
    if rows and not len(checked.kept):
        raise _nothing_fits(mapping, rows, refused)
    named = _with_columns(mapping)
    rejects = [_rejects("transaction", refused, named)]
    labels = mapping.schema.label_schema().empty_table()
    if mapping.label is not None:
        kept = readable[checked.kept]
        found, of_rows = _labels(checked.rows, fields, checked.kept, mapping.label, mapping.schema, limits)
        labels = found.rows
        rejects.append(_rejects("label", {int(kept[of_rows[i]]): reason for i, reason in found.refused.items()}, named))
    return MappedData(
        mapping.schema,
        currencies,
        rows,
        checked.rows,
        labels,
        pa.concat_tables(rejects),
        0 if mapping.label is None else mapping.label.delay_ms,
    )


def _nothing_fits(mapping: Mapping, rows: int, refused: dict[int, tuple[str, str]]) -> MappingError:
    first = min(refused)
    code, detail = refused[first]
    return MappingError(
        f"mapping {mapping.name}: none of the {rows:,} rows is a transaction; row {first + 1}: "
        f"{_with_columns(mapping)(detail)}; {remedy(code)}"
    )


def _with_columns(mapping: Mapping) -> Callable[[str], str]:
    """Details begin with the field they speak of: its column is added."""
    columns: dict[str, str] = {}
    for place, column in mapping.columns():
        columns[place] = f"{columns[place]} and {column!r}" if place in columns else f"column {column!r}"

    def named(detail: str) -> str:
        place = columns.get(detail.split(" ", 1)[0])
        return detail if place is None or "column" in detail else f"{detail} ({place})"

    return named


def _only_currency(mapping: Mapping) -> CurrencyTable:
    currency = mapping.fields["currency"].value
    if currency is None:
        raise MappingError(f"mapping {mapping.name} reads the currency from a column; give a currency table with rates")
    return CurrencyTable(str(currency))


def _check_columns(path: Path, present: list[str], mapping: Mapping) -> None:
    for place, column in mapping.columns():
        if present.count(column) > 1:
            count = f"{present.count(column)} columns {column!r}"
            raise MappingError(f"mapping {mapping.name}, {place}: {path.name} has {count}; rename one")
        if column not in present:
            hint = did_you_mean(column, present)
            raise MappingError(
                f"mapping {mapping.name}, {place}: {path.name} has no column {column!r}.{hint} "
                f"It has: {', '.join(present)}"
            )


def _labels(
    transactions: pa.Table,
    fields: Columns,
    kept: NDArray[np.int64],
    label: LabelSource,
    schema: EventSchema,
    limits: Limits,
) -> tuple[Checked, NDArray[np.int64]]:
    """Labels of the accepted transactions, and the row of ``transactions`` that each candidate belongs to."""
    is_fraud = fields["is_fraud"].take(pa.array(kept))
    labelled = is_fraud.is_valid() if label.legitimate else pc.fill_null(is_fraud, False)
    of_rows = np.flatnonzero(labelled.to_numpy(zero_copy_only=False))
    taken = transactions.take(pa.array(of_rows))
    columns = {
        name: one_array(taken.column(name)) for name in ("transaction_id", "occurred_at", *schema.entity_columns)
    }
    columns["labelled_at"] = columns["received_at"] = pc.add(columns["occurred_at"], label.delay_ms)
    columns["is_fraud"] = is_fraud.take(pa.array(of_rows))
    pattern = fields["pattern"].take(pa.array(kept[of_rows]))
    columns["pattern"] = pc.if_else(columns["is_fraud"], pattern, None)
    columns["source"] = pa.repeat(pa.scalar(label.source), len(of_rows))
    return check_labels(columns, schema, limits), of_rows


def _rejects(event: str, refused: dict[int, tuple[str, str]], named: Callable[[str], str]) -> pa.Table:
    rows = sorted(refused)
    codes, details = [refused[i][0] for i in rows], [named(refused[i][1]) for i in rows]
    columns = [[i + 1 for i in rows], [event] * len(rows), codes, details]
    return pa.Table.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, REJECT_SCHEMA, strict=True)], schema=REJECT_SCHEMA
    )
