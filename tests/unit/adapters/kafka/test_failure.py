"""The client's errors become ours, with their cause and a remedy."""

from __future__ import annotations

import confluent_kafka
import pytest

from paywarden.adapters.kafka.failure import ClientErrors, translated
from paywarden.errors import ConfigurationError, KafkaError

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
        (Code.TOPIC_AUTHORIZATION_FAILED, "ACL"),
        (Code._SSL, "kafka.ssl_ca_location"),
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


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("ssl://b:9/1: SSL handshake failed: certificate verify failed: certificate has expired", "renew it"),
        (
            "ssl://b:9/1: Receive failed: SSL routines::ssl/tls alert certificate unknown: SSL alert number 46",
            "refused our certificate",
        ),
        ("ssl://b:9/1: SSL handshake failed: hostname mismatch", "kafka.ssl_verify_hostname"),
        ("ssl://b:9/1: SSL handshake failed: unable to get local issuer certificate", "kafka.ssl_ca_location"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told_apart(said, remedy):
    with pytest.raises(KafkaError, match=remedy), translated("Trying", "here:9092"):
        raise confluent_kafka.KafkaException(Code(Code._SSL, said))


def test_a_property_that_a_client_refuses_is_a_setting_to_correct():
    with (
        pytest.raises(ConfigurationError, match=r"Correct kafka\.options"),
        translated("Trying", "here:9092", options="kafka.options"),
    ):
        fail(Code._INVALID_ARG)


def test_other_exceptions_pass():
    with pytest.raises(ZeroDivisionError), translated("Trying", "here:9092"):
        _ = 1 / 0
