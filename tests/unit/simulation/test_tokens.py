from __future__ import annotations

from paywarden.simulation.tokens import card_tokens, merchant_tokens, transaction_ids


def test_tokens_are_padded_numbers():
    assert card_tokens(12_346)[12_345].as_py() == "card_00012345"
    assert merchant_tokens(322)[321].as_py() == "mrch_000321"


def test_ids_count_the_day_and_the_row_in_base_32():
    ids = transaction_ids(33, 40)
    assert ids[0].as_py() == "t0011000000"
    assert ids[31].as_py() == "t001100000z"
    assert ids[32].as_py() == "t0011000010"
    assert ids.to_pylist() == sorted(ids.to_pylist())


def test_no_rows_are_no_ids():
    assert transaction_ids(0, 0).to_pylist() == []
