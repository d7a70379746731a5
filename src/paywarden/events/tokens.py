"""Card numbers: recognising what looks like one, and turning ids into tokens that cannot be turned back."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events.strings import bytes_and_offsets, validity

TOKEN_LENGTH = 32
"""Hex characters of a token, 128 bits: among a billion ids a collision has a chance of about 1e-21."""

SHORTEST_CARD_NUMBER, LONGEST_CARD_NUMBER = 13, 19
_LONGEST_WRITTEN = LONGEST_CARD_NUMBER * 2 - 1  # a separator between any two digits


def looks_like_card_number(values: pa.StringArray) -> NDArray[np.bool_]:
    """Bool [N]: true where the whole value is 13 to 19 digits, spaces and hyphens aside, whose check digit is right.

    The check digit is Luhn's (ISO/IEC 7812-1, annex B). Null is false. Digits within a longer token do not count:
    hexadecimal tokens hold such runs by chance.
    """
    data, offsets = bytes_and_offsets(values)
    lengths = np.diff(offsets)
    result = np.zeros(len(values), dtype=np.bool_)
    rows = np.flatnonzero((lengths >= SHORTEST_CARD_NUMBER) & (lengths <= _LONGEST_WRITTEN) & validity(values))
    rows = rows[_is_digit(data[offsets[rows]]) & _is_digit(data[offsets[rows + 1] - 1])]
    if rows.size:
        result[rows] = _luhn(_right_aligned(data, offsets, rows))
    return result


def tokenise(values: pa.StringArray, key: bytes) -> pa.StringArray:
    """Tokens of the values: HMAC-SHA256 under ``key``, the first 32 hex characters; null stays null.

    The same value and key give the same token everywhere, and without the key nobody can list card numbers and
    compare. The key must have at least 16 bytes, or ``ValueError`` is raised. Each distinct value is hashed once.
    """
    if len(key) < 16:
        raise ValueError("the token key has fewer than 16 bytes; use a random one of 32, from a secret store")
    encoded = pc.dictionary_encode(values)
    tokens = [
        hmac.digest(key, value.encode(), hashlib.sha256).hex()[:TOKEN_LENGTH]
        for value in encoded.dictionary.to_pylist()
    ]
    return pa.array(tokens, pa.string()).take(encoded.indices)


def _is_digit(characters: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (characters >= ord("0")) & (characters <= ord("9"))


def _right_aligned(data: NDArray[np.uint8], offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Characters of each row as a matrix [n, longest], the last one in the last column, filled with zero bytes."""
    ends, starts = offsets[rows + 1], offsets[rows]
    width = int((ends - starts).max())
    at = ends[:, None] - np.arange(width, 0, -1)
    return np.where(at >= starts[:, None], data[np.maximum(at, 0)], 0).astype(np.uint8)


def _luhn(characters: NDArray[np.uint8]) -> NDArray[np.bool_]:
    digit = _is_digit(characters)
    separator = (characters == 0) | (characters == ord(" ")) | (characters == ord("-"))
    from_right = np.cumsum(digit[:, ::-1], axis=1)[:, ::-1]  # 1 for the last digit, 2 for the one before it
    value = np.where(digit, characters.astype(np.int64) - ord("0"), 0)
    doubled = np.where(from_right % 2 == 0, 2 * value - 9 * (value > 4), value)
    count = digit.sum(axis=1)
    plain = (digit | separator).all(axis=1)
    long_enough = (count >= SHORTEST_CARD_NUMBER) & (count <= LONGEST_CARD_NUMBER)
    return plain & long_enough & (np.where(digit, doubled, 0).sum(axis=1) % 10 == 0)
