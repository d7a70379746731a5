"""Bytes of unknown kind, fit to be shown: whatever could be a card number is blotted out."""

from __future__ import annotations

import re

from paywarden.events.tokens import LONGEST_CARD_NUMBER, SHORTEST_CARD_NUMBER

# Digits with at most two bytes between any two that are neither letter nor digit: "4111-1111…", a JSON list of digits,
# UTF-16. A letter ends a run, so that the fields of a JSON object stay apart.
_RUN = re.compile(rb"[0-9](?:[^0-9A-Za-z]{0,2}[0-9]){%d,}" % (SHORTEST_CARD_NUMBER - 1))
_DIGIT = re.compile(rb"[0-9]")


def mask_card_numbers(value: bytes) -> bytes:
    """The value with ``*`` for every digit of a run in which 13 to 19 digits have a valid check digit (Luhn).

    Errs on the side of masking: long runs nearly always hold such digits by chance, and so does one 13-digit time in
    ten. Lengths stay. What is encoded otherwise (base64, hexadecimal) is not recognised.
    """
    return _RUN.sub(lambda run: _DIGIT.sub(b"*", run.group()) if _holds_number(run.group()) else run.group(), value)


def shown(value: bytes | None, *, raw: bool = False) -> str:
    """The value as printable text: masked unless ``raw``, with escapes for what is not UTF-8 or not printable."""
    if value is None:
        return "null"
    text = (value if raw else mask_card_numbers(value)).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _holds_number(run: bytes) -> bool:
    digits = [digit - ord("0") for digit in run if ord("0") <= digit <= ord("9")]
    return any(_has_number_ending(digits[:end]) for end in range(SHORTEST_CARD_NUMBER, len(digits) + 1))


def _has_number_ending(digits: list[int]) -> bool:
    """Whether the last 13 to 19 digits, of some such length, have a valid check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits[-LONGEST_CARD_NUMBER:])):
        total += digit if place % 2 == 0 else (2 * digit - 9 * (digit > 4))
        if place + 1 >= SHORTEST_CARD_NUMBER and total % 10 == 0:
            return True
    return False
