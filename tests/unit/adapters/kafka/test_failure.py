"""The client's errors become ours, with their cause and a remedy."""

from __future__ import annotations

import confluent_kafka
import pytest

from paywarden.adapters.kafka.failure import ClientErrors, translated
from paywarden.errors import KafkaError

Code = confluent_kafka.KafkaError


def fail(code):
    raise confluent_kafka.KafkaException(Code(code))


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (Code._TRANSPORT, "kafka.bootstrap_servers"),
        (Code._AUTHENTICATION, "kafka.sasl_password"),
        (Code.UNKNOWN_TOPIC_OR_PART, "paywarden topics"),
        (Code.OFFSET_OUT_OF_RANGE, "retention"),
        (Code.MSG_SIZE_TOO_LARGE, "message.max.bytes"),
    ],
)
def test_each_kind_names_its_remedy(code, remedy):
    with pytest.raises(KafkaError, match=remedy) as caught, translated("Trying", "here:9092"):
        fail(code)
    assert str(caught.value).startswith("Trying failed at here:9092")
    assert isinstance(caught.value.__cause__, confluent_kafka.KafkaException)


def test_a_time_out_gives_way_to_the_cause_seen_in_the_background():
    errors = ClientErrors()
    errors(Code(Code._AUTHENTICATION))
    errors(Code(Code._ALL_BROKERS_DOWN))  # follows every other error and says less
    with pytest.raises(KafkaError, match="_AUTHENTICATION"), translated("Trying", "here:9092", errors):
        fail(Code._TIMED_OUT)


def test_other_exceptions_pass():
    with pytest.raises(ZeroDivisionError), translated("Trying", "here:9092"):
        _ = 1 / 0
