"""What a value may be: the rules that wire messages and mapped files share, on whole columns.

A rule is a mask over the rows and a sentence that names the field. Rules are listed in the order in which they are
reported: of several that a row breaks, the first one is its reason. No rule reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events import reasons
from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import EARLIEST_MS, LATEST_MS, Limits
from paywarden.events.schema import (
    AUTH_RESULTS,
    CHANNELS,
    DEFAULT_TRANSACTION_TYPE,
    LABEL_SOURCES,
    TRANSACTION_TYPES,
    EventSchema,
)
from paywarden.events.strings import byte_lengths, bytes_and_offsets, is_blank, validity
from paywarden.events.tokens import looks_like_card_number

LONGEST_QUOTED = 12  # shorter than any card number, so a detail may quote it

Columns = dict[str, pa.Array]
Mask = NDArray[np.bool_]


class Rule(NamedTuple):
    """Rows that break a rule, its code, and what to say; ``quoted`` is the column whose short value may be shown."""

    broken: Mask
    code: str
    detail: str
    quoted: pa.Array | None = None


class Checked(NamedTuple):
    """The rows that broke no rule as a canonical table, their indices, and the reasons against the others."""

    rows: pa.Table
    kept: NDArray[np.int64]
    refused: dict[int, tuple[str, str]]


def check_transactions(columns: Columns, schema: EventSchema, currencies: CurrencyTable, limits: Limits) -> Checked:
    """Transactions that keep every rule, with ``routing_key``, ``amount_base`` and the default type filled in.

    ``columns`` holds one array without chunks for each canonical column except the derived two, each of the type that
    :meth:`~paywarden.events.schema.EventSchema.transaction_schema` says; any value may be null.
    """
    columns = dict(columns)
    if columns["transaction_type"].null_count:
        columns["transaction_type"] = pc.fill_null(columns["transaction_type"], DEFAULT_TRANSACTION_TYPE)
    columns["routing_key"] = _routing_key(columns, schema)
    amount = _integers(columns["amount"])
    base, known = currencies.to_base(
        np.minimum(np.maximum(amount, 0), limits.max_amount), columns["currency"], _integers(columns["occurred_at"])
    )
    columns["amount_base"] = pa.array(base)
    rules = _transaction_rules(columns, schema, currencies, known, limits)
    return _apply(rules, columns, schema.transaction_schema())


def check_labels(columns: Columns, schema: EventSchema, limits: Limits) -> Checked:
    """Labels that keep every rule, with ``routing_key`` filled in; ``columns`` as for transactions."""
    columns = dict(columns)
    columns["routing_key"] = _routing_key(columns, schema)
    return _apply(_label_rules(columns, schema, limits), columns, schema.label_schema())


def _apply(rules: Iterator[Rule], columns: Columns, schema: pa.Schema) -> Checked:
    count = len(columns[schema.names[0]])
    open_rows = np.ones(count, dtype=np.bool_)
    refused: dict[int, tuple[str, str]] = {}
    for rule in rules:
        broken = rule.broken & open_rows
        if broken.any():
            open_rows &= ~broken
            refused.update((i, (rule.code, _detail(rule, i))) for i in np.flatnonzero(broken).tolist())
    table = pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
    kept = np.flatnonzero(open_rows)
    return Checked(table if len(kept) == count else table.take(pa.array(kept)), kept, refused)


def _detail(rule: Rule, row: int) -> str:
    if rule.quoted is None:
        return rule.detail
    value = rule.quoted[row].as_py()
    if len(value) <= LONGEST_QUOTED and value.isprintable():
        return f"{rule.detail}, not {value!r}"
    return f"{rule.detail}, not a text of {len(value)} characters"


def _transaction_rules(
    columns: Columns, schema: EventSchema, currencies: CurrencyTable, known: Mask, limits: Limits
) -> Iterator[Rule]:
    yield from _missing(columns, ("transaction_id", "occurred_at", "received_at", "amount", "currency"))
    yield from _ids(columns, schema, limits)
    texts = ("category", *(f"extra_{name}" for name in schema.extra_categories))
    yield from _too_long(columns, texts, limits.max_text_length)
    yield _one_of(columns, "transaction_type", TRANSACTION_TYPES)
    yield _one_of(columns, "auth_result", AUTH_RESULTS)
    yield _one_of(columns, "channel", CHANNELS)
    yield from _time_range(columns, ("occurred_at", "received_at"))
    yield _in_future(columns, "occurred_at", limits)
    amount = _integers(columns["amount"])
    yield Rule(
        (amount < 0) | (amount > limits.max_amount),
        reasons.AMOUNT_OUT_OF_RANGE,
        f"amount is not between 0 and {limits.max_amount} minor units",
    )
    yield from _not_finite(columns, ("latitude", "longitude", *(f"extra_{name}" for name in schema.extra_numbers)))
    yield _beyond(columns, "latitude", 90)
    yield _beyond(columns, "longitude", 180)
    yield Rule(
        _no_country(columns["country"]), reasons.INVALID_COUNTRY, "country is not two capital letters (ISO 3166-1)"
    )
    listed = _is_in(columns["currency"], currencies.currencies)
    yield Rule(
        ~listed,
        reasons.UNKNOWN_CURRENCY,
        "currency is not in the currency table",
        columns["currency"],
    )
    yield Rule(~known, reasons.NO_EXCHANGE_RATE, "currency has no exchange rate at occurred_at", columns["currency"])
    yield Rule(
        columns["amount_base"].to_numpy() > limits.max_amount,
        reasons.AMOUNT_OUT_OF_RANGE,
        f"amount in {currencies.base} is above {limits.max_amount} minor units",
    )


def _label_rules(columns: Columns, schema: EventSchema, limits: Limits) -> Iterator[Rule]:
    times = ("occurred_at", "labelled_at", "received_at")
    yield from _missing(columns, ("transaction_id", *times, "is_fraud", "source"))
    yield from _ids(columns, schema, limits)
    yield from _too_long(columns, ("pattern",), limits.max_text_length)
    yield _one_of(columns, "source", LABEL_SOURCES)
    yield from _time_range(columns, times)
    yield _in_future(columns, "labelled_at", limits)
    yield Rule(
        _integers(columns["labelled_at"]) < _integers(columns["occurred_at"]),
        reasons.LABEL_BEFORE_TRANSACTION,
        "labelled_at is before occurred_at",
    )


def _routing_key(columns: Columns, schema: EventSchema) -> pa.Array:
    """The token of the first entity, else the transaction id."""
    ids = columns["transaction_id"]
    if not schema.entities:
        return ids
    tokens = columns[f"entity_{schema.routing_entity}"]
    return pc.coalesce(tokens, ids) if tokens.null_count else tokens


def _missing(columns: Columns, names: Sequence[str]) -> Iterator[Rule]:
    for name in names:
        if columns[name].null_count:
            yield Rule(~validity(columns[name]), reasons.MISSING_FIELD, f"{name} is missing")


def _ids(columns: Columns, schema: EventSchema, limits: Limits) -> Iterator[Rule]:
    ids = {"transaction_id": columns["transaction_id"]}
    ids |= {f"entities.{name}": columns[f"entity_{name}"] for name in schema.entities}
    for name, values in ids.items():
        yield Rule(is_blank(values), reasons.BLANK, f"{name} is blank")
    yield from _too_long(ids, tuple(ids), limits.max_id_length)
    if limits.refuse_card_numbers:
        for name, values in ids.items():
            yield Rule(
                looks_like_card_number(values), reasons.CARD_NUMBER, f"{name} looks like a card number; tokenise it"
            )


def _too_long(columns: Columns, names: Sequence[str], most: int) -> Iterator[Rule]:
    for name in names:
        yield Rule(byte_lengths(columns[name]) > most, reasons.TOO_LONG, f"{name} has more than {most} bytes")


def _is_in(values: pa.Array, allowed: tuple[str, ...]) -> Mask:
    return pc.is_in(values, options=_lookup(allowed)).to_numpy(zero_copy_only=False)


@cache
def _lookup(allowed: tuple[str, ...]) -> pc.SetLookupOptions:
    return pc.SetLookupOptions(pa.array(allowed, pa.string()))


def _one_of(columns: Columns, name: str, allowed: tuple[str, ...]) -> Rule:
    values = columns[name]
    broken = validity(values) & ~_is_in(values, allowed)
    return Rule(broken, reasons.UNKNOWN_VALUE, f"{name} must be one of {', '.join(allowed)}", values)


def _time_range(columns: Columns, names: Sequence[str]) -> Iterator[Rule]:
    for name in names:
        times = _integers(columns[name])
        yield Rule(
            (times < EARLIEST_MS) | (times > LATEST_MS),
            reasons.TIME_OUT_OF_RANGE,
            f"{name} is not between 2000 and 2100 in epoch milliseconds",
        )


def _in_future(columns: Columns, name: str, limits: Limits) -> Rule:
    # Where this overflows, a time is out of range, and that is reported first.
    ahead = _integers(columns[name]) - _integers(columns["received_at"])
    return Rule(
        ahead > limits.future_tolerance_ms,
        reasons.TIME_IN_FUTURE,
        f"{name} is more than {limits.future_tolerance_ms // 1000} seconds after received_at",
    )


def _not_finite(columns: Columns, names: Sequence[str]) -> Iterator[Rule]:
    for name in names:
        if columns[name].null_count < len(columns[name]):
            yield Rule(~np.isfinite(_floats(columns[name])), reasons.NOT_FINITE, f"{name} is not a finite number")


def _beyond(columns: Columns, name: str, degrees: int) -> Rule:
    beyond = np.abs(_floats(columns[name])) > degrees
    return Rule(beyond, reasons.COORDINATE_OUT_OF_RANGE, f"{name} is beyond ±{degrees} degrees")


def _no_country(values: pa.Array) -> Mask:
    data, offsets = bytes_and_offsets(values)
    valid = validity(values)
    two = np.flatnonzero(valid & (np.diff(offsets) == 2))
    broken = valid.copy()
    broken[two] = ~(_is_capital(data[offsets[two]]) & _is_capital(data[offsets[two] + 1]))
    return broken


def _is_capital(letters: NDArray[np.uint8]) -> Mask:
    return (letters >= ord("A")) & (letters <= ord("Z"))


def _integers(values: pa.Array) -> NDArray[np.int64]:
    return (pc.fill_null(values, 0) if values.null_count else values).to_numpy()


def _floats(values: pa.Array) -> NDArray[np.float64]:
    return (pc.fill_null(values, 0.0) if values.null_count else values).to_numpy()
