"""From Kafka values to columns: JSON of any quality in, the well-formed rows as a table and the rest with a reason out.

One reader decides: Arrow's JSON reader. Payloads that pass a cheap look are read as one block, a line each. Where the
block is refused, orjson points at suspects; these are read one at a time and the rest again as a block, halved as
often as needed. So a row is well formed exactly if Arrow reads it alone, whatever its neighbours hold. Three things
Arrow does not see are properties of the row's own bytes, checked before: UTF-8, one object in braces, and the bytes
that would blur lines or are no JSON (line breaks, NUL, NaN, Infinity), for which orjson must agree too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.json as pa_json
from numpy.typing import NDArray

from paywarden.events import reasons
from paywarden.events.message_fields import named, wrong_type
from paywarden.events.strings import byte_lengths, bytes_and_offsets

_WHITE_SPACE = b" \t\r\n"
_NEEDS_SECOND_OPINION = (b"\n", b"\r", b"\x00", b"NaN", b"Inf")
_LINE_BREAKS_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")
_OPENING, _CLOSING = ord("{"), ord("}")
_TWICE = re.compile(r"Column\(/([a-z0-9_/]*)\) was specified twice")

Refusals = dict[int, tuple[str, str]]
"""Input position to (code, detail). A detail names fields and never quotes a payload: it may hold a card number."""


class Opinion(NamedTuple):
    """What orjson says against a row; ``final`` where Arrow is sure to refuse it as well."""

    code: str
    detail: str
    final: bool


def read_rows(
    values: pa.BinaryArray, fields: pa.Schema, max_message_bytes: int
) -> tuple[pa.Table, NDArray[np.int64], Refusals]:
    """The well-formed rows as a table of ``fields``, their input positions in order, and why the others were refused.

    Total: never raises on any bytes; every input position is in exactly one of the two.
    """
    refusals: Refusals = {}
    payloads: list[bytes] = values.to_numpy(zero_copy_only=False).tolist()
    positions = _presentable(values, payloads, max_message_bytes, refusals)
    rows = payloads if len(positions) == len(payloads) else [payloads[i] for i in positions.tolist()]
    table = _read_block(rows, fields)
    if table is None:
        table, kept, refused = _isolate(rows, fields)
        refusals.update((int(positions[i]), reason) for i, reason in refused.items())
        positions = positions[kept]
    return table, positions, refusals


def _presentable(
    values: pa.BinaryArray, payloads: list[bytes], max_message_bytes: int, refusals: Refusals
) -> NDArray[np.int64]:
    """Positions fit for the block; rows that need a closer look are looked at, and put on one line in ``payloads``."""
    data, offsets = bytes_and_offsets(values)
    lengths = byte_lengths(values)
    keep = (lengths > 0) & (lengths <= max_message_bytes)
    for i in np.flatnonzero(lengths == 0).tolist():
        refusals[i] = (reasons.EMPTY, "the message has no value")
    for i in np.flatnonzero(lengths > max_message_bytes).tolist():
        refusals[i] = (reasons.TOO_LARGE, f"{lengths[i]} bytes, more than the {max_message_bytes} allowed")
    rows = np.flatnonzero(keep)
    odd = (data[offsets[rows]] != _OPENING) | (data[offsets[rows + 1] - 1] != _CLOSING)
    odd |= _needs_second_opinion(data[offsets[0] : offsets[-1]].tobytes(), rows, payloads)
    for i in rows[odd].tolist():
        refusal = _look_closer(payloads[i])
        if refusal is None:
            payloads[i] = payloads[i].strip(_WHITE_SPACE).translate(_LINE_BREAKS_TO_SPACES)
        else:
            refusals[i], keep[i] = refusal, False
    return np.flatnonzero(keep)


def _needs_second_opinion(block: bytes, rows: NDArray[np.int64], payloads: Sequence[bytes]) -> NDArray[np.bool_]:
    marks = [mark for mark in _NEEDS_SECOND_OPINION if mark in block]
    if not marks and _is_utf8(block):
        return np.zeros(len(rows), dtype=np.bool_)
    return np.array(
        [any(mark in payloads[i] for mark in marks) or not _is_utf8(payloads[i]) for i in rows.tolist()], dtype=np.bool_
    )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _look_closer(payload: bytes) -> tuple[str, str] | None:
    """The reason against a payload that is not plainly one object on one line, or nothing."""
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        return reasons.MALFORMED_JSON, f"no JSON: {error.msg} at character {error.pos}"
    if not isinstance(value, dict):
        return reasons.NOT_AN_OBJECT, f"the message is {named(value)}, expected an object"
    return None


def _read_block(rows: Sequence[bytes], fields: pa.Schema) -> pa.Table | None:
    """One table row a payload, or nothing if Arrow refuses any of them or finds another number of objects."""
    if not rows:
        return fields.empty_table()
    try:
        table = _arrow_table(b"\n".join(rows), fields)
    except (pa.ArrowException, ValueError):
        return None
    return table if table.num_rows == len(rows) else None


def _arrow_table(lines: bytes, fields: pa.Schema) -> pa.Table:
    return pa_json.read_json(
        io.BytesIO(lines),
        read_options=pa_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pa_json.ParseOptions(explicit_schema=fields, unexpected_field_behavior="ignore"),
    )


def _isolate(
    rows: Sequence[bytes], fields: pa.Schema
) -> tuple[pa.Table, NDArray[np.int64], dict[int, tuple[str, str]]]:
    """The rows that Arrow reads alone, as a table with their indices in order, and the reasons against the others."""
    refused: dict[int, tuple[str, str]] = {}
    calm: list[int] = []
    pieces: list[tuple[Sequence[int], pa.Table]] = []
    for i, row in enumerate(rows):
        opinion = _opinion(row, fields)
        if opinion is None:
            calm.append(i)
        elif not opinion.final and (table := _read_block([row], fields)) is not None:
            pieces.append(([i], table))
        else:
            refused[i] = (opinion.code, opinion.detail)
    pieces += _halve(rows, calm, fields, refused)
    kept = np.array([i for indices, _ in pieces for i in indices], dtype=np.int64)
    order = np.argsort(kept)
    table = pa.concat_tables([fields.empty_table(), *(piece for _, piece in pieces)])
    return table.take(pa.array(order)), kept[order], refused


def _halve(
    rows: Sequence[bytes], indices: Sequence[int], fields: pa.Schema, refused: Refusals
) -> list[tuple[Sequence[int], pa.Table]]:
    """The given rows read as blocks, as large as Arrow takes them; the ones it refuses alone are noted."""
    table = _read_block([rows[i] for i in indices], fields)
    if table is not None:
        return [(indices, table)]
    if len(indices) == 1:
        refused[indices[0]] = _arrow_reason(rows[indices[0]], fields)
        return []
    middle = len(indices) // 2
    return [
        *_halve(rows, indices[:middle], fields, refused),
        *_halve(rows, indices[middle:], fields, refused),
    ]


def _opinion(row: bytes, fields: pa.Schema) -> Opinion | None:
    try:
        value = orjson.loads(row)
    except orjson.JSONDecodeError as error:
        return Opinion(reasons.MALFORMED_JSON, f"no JSON: {error.msg} at character {error.pos}", final=False)
    wrong = wrong_type(value, fields)
    return Opinion(reasons.WRONG_TYPE, wrong, final=True) if wrong else None


def _arrow_reason(row: bytes, fields: pa.Schema) -> tuple[str, str]:
    """Why Arrow refuses a row that orjson takes: a known field twice, in all cases known to us."""
    try:
        _arrow_table(row, fields)
    except (pa.ArrowException, ValueError) as error:
        if twice := _TWICE.search(str(error)):
            return reasons.DUPLICATE_FIELD, f"{twice[1].replace('/', '.')} occurs twice"
    return reasons.MALFORMED_JSON, "refused by the JSON reader"
