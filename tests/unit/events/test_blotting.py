"""What could be a card number is not shown."""

from __future__ import annotations

import pytest

from paywarden.events.blotting import mask_card_numbers, shown


@pytest.mark.parametrize(
    "value",
    [
        b"4111111111111111",
        b'{"card_id": "4111111111111111", "amount"',
        b"4111 1111 1111 1111",
        b"4111-1111-1111-1111",
        b"\xff4111111111111111\x00",
        "4111111111111111".encode("utf-16"),
        b"[4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]",
        b"00041111111111111110000",
        b"3782\n822463\n10005",
    ],
)
def test_a_card_number_is_blotted_out_however_it_is_written(value):
    masked = mask_card_numbers(value)
    assert len(masked) == len(value)
    assert sum(digit in b"123456789" for digit in masked) == 0


@pytest.mark.parametrize(
    "value", [b'{"amount": 1999, "id": "t0000000AB"}', b"1234567890123", b"123456789012", b"1700000000001", b""]
)
def test_other_digits_stay(value):
    assert mask_card_numbers(value) == value


def test_what_is_shown_is_printable():
    assert shown(None) == "null"
    assert shown(b"\xff\x00\n\x1b[31m4111111111111111") == r"\xff\x00\n\x1b[31m****************"
    assert shown(b"4111111111111111", raw=True) == "4111111111111111"
    assert shown("Zürich".encode()) == "Zürich"
