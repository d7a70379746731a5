"""A connection gives the same access to librdkafka and to Spark, and keeps its secrets to itself."""

from __future__ import annotations

import pytest

from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.errors import ConfigurationError

CLOUD = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "PLAIN",
    "sasl.username": "api-key",
    "sasl.password": 'se"cr\\et',
}


def test_an_open_broker_needs_only_its_address():
    connection = KafkaConnection("localhost:9092")
    assert connection.client_config(group_id="g") == {"bootstrap.servers": "localhost:9092", "group.id": "g"}
    assert connection.spark_options() == {"kafka.bootstrap.servers": "localhost:9092"}


def test_confluent_cloud_reaches_both_clients():
    connection = KafkaConnection("cluster:9092", CLOUD)
    assert connection.client_config() == {"bootstrap.servers": "cluster:9092", **CLOUD}
    options = connection.spark_options()
    assert options["kafka.security.protocol"] == "SASL_SSL"
    assert options["kafka.sasl.mechanism"] == "PLAIN"
    # Quotes and backslashes are escaped as a JAAS string wants them.
    assert options["kafka.sasl.jaas.config"] == (
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="api-key" password="se\\"cr\\\\et";'
    )


def test_scram_and_a_private_authority():
    security = {**CLOUD, "sasl.mechanism": "SCRAM-SHA-512", "ssl.ca.location": "/etc/ca.pem"}
    options = KafkaConnection("cluster:9092", security).spark_options()
    assert "scram.ScramLoginModule" in options["kafka.sasl.jaas.config"]
    assert options["kafka.ssl.truststore.type"] == "PEM"
    assert options["kafka.ssl.truststore.location"] == "/etc/ca.pem"


def test_secrets_stay_out_of_repr_and_errors():
    assert "cr" not in repr(KafkaConnection("cluster:9092", CLOUD))
    with pytest.raises(ConfigurationError) as caught:
        KafkaConnection("cluster:9092", {**CLOUD, "sasl.username": ""})
    assert "kafka.sasl_username" in str(caught.value)
    assert "cr" not in str(caught.value).replace("security", "")


@pytest.mark.parametrize(
    ("servers", "security", "named"),
    [
        (" ", {}, "kafka.bootstrap_servers"),
        ("a:1", {"sasl.pasword": "x"}, "sasl.pasword"),
        ("a:1", {"security.protocol": "TLS"}, "TLS"),
        ("a:1", {**CLOUD, "sasl.mechanism": "GSSAPI"}, "GSSAPI"),
        ("a:1", {"security.protocol": "SASL_SSL"}, "kafka.sasl_mechanism"),
    ],
)
def test_what_a_client_would_reject_late_is_refused_at_once(servers, security, named):
    with pytest.raises(ConfigurationError, match=named):
        KafkaConnection(servers, security)


def test_equal_connections_are_equal_and_hashable():
    assert KafkaConnection("a:1", CLOUD) == KafkaConnection("a:1", dict(CLOUD))
    assert len({KafkaConnection("a:1", CLOUD), KafkaConnection("a:1", dict(CLOUD))}) == 1
