"""Tokens and ids as Arrow strings, made of digits without a Python loop."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_DECIMAL = np.frombuffer(b"0123456789", dtype=np.uint8)
_BASE32 = np.frombuffer(b"0123456789abcdefghjkmnpqrstvwxyz", dtype=np.uint8)  # Crockford's: no i, l, o, u
_DAY_DIGITS, _ROW_DIGITS, _DEVICE_DIGITS = 4, 6, 12
CARD_DIGITS, MERCHANT_DIGITS = 8, 6
MOST_CARDS, MOST_MERCHANTS, MOST_DAYS = 10**CARD_DIGITS, 10**MERCHANT_DIGITS, 32**_DAY_DIGITS


def card_tokens(cards: int) -> pa.Array:
    """Tokens of all cards, string ``[cards]``: "card_00012345"."""
    return _fixed_width(b"card_", [(np.arange(cards), CARD_DIGITS, _DECIMAL)])


def merchant_tokens(merchants: int) -> pa.Array:
    """Tokens of all merchants, string ``[merchants]``: "mrch_000321"."""
    return _fixed_width(b"mrch_", [(np.arange(merchants), MERCHANT_DIGITS, _DECIMAL)])


def customer_tokens(customers: int) -> pa.Array:
    """Tokens of all customers, string ``[customers]``: "cust_00012345"."""
    return _fixed_width(b"cust_", [(np.arange(customers), CARD_DIGITS, _DECIMAL)])


def device_tokens(devices: NDArray[np.uint64]) -> pa.Array:
    """Tokens of these devices, string ``[rows]``: "dev_" and twelve base-32 digits; null for 0."""
    tokens = _fixed_width(b"dev_", [(devices.astype(np.int64), _DEVICE_DIGITS, _BASE32)])
    return pc.if_else(pa.array(devices != 0), tokens, pa.scalar(None, pa.string()))


def transaction_ids(day: int, rows: int) -> pa.Array:
    """Ids of a day's rows in order of receipt, string ``[rows]``: "t", four base-32 digits of day, six of row."""
    return _fixed_width(
        b"t", [(np.full(rows, day, dtype=np.int64), _DAY_DIGITS, _BASE32), (np.arange(rows), _ROW_DIGITS, _BASE32)]
    )


def _fixed_width(prefix: bytes, numbers: list[tuple[NDArray[np.int64], int, NDArray[np.uint8]]]) -> pa.Array:
    rows = len(numbers[0][0])
    width = len(prefix) + sum(digits for _, digits, _ in numbers)
    text = np.empty((rows, width), dtype=np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix, dtype=np.uint8)
    at = len(prefix)
    for values, digits, alphabet in numbers:
        for place in range(digits):
            text[:, at + place] = alphabet[values // len(alphabet) ** (digits - 1 - place) % len(alphabet)]
        at += digits
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))
