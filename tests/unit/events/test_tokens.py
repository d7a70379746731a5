import hashlib
import hmac

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.events.tokens import looks_like_card_number, tokenise

KEY = b"0123456789abcdef"
CARD_NUMBERS = ["4111111111111111", "5500005555555559", "378282246310005", "4222222222222", "6304000000000000000"]


def luhn(text):
    """The check by the book: from the right, every second digit doubled, its digits added."""
    digits = [c for c in text if c not in " -"]
    if not (text.isascii() and all(c.isdigit() for c in digits) and 13 <= len(digits) <= 19):
        return False
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d // 10 + d % 10 for d in doubled) % 10 == 0


@pytest.mark.parametrize("number", [*CARD_NUMBERS, "4111 1111 1111 1111", "4111-1111-1111-1111"])
def test_known_test_card_numbers_are_recognised(number):
    assert looks_like_card_number(pa.array([None, number, "x"])).tolist() == [False, luhn(number), False]


@pytest.mark.parametrize(
    "text", ["4111111111111112", "411111111111", "c4111111111111111", "4111111111111111 ", "4111.1111.1111.1111", ""]
)
def test_other_texts_are_not(text):
    assert not looks_like_card_number(pa.array([text])).any()


NEARLY = st.text("0123456789 -", min_size=11, max_size=39)


@given(st.lists(st.one_of(st.none(), st.text(max_size=20), NEARLY, st.from_regex(r"[0-9]{13,19}", fullmatch=True))))
def test_the_columnar_check_is_luhn_by_the_book(values):
    def written_as_number(v):
        return v is not None and v[:1].isdigit() and v[-1:].isdigit() and len(v) <= 37 and luhn(v)

    assert looks_like_card_number(pa.array(values, pa.string())).tolist() == [written_as_number(v) for v in values]


def test_a_slice_is_checked_as_its_rows():
    values = pa.array(["x" * 30, *CARD_NUMBERS]).slice(1)
    assert looks_like_card_number(values).tolist() == [luhn(v) for v in CARD_NUMBERS]


def test_tokens_are_keyed_hashes_and_null_stays_null():
    tokens = tokenise(pa.array(["a", None, "b", "a"]), KEY).to_pylist()
    assert tokens[0] == tokens[3] == hmac.new(KEY, b"a", hashlib.sha256).hexdigest()[:32]
    assert tokens[1] is None
    assert tokens[2] != tokens[0]
    assert tokenise(pa.array(["a"]), KEY[::-1]).to_pylist() != tokens[:1]


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        tokenise(pa.array(["a"]), b"short")
