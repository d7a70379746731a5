"""The fields of a message on the wire, and which JSON type each may hold. Unknown fields are tolerated and ignored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from paywarden.events.schema import EventSchema

_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1


def transaction_fields(schema: EventSchema) -> pa.Schema:
    """Known fields of a transaction message; entities and extras are structs of the declared names."""
    extras: list[tuple[str, pa.DataType]] = []
    if schema.extra_numbers:
        extras.append(("extra_numbers", pa.struct([(name, pa.float64()) for name in schema.extra_numbers])))
    if schema.extra_categories:
        extras.append(("extra_categories", pa.struct([(name, pa.string()) for name in schema.extra_categories])))
    return pa.schema(
        [
            ("transaction_id", pa.string()),
            ("occurred_at", pa.int64()),
            ("received_at", pa.int64()),
            ("entities", pa.struct([(name, pa.string()) for name in schema.entities])),
            ("amount", pa.int64()),
            ("currency", pa.string()),
            ("transaction_type", pa.string()),
            ("auth_result", pa.string()),
            ("category", pa.string()),
            ("channel", pa.string()),
            ("country", pa.string()),
            ("latitude", pa.float64()),
            ("longitude", pa.float64()),
            *extras,
        ]
    )


def label_fields(schema: EventSchema) -> pa.Schema:
    """Known fields of a label message."""
    return pa.schema(
        [
            ("transaction_id", pa.string()),
            ("entities", pa.struct([(name, pa.string()) for name in schema.entities])),
            ("occurred_at", pa.int64()),
            ("labelled_at", pa.int64()),
            ("received_at", pa.int64()),
            ("is_fraud", pa.bool_()),
            ("source", pa.string()),
            ("pattern", pa.string()),
        ]
    )


class KnownField(NamedTuple):
    """A field as parsed JSON is held against it: the Python types it may have, in words too, and its subfields."""

    name: str
    types: tuple[type, ...]
    expected: str
    within: tuple[KnownField, ...] = ()


def known_fields(fields: Iterable[pa.Field]) -> tuple[KnownField, ...]:
    """The fields of an Arrow schema or struct in the form that :func:`wrong_type` and :func:`repeated` take."""
    return tuple(
        KnownField(field.name, (dict,), "an object", known_fields(field.type))
        if pa.types.is_struct(field.type)
        else KnownField(field.name, *_ACCEPTED[field.type])
        for field in fields
    )


_ACCEPTED: dict[pa.DataType, tuple[tuple[type, ...], str]] = {
    pa.string(): ((str,), "a string"),
    pa.int64(): ((int,), "an integer of at most 64 bits, without fraction or exponent"),
    pa.float64(): ((int, float), "a number"),
    pa.bool_(): ((bool,), "true or false"),
}


def wrong_type(message: Mapping[str, Any], fields: Sequence[KnownField], path: str = "") -> str | None:
    """Which field of a parsed message holds another type than declared, in words, or nothing.

    By the rules of Arrow's JSON reader: no conversions, null anywhere.
    """
    for field in fields:
        value = message.get(field.name)
        if value is None:
            continue
        if type(value) not in field.types or (field.types == (int,) and not _MIN_INT64 <= value <= _MAX_INT64):
            return f"{path}{field.name} is {named(value)}, expected {field.expected}"
        if field.within and (wrong := wrong_type(value, field.within, f"{field.name}.")):
            return wrong
    return None


def repeated(row: bytes, fields: Sequence[KnownField]) -> str | None:
    """Which known field occurs twice in a message that is JSON, or nothing; repeated unknown fields do no harm."""
    try:
        message = json.loads(row, object_pairs_hook=_Pairs)
    except RecursionError:
        return None
    return _repeated(message, fields, "")


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON with its fields as written, repeated ones included."""


def _repeated(message: _Pairs, fields: Sequence[KnownField], path: str) -> str | None:
    names = [name for name, _ in message]
    for field in fields:
        if names.count(field.name) > 1:
            return f"{path}{field.name}"
    values = dict(message)
    for field in fields:
        value = values.get(field.name)
        if field.within and isinstance(value, _Pairs) and (again := _repeated(value, field.within, f"{field.name}.")):
            return again
    return None


def named(value: object) -> str:
    """The JSON type of a value, in words."""
    names = {bool: "a boolean", str: "a string", list: "an array", dict: "an object", int: "an integer"}
    return "null" if value is None else names.get(type(value), "a number with fraction or exponent")
