"""The fields of a message on the wire, and which JSON type each may hold. Unknown fields are tolerated and ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def wrong_type(value: Mapping[str, object], fields: Iterable[pa.Field], path: str = "") -> str | None:
    """Which field of a parsed message holds another type than declared, in words, or nothing.

    By the rules of Arrow's JSON reader: no conversions, null anywhere.
    """
    for field in fields:
        given = value.get(field.name)
        if given is None:
            continue
        if pa.types.is_struct(field.type):
            if not isinstance(given, dict):
                return f"{path}{field.name} is {named(given)}, expected an object"
            if wrong := wrong_type(given, field.type, f"{field.name}."):
                return wrong
        elif not _fits(given, field.type):
            return f"{path}{field.name} is {named(given)}, expected {_EXPECTED[field.type]}"
    return None


_EXPECTED = {
    pa.string(): "a string",
    pa.int64(): "an integer of at most 64 bits, without fraction or exponent",
    pa.float64(): "a number",
    pa.bool_(): "true or false",
}


def _fits(value: object, expected: pa.DataType) -> bool:
    if expected == pa.string():
        return type(value) is str
    if expected == pa.bool_():
        return type(value) is bool
    if expected == pa.int64():
        return type(value) is int and _MIN_INT64 <= value <= _MAX_INT64
    return type(value) is int or type(value) is float


def named(value: object) -> str:
    """The JSON type of a value, in words."""
    names = {bool: "a boolean", str: "a string", list: "an array", dict: "an object", int: "an integer"}
    return "null" if value is None else names.get(type(value), "a number with fraction or exponent")
