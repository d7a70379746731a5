import pytest

from paywarden.events.dead_letter import dead_letter_headers


def test_headers_say_where_and_why_in_the_words_of_kafka_connect():
    (headers,) = dead_letter_headers(["transactions"], [3], [2**40], ["blank"], ["transaction_id is blank"])
    assert headers == [
        ("__connect.errors.topic", b"transactions"),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"1099511627776"),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        ("__connect.errors.exception.message", b"blank: transaction_id is blank"),
        ("paywarden.errors.reason", b"blank"),
    ]


def test_original_headers_stay_in_front():
    (headers,) = dead_letter_headers(["t"], [0], [0], ["empty"], ["-"], original=[[("trace", b"\xff")]])
    assert headers[0] == ("trace", b"\xff")
    assert len(headers) == 7


def test_columns_of_unequal_length_are_a_mistake():
    with pytest.raises(ValueError, match="zip"):
        dead_letter_headers(["t"], [0], [0], ["empty", "blank"], ["-"])
