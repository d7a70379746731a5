"""Whether bytes are one whole UBJSON document, as XGBoost writes them (https://ubjson.org, its counted containers)."""

from __future__ import annotations

import struct
from types import MappingProxyType
from typing import Final

_SIZES: Final = MappingProxyType(
    {b"U": 1, b"i": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8, b"T": 0, b"F": 0, b"N": 0, b"Z": 0}
)
_DEEPEST: Final = 64


def is_whole(content: bytes) -> bool:
    """Whether the bytes are an object that ends where they end; XGBoost reads beyond the end of one cut short."""
    try:
        return content.startswith(b"{") and _after(content, 0, 0) == len(content)
    except (KeyError, IndexError, struct.error, ValueError):
        return False


def _after(content: bytes, at: int, depth: int) -> int:
    """Where the value that begins here ends."""
    if depth > _DEEPEST:
        raise ValueError("too deep")
    marker, at = content[at : at + 1], at + 1
    if marker == b"S":
        return _text_end(content, at)
    if marker == b"[":
        return _array_end(content, at, depth)
    if marker != b"{":
        return at + _SIZES[marker]
    while content[at] != ord("}"):
        at = _after(content, _text_end(content, at), depth + 1)
    return at + 1


def _array_end(content: bytes, at: int, depth: int) -> int:
    kind = b""
    if content[at] == ord("$"):
        kind, at = content[at + 1 : at + 2], at + 2
    if content[at] == ord("#"):
        count, at = _length(content, at + 1)
        if kind:
            return _within(content, at + count * _SIZES[kind])
        for _ in range(count):
            at = _after(content, at, depth + 1)
        return at
    while content[at] != ord("]"):
        at = _after(content, at, depth + 1)
    return at + 1


def _text_end(content: bytes, at: int) -> int:
    length, at = _length(content, at)
    return _within(content, at + length)


def _length(content: bytes, at: int) -> tuple[int, int]:
    size = _SIZES[content[at : at + 1]]
    (length,) = struct.unpack_from({1: ">b", 2: ">h", 4: ">i", 8: ">q"}[size], content, at + 1)
    if length < 0:
        raise ValueError("a length below 0")
    return length, at + 1 + size


def _within(content: bytes, end: int) -> int:
    if end > len(content):
        raise ValueError("cut short")
    return end
