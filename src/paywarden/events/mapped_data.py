"""A CSV or Parquet file read through a mapping: canonical transactions and labels, by the rules that messages keep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from paywarden.errors import DataError, MappingError
from paywarden.events import reasons, value_readers
from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import DEFAULT_LIMITS, Limits
from paywarden.events.mapping import OPTIONAL_NUMBERS, OPTIONAL_TEXTS, LabelSource, Mapping, Source
from paywarden.events.rules import Checked, Columns, check_labels, check_transactions
from paywarden.events.schema import EventSchema
from paywarden.events.strings import one_array, validity
from paywarden.events.tokens import tokenise
from paywarden.events.yaml_section import did_you_mean

REJECT_SCHEMA = pa.schema(
    [("row", pa.int64()), ("event", pa.string()), ("reason", pa.string()), ("detail", pa.string())]
)


@dataclass(frozen=True)
class MappedData:
    """What a file holds: canonical transactions and labels in the order of its rows, and the rows that were refused.

    ``rejects`` has the columns of :data:`REJECT_SCHEMA`: the row counted from 1 without a header, ``transaction`` or
    ``label``, the code and the detail. A refused transaction has no label. ``rows`` counts the rows of the file.
    """

    schema: EventSchema
    currencies: CurrencyTable
    rows: int
    transactions: pa.Table
    labels: pa.Table
    rejects: pa.Table


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
    cannot be read and :class:`~paywarden.errors.MappingError` if the mapping does not fit it.
    """
    currencies = currencies or _only_currency(mapping)
    columns = _file_columns(Path(path), mapping)
    rows = len(next(iter(columns.values())))
    fields, unreadable = _fields(columns, mapping, currencies, token_key)
    refused: dict[int, tuple[str, str]] = {}
    for name, mask in unreadable.items():
        for i in np.flatnonzero(mask).tolist():
            refused.setdefault(i, (reasons.UNREADABLE_VALUE, f"{name} cannot be read"))
    readable = np.flatnonzero(~np.logical_or.reduce(list(unreadable.values())))
    if refused:
        fields = {name: values.take(pa.array(readable)) for name, values in fields.items()}
    checked = check_transactions(fields, mapping.schema, currencies, limits)
    refused |= {int(readable[i]): reason for i, reason in checked.refused.items()}
    rejects = [_rejects("transaction", refused)]
    labels = mapping.schema.label_schema().empty_table()
    if mapping.label is not None:
        kept = readable[checked.kept]
        found, of_rows = _labels(checked.rows, fields, checked.kept, mapping.label, mapping.schema, limits)
        labels = found.rows
        rejects.append(_rejects("label", {int(kept[of_rows[i]]): reason for i, reason in found.refused.items()}))
    return MappedData(mapping.schema, currencies, rows, checked.rows, labels, pa.concat_tables(rejects))


def _only_currency(mapping: Mapping) -> CurrencyTable:
    currency = mapping.fields["currency"].value
    if currency is None:
        raise MappingError(f"mapping {mapping.name} reads the currency from a column; give a currency table with rates")
    return CurrencyTable(str(currency))


def _file_columns(path: Path, mapping: Mapping) -> Columns:
    """The columns of the file that the mapping names, each as one array; those of a CSV are text."""
    wanted = dict.fromkeys(column for _, column in mapping.columns())
    try:
        if path.suffix == ".parquet":
            _check_columns(path, pq.read_schema(path).names, mapping)
            table = pq.read_table(path, columns=list(wanted))
        elif ".csv" in path.suffixes[-2:]:
            with pa_csv.open_csv(path) as reader:
                _check_columns(path, reader.schema.names, mapping)
            table = pa_csv.read_csv(path, convert_options=_as_text(wanted))
        else:
            raise DataError(f"{path} is neither .parquet nor .csv; convert it to one of them")
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return {name: one_array(table.column(name)) for name in wanted}


def _as_text(wanted: dict[str, None]) -> pa_csv.ConvertOptions:
    """No guessing of types: 000123 is an id. Only the empty text is null, for NA is Namibia."""
    return pa_csv.ConvertOptions(
        include_columns=list(wanted),
        column_types=dict.fromkeys(wanted, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
    )


def _check_columns(path: Path, present: list[str], mapping: Mapping) -> None:
    for place, column in mapping.columns():
        if column not in present:
            hint = did_you_mean(column, present)
            raise MappingError(
                f"mapping {mapping.name}, {place}: {path.name} has no column {column!r}.{hint} "
                f"It has: {', '.join(present)}"
            )


def _fields(
    columns: Columns, mapping: Mapping, currencies: CurrencyTable, token_key: bytes | None
) -> tuple[Columns, dict[str, NDArray[np.bool_]]]:
    """The canonical columns but the derived ones, the label's two, and where a value of a field was unreadable."""
    unreadable: dict[str, NDArray[np.bool_]] = {}
    rows = len(columns[mapping.transaction_id])

    def read(field: str, column: str, values: pa.Array) -> pa.Array:
        lost = validity(columns[column]) & ~validity(values)
        if rows and lost.all():
            kind = columns[column].type
            raise MappingError(
                f"mapping {mapping.name}, {field}: no value of column {column!r} ({kind}) can be read; "
                f"correct the column or its format"
            )
        unreadable[field] = lost
        return values

    def source(name: str, given: Source | None, text: bool) -> pa.Array:
        if given is None or given.column is None:
            kind = pa.string() if text else pa.float64()
            return pa.nulls(rows, kind) if given is None else pa.repeat(pa.scalar(given.value, kind), rows)
        values = columns[given.column]
        return read(name, given.column, (value_readers.texts if text else value_readers.numbers)(values))

    time, amount = mapping.occurred_at, mapping.amount
    fields: Columns = {"transaction_id": value_readers.texts(columns[mapping.transaction_id])}
    fields["occurred_at"] = read(
        "occurred_at", time.column, value_readers.TIME_FORMATS[time.format](columns[time.column], time.timezone)
    )
    fields["received_at"] = pc.add(fields["occurred_at"], mapping.received_delay_ms)
    fields |= {f"entity_{name}": _entity(columns, mapping, name, token_key) for name in mapping.entities}
    fields["currency"] = source("currency", mapping.fields["currency"], text=True)
    fields["amount"] = read(
        "amount",
        amount.column,
        value_readers.minor_units(columns[amount.column], amount.unit, _exponents(fields["currency"], currencies)),
    )
    fields |= {name: source(name, mapping.fields.get(name), text=True) for name in OPTIONAL_TEXTS}
    fields |= {name: source(name, mapping.fields.get(name), text=False) for name in OPTIONAL_NUMBERS}
    for name, given in mapping.extras.items():
        fields[f"extra_{name}"] = source(f"extra_{name}", given, text=name in mapping.schema.extra_categories)
    if (label := mapping.label) is not None:
        values = value_readers.labels(columns[label.column], label.fraud_values, label.legitimate_values)
        fields["is_fraud"] = read("label", label.column, values)
        fields["pattern"] = pa.nulls(rows, pa.string())
        if label.pattern_column is not None:
            fields["pattern"] = value_readers.renamed(columns[label.pattern_column], label.pattern_names)
    return fields, unreadable


def _entity(columns: Columns, mapping: Mapping, name: str, token_key: bytes | None) -> pa.StringArray:
    entity = mapping.entities[name]
    ids = value_readers.texts(columns[entity.column])
    if not entity.tokenise:
        return ids
    if token_key is None:
        raise MappingError(f"mapping {mapping.name}, entities.{name}: 'tokenise' needs a token key; give one")
    return tokenise(ids, token_key)


def _exponents(currency: pa.StringArray, currencies: CurrencyTable) -> NDArray[np.int64]:
    codes = pc.dictionary_encode(currency)
    known = [currencies.exponent(code) for code in codes.dictionary.to_pylist()]
    return np.array([*known, 0], dtype=np.int64)[pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False)]


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


def _rejects(event: str, refused: dict[int, tuple[str, str]]) -> pa.Table:
    rows = sorted(refused)
    columns = [[i + 1 for i in rows], [event] * len(rows), *([refused[i][k] for i in rows] for k in (0, 1))]
    return pa.Table.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, REJECT_SCHEMA, strict=True)], schema=REJECT_SCHEMA
    )
