import math

import pytest

from paywarden.errors import BundleError
from paywarden.scoring.canonical import canonical_bytes, parse_canonical, require_keys, sha256_hex


def test_the_order_of_keys_does_not_show():
    assert canonical_bytes({"b": [1, 0.1], "a": "é"}) == canonical_bytes({"a": "é", "b": [1, 0.1]})
    assert canonical_bytes({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()


def test_the_hash_is_the_known_one():
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_not_a_number_is_not_json():
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_bytes({"a": math.nan})


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b'{"a": 1}', b'{"a":1,"a":2}', b'{"b":1,"a":2}', b'{"a":NaN}', b'{"a":1e0}', b"\xff", b"[" * 100_000],
)
def test_anything_but_the_canonical_spelling_of_an_object_is_refused(content):
    with pytest.raises(BundleError, match=r"x\.json"):
        parse_canonical("x.json", content)


def test_foreign_and_missing_keys_are_named():
    with pytest.raises(BundleError, match=r"lacks \['a'\] and has unknown \['loader_module'\]"):
        require_keys("x.json", {"loader_module": "os"}, {"a"})
