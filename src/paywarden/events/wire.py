"""From Kafka values to columns: JSON of any quality in, the well-formed rows as a table and the rest with a reason out.

One reader decides: Arrow's JSON reader. Payloads that pass a cheap look are read as one block, a line each. Where the
block is refused, it is read again in small chunks; in a refused chunk orjson says which rows are at fault and why, and
the others are read as a block again. A row is well formed exactly if Arrow reads it alone, whatever its neighbours
hold, for both readers keep to RFC 8259 and the exceptions are properties of the row's own bytes: line breaks, NUL and
bytes that are not UTF-8, which would blur rows, are looked at before; where orjson alone may refuse (NaN, Infinity,
deep nesting, huge numbers), Arrow is asked; what Arrow alone refuses (a known field twice) is looked for by name.
NaN and Infinity thus come through as float64, and the rules refuse them in any field that counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.json as pa_json
from numpy.typing import NDArray

from paywarden.events import reasons
from paywarden.events.message_fields import KnownField, known_fields, named, repeated, wrong_type
from paywarden.events.strings import byte_lengths, bytes_and_offsets

_WHITE_SPACE = b" \t\r\n"
_NEEDS_SECOND_OPINION = (b"\n", b"\r", b"\x00")
_LINE_BREAKS_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")
_OPENING, _CLOSING = ord("{"), ord("}")
_ORJSON_MAY_BE_STRICTER = re.compile(rb"NaN|Inf|[0-9][eE]\+?[0-9]{3}|[0-9]{200}")  # the last two may overflow a float64
_MUCH_NESTING = 200  # far below the depth that orjson refuses
_CHUNK = 64  # rows; reading a chunk costs some 0.1 ms, judging a row of a refused one some 0.02 ms

Reason = tuple[str, str]
"""A code and a detail. The detail names fields and never quotes a payload: it may hold a card number."""

Refusals = dict[int, Reason]
"""Input position to reason."""

_UNEXPLAINED: Reason = (reasons.MALFORMED_JSON, "refused by the JSON reader")


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
    table = read_block(rows, fields)
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


def _look_closer(payload: bytes) -> Reason | None:
    """The reason against a payload that is not plainly one object on one line, or nothing."""
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        return reasons.MALFORMED_JSON, f"no JSON: {error.msg} at character {error.pos}"
    if not isinstance(value, dict):
        return reasons.NOT_AN_OBJECT, f"the message is {named(value)}, expected an object"
    return None


def read_block(rows: Sequence[bytes], fields: pa.Schema) -> pa.Table | None:
    """One table row a payload, or nothing if Arrow refuses any of them or finds another number of objects."""
    if not rows:
        return fields.empty_table()
    block = b"\n".join(rows)
    try:
        table = pa_json.read_json(
            pa.BufferReader(block),
            read_options=pa_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=pa_json.ParseOptions(explicit_schema=fields, unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowException, ValueError):
        return None
    return table if table.num_rows == len(rows) else None


def _isolate(rows: Sequence[bytes], fields: pa.Schema) -> tuple[pa.Table, NDArray[np.int64], Refusals]:
    """The rows that Arrow reads alone, as a table with their indices in order, and the reasons against the others."""
    refused: Refusals = {}
    pieces: list[tuple[Sequence[int], pa.Table]] = []
    known = known_fields(fields)
    for start in range(0, len(rows), _CHUNK):
        chunk = range(start, min(start + _CHUNK, len(rows)))
        table = read_block([rows[i] for i in chunk], fields)
        if table is not None:
            pieces.append((chunk, table))
            continue
        opinions = {i: reason for i in chunk if (reason := _opinion(rows[i], known)) is not None}
        certain = {i: reason for i, reason in opinions.items() if not _may_be_stricter(rows[i])}
        refused |= certain
        for i in opinions.keys() - certain.keys():
            pieces += _halve(rows, [i], fields, refused, opinions[i])
        pieces += _halve(rows, [i for i in chunk if i not in opinions], fields, refused, _UNEXPLAINED)
    kept = np.array([i for indices, _ in pieces for i in indices], dtype=np.int64)
    order = np.argsort(kept)
    table = pa.concat_tables([fields.empty_table(), *(piece for _, piece in pieces)])
    return table.take(pa.array(order)), kept[order], refused


def _opinion(row: bytes, known: Sequence[KnownField]) -> Reason | None:
    """What there is to say against a row that begins and ends with a brace, or nothing."""
    try:
        message = orjson.loads(row)
    except orjson.JSONDecodeError as error:
        return reasons.MALFORMED_JSON, f"no JSON: {error.msg} at character {error.pos}"
    if wrong := wrong_type(message, known):
        return reasons.WRONG_TYPE, wrong
    if twice := repeated(row, known):
        return reasons.DUPLICATE_FIELD, f"{twice} occurs twice"
    return None


def _may_be_stricter(row: bytes) -> bool:
    """True where orjson may refuse what Arrow takes."""
    deep = row.count(b"{") + row.count(b"[") > _MUCH_NESTING
    return deep or _ORJSON_MAY_BE_STRICTER.search(row) is not None


def _halve(
    rows: Sequence[bytes], indices: Sequence[int], fields: pa.Schema, refused: Refusals, reason: Reason
) -> list[tuple[Sequence[int], pa.Table]]:
    """The given rows read as blocks, as large as Arrow takes them; the ones it refuses alone are noted with reason."""
    table = read_block([rows[i] for i in indices], fields)
    if table is not None:
        return [(indices, table)]
    if len(indices) == 1:
        refused[indices[0]] = reason
        return []
    middle = len(indices) // 2
    return [
        *_halve(rows, indices[:middle], fields, refused, reason),
        *_halve(rows, indices[middle:], fields, refused, reason),
    ]
