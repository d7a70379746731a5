import pytest

from paywarden.scoring.boosters.ubjson import is_whole

NESTED = b"{" * 1 + b"i\x01a[" * 200 + b"]" * 200 + b"}"


def test_the_models_of_xgboost_are_whole_and_no_part_of_them_is(booster):
    content = booster.to_bytes()
    assert is_whole(content)
    assert not any(is_whole(content[:end]) for end in range(0, len(content), 37))
    assert not is_whole(content + b" ")


@pytest.mark.parametrize(
    "whole", [b"{}", b"{i\x01a[]}", b"{i\x01a[$l#L\0\0\0\0\0\0\0\x01\0\0\0\x07}", b"{i\x01aSi\x02hi}"]
)
def test_small_documents_are_whole(whole):
    assert is_whole(whole)
    assert not any(is_whole(whole[:end]) for end in range(len(whole)))


@pytest.mark.parametrize("odd", [b"", b"[]", b"{i\xffa}", b"{i\x01a?}", b"{i\x01a[$?#i\x01}", NESTED])
def test_what_is_odd_is_not(odd):
    assert not is_whole(odd)
