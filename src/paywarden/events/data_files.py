"""CSV and Parquet files as columns: some of them whole, or all of them for the first rows.

Columns of a CSV are text, without guessing types: 000123 is an id. Only the empty text is null: NA is Namibia. All
functions raise :class:`~paywarden.errors.DataError` if the file is absent, of another kind or broken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from paywarden.errors import DataError
from paywarden.events.strings import one_array

_BLOCK_BYTES = 1 << 24  # larger than any row, so that a header of hundreds of columns is read whole


def column_names(path: Path) -> list[str]:
    """Names of the columns in order; a name may occur twice."""
    with _errors_of(path):
        if _is_parquet(path):
            return list(pq.read_schema(path).names)
        with _open_csv(path, None) as reader:
            return list(reader.schema.names)


def read_columns(path: Path, names: Sequence[str]) -> dict[str, pa.Array]:
    """These columns, each as one array; every name must occur once in the file."""
    with _errors_of(path):
        table = pq.read_table(path, columns=list(names)) if _is_parquet(path) else _read_csv(path, names)
    return {name: _plain(table.column(name)) for name in names}


def first_rows(path: Path, rows: int) -> list[tuple[str, pa.Array]]:
    """All columns with their names, for the first ``rows`` rows; a row that is too long is left out."""
    with _errors_of(path):
        if _is_parquet(path):
            with pq.ParquetFile(path) as file:
                schema, batches = file.schema_arrow, _up_to(rows, file.iter_batches(min(rows, 65_536)))
        else:
            with _open_csv(path, None) as reader:
                types = dict.fromkeys(reader.schema.names, pa.string())
            with _open_csv(path, types) as reader:
                schema, batches = reader.schema, _up_to(rows, reader)
        table = pa.Table.from_batches(batches, schema=schema).slice(0, rows)
    return [(field.name, _plain(column)) for field, column in zip(table.schema, table.columns, strict=True)]


@contextlib.contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _is_parquet(path: Path) -> bool:
    if path.suffix == ".parquet":
        return True
    if ".csv" in path.suffixes[-2:]:
        return False
    raise DataError(f"{path} is neither .parquet nor .csv; convert it to one of them")


def _up_to(rows: int, batches: Iterator[pa.RecordBatch]) -> list[pa.RecordBatch]:
    found: list[pa.RecordBatch] = []
    for batch in batches:
        found.append(batch)
        if sum(len(b) for b in found) >= rows:
            break
    return found


def _plain(column: pa.ChunkedArray) -> pa.Array:
    array = one_array(column)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _as_text(names: Sequence[str] | dict[str, pa.DataType], *, only: bool) -> pa_csv.ConvertOptions:
    return pa_csv.ConvertOptions(
        include_columns=list(names) if only else None,
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
    )


def _open_csv(path: Path, types: dict[str, pa.DataType] | None) -> pa_csv.CSVStreamingReader:
    return pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(invalid_row_handler=lambda _row: "skip"),
        convert_options=_as_text(types or {}, only=False),
    )


def _read_csv(path: Path, names: Sequence[str]) -> pa.Table:
    ragged: list[pa_csv.InvalidRow] = []

    def note(row: pa_csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    parse, convert = pa_csv.ParseOptions(invalid_row_handler=note), _as_text(names, only=True)
    try:
        return pa_csv.read_csv(path, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid:
        if not ragged:
            raise
        with contextlib.suppress(pa.ArrowInvalid):  # rows have numbers only where one thread reads them
            pa_csv.read_csv(path, pa_csv.ReadOptions(use_threads=False), parse, convert)
        row = ragged[-1]  # Arrow's message quotes the row, and a row may hold card numbers
        raise DataError(
            f"{path}: row {(row.number or 0) - 1} has {row.actual_columns} values and the header "
            f"{row.expected_columns}; correct the file"
        ) from None
