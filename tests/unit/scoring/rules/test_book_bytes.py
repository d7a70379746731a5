from datetime import date

import pytest

from paywarden.errors import DataError
from paywarden.scoring.canonical import sha256_hex
from paywarden.scoring.rules.book_bytes import cached_book, from_bytes
from paywarden.scoring.rules.policy_file import rule_book

BOOK = rule_book(
    {
        "lists": [
            {
                "name": "s",
                "action": "block",
                "field": "card",
                "entries": ["a", {"value": "b", "expires": date(2024, 2, 1)}],
                "shadow": True,
            }
        ],
        "rules": [{"name": "r", "when": "transaction.amount > 5 && features.hour < 3.0", "then": "review"}],
    }
)


def test_a_book_comes_back_whole_and_its_digest_is_that_of_its_bytes():
    content = BOOK.content
    assert from_bytes(content) == BOOK
    assert from_bytes(content).digest == BOOK.digest == sha256_hex(content)
    assert cached_book(content) is cached_book(bytes(bytearray(content)))


def test_what_it_reads_is_told_by_its_own_names():
    assert (BOOK.fields, BOOK.features) == ({"card", "amount"}, {"hour"})


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"lists": [{}], "rules": []}'])
def test_other_bytes_are_refused(content):
    with pytest.raises(DataError, match="no rule book"):
        from_bytes(content)
