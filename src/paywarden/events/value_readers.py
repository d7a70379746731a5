"""Columns of a file as the values of fields: times, amounts, numbers, texts, labels.

Every reader gives an array as long as its input in which a value that cannot be read is null, so that the caller can
tell it from one that was null before. To add a time format, add a function to :data:`TIME_FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

AMOUNT_UNITS = ("major", "minor")
TimeReader = Callable[[pa.Array, str], pa.Int64Array]

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_ENDS_WITH_ZONE = r"[0-9]{2}:[0-9]{2}.*(Z|[+-][0-9]{2}:?[0-9]{2})$"
_LARGEST_READ = 10**15  # beyond every limit of a time or an amount, and exact as a float64


def texts(values: pa.Array) -> pa.StringArray:
    """Values as text; whole numbers have no fraction even where the file stores them as floats."""
    return cast_or_null(values, pa.string())


def numbers(values: pa.Array) -> pa.DoubleArray:
    """Values as float64: numbers as they are, text where it is a plain decimal; others, NaN and infinity are null."""
    kind = values.type
    if pa.types.is_boolean(kind) or pa.types.is_temporal(kind):
        return pa.nulls(len(values), pa.float64())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        trimmed = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.match_substring_regex(trimmed, _NUMBER), trimmed, None)
    # A whole number beyond 2**53 is rounded, which no limit of a field can tell.
    read = values.cast(pa.float64(), safe=False) if pa.types.is_integer(kind) else cast_or_null(values, pa.float64())
    return pc.if_else(pc.is_finite(read), read, None)


def minor_units(values: pa.Array, unit: str, exponents: NDArray[np.int64] | int) -> pa.Int64Array:
    """Amounts in minor units.

    In ``major`` units they are multiplied by ten to the power of the currency's exponent (one, or int64 [N]) in float64
    and rounded half to even; in ``minor`` units they must be whole, or else they are unreadable.
    """
    read = numbers(values)
    amounts = pc.fill_null(read, 0.0).to_numpy(zero_copy_only=False)
    scaled = amounts * np.power(10.0, exponents) if unit == "major" else amounts
    whole = np.rint(scaled)
    unreadable = ~read.is_valid().to_numpy(zero_copy_only=False)
    if unit == "minor":
        unreadable |= whole != amounts
    return pa.array(np.clip(whole, -_LARGEST_READ, _LARGEST_READ).astype(np.int64), mask=unreadable)


def labels(values: pa.Array, fraud: Sequence[str], legitimate: Sequence[str]) -> pa.BooleanArray:
    """True, false or unreadable, by the text of the value in lower case: ``true``, ``1``, ``fraud``."""
    text = pc.utf8_lower(pc.utf8_trim_whitespace(texts(values)))
    is_fraud, is_legitimate = (pc.is_in(text, value_set=pa.array(known, pa.string())) for known in (fraud, legitimate))
    return pc.if_else(is_fraud, True, pc.if_else(is_legitimate, False, None))


def renamed(values: pa.Array, names: Mapping[str, str]) -> pa.StringArray:
    """Names of the values by their text in lower case; null where there is no name. Without names, the texts."""
    if not names:
        return texts(values)
    text = pc.utf8_lower(pc.utf8_trim_whitespace(texts(values)))
    return pa.array(names.values(), pa.string()).take(pc.index_in(text, value_set=pa.array(names, pa.string())))


def cast_or_null(values: pa.Array, target: pa.DataType) -> pa.Array:
    """The values cast, null where Arrow refuses: whole at first, in halves where a half is refused."""
    try:
        return values.cast(target)
    except pa.ArrowNotImplementedError:
        return pa.nulls(len(values), target)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return pa.nulls(1, target)
        middle = len(values) // 2
        return pa.concat_arrays([cast_or_null(values[:middle], target), cast_or_null(values[middle:], target)])


def _datetime(values: pa.Array, timezone: str) -> pa.Int64Array:
    """Timestamps and dates of Arrow, or ISO 8601 text; those without a zone are in ``timezone``.

    Arrow knows daylight saving until 2037 only; later local times may be an hour off.
    """
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _milliseconds(
            values if pa.types.is_timestamp(values.type) else values.cast(pa.timestamp("ms")), timezone
        )
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return pa.nulls(len(values), pa.int64())
    text = pc.utf8_trim_whitespace(values)
    zoned = pc.match_substring_regex(text, _ENDS_WITH_ZONE)
    with_zone = cast_or_null(pc.if_else(zoned, text, None), pa.timestamp("ns", "UTC"))
    without = cast_or_null(pc.if_else(zoned, None, text), pa.timestamp("ns"))
    return pc.coalesce(_milliseconds(with_zone, "UTC"), _milliseconds(without, timezone))


def _milliseconds(times: pa.TimestampArray, timezone: str) -> pa.Int64Array:
    if times.type.tz is None and timezone != "UTC":  # an hour that occurs twice, or never, is taken as the earlier one
        times = pc.assume_timezone(times, timezone, ambiguous="earliest", nonexistent="earliest")
    return times.cast(pa.timestamp("ms", times.type.tz), safe=False).cast(pa.int64())


def _epoch(milliseconds: int) -> TimeReader:
    def read(values: pa.Array, _timezone: str) -> pa.Int64Array:
        read_numbers = numbers(values)
        times = pc.fill_null(read_numbers, 0.0).to_numpy(zero_copy_only=False) * milliseconds
        times = np.clip(np.rint(times), -_LARGEST_READ, _LARGEST_READ).astype(np.int64)
        return pa.array(times, mask=~read_numbers.is_valid().to_numpy(zero_copy_only=False))

    return read


TIME_FORMATS: dict[str, TimeReader] = {
    "datetime": _datetime,
    "epoch_seconds": _epoch(1000),
    "epoch_milliseconds": _epoch(1),
}
"""Formats of a time by name: a column and the zone of times without one, to epoch milliseconds UTC."""
