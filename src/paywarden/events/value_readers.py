"""Columns of a file as the values of fields: amounts, numbers, texts, labels. Times: ``time_readers.py``.

Every reader gives an array as long as its input in which a value that cannot be read is null, so that the caller can
tell it from one that was null before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events import earth
from paywarden.events.strings import validity

AMOUNT_UNITS = ("major", "minor")
LARGEST_READ = 10**15  # beyond every limit of a time or an amount, and exact as a float64

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"


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
    return pa.array(np.clip(whole, -LARGEST_READ, LARGEST_READ).astype(np.int64), mask=unreadable)


def labels(values: pa.Array, fraud: Sequence[str], legitimate: Sequence[str]) -> pa.BooleanArray:
    """True, false or unreadable, by the text of the value in lower case: ``true``, ``1``, ``fraud``."""
    text = _comparable(values)
    is_fraud, is_legitimate = (pc.is_in(text, value_set=pa.array(known, pa.string())) for known in (fraud, legitimate))
    return pc.if_else(is_fraud, True, pc.if_else(is_legitimate, False, None))


def renamed(values: pa.Array, names: Mapping[str, str]) -> pa.StringArray:
    """Names of the values by their text in lower case; null where there is no name. Without names, the texts."""
    if not names:
        return texts(values)
    text = _comparable(values)
    return pa.array(names.values(), pa.string()).take(pc.index_in(text, value_set=pa.array(names, pa.string())))


def distance_km(points: Sequence[pa.Array]) -> pa.DoubleArray:
    """Kilometres between two points, each a latitude and a longitude in degrees; null where any is."""
    read = [numbers(values) for values in points]
    known = np.logical_and.reduce([validity(values) for values in read])
    degrees = [pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False) for values in read]
    return pa.array(earth.distance_km(*degrees), mask=~known)


def _comparable(values: pa.Array) -> pa.StringArray:
    """Texts in lower case, whole numbers without a fraction even where they are text: ``1.0`` is ``1``."""
    text = pc.utf8_lower(pc.utf8_trim_whitespace(texts(values)))
    return pc.replace_substring_regex(text, r"^([0-9]+)\.0+$", r"\1")


def cast_or_null(values: pa.Array, target: pa.DataType) -> pa.Array:
    """The values cast, null where Arrow refuses: whole at first, in halves where a half is refused."""
    try:
        return values.cast(target)
    except pa.ArrowNotImplementedError:  # Arrow knows no cast at all between the two types
        return pa.nulls(len(values), target)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return pa.nulls(1, target)
        middle = len(values) // 2
        return pa.concat_arrays([cast_or_null(values[:middle], target), cast_or_null(values[middle:], target)])
