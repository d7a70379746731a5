"""A connection gives the same access to librdkafka and to Spark, and keeps its secrets to itself."""

from __future__ import annotations

import pytest
from tests.certificates import Authority

from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.options import ClientOptions
from paywarden.adapters.kafka.producer import KafkaEventProducer
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


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


def test_scram_and_a_private_authority(authority):
    security = {**CLOUD, "sasl.mechanism": "SCRAM-SHA-512", "ssl.ca.location": str(authority.certificate)}
    options = KafkaConnection("cluster:9092", security).spark_options()
    assert "scram.ScramLoginModule" in options["kafka.sasl.jaas.config"]
    assert options["kafka.ssl.truststore.type"] == "PEM"
    assert options["kafka.ssl.truststore.certificates"] == authority.certificate.read_text()


def mutual(identity, **more):
    files = {"ssl.certificate.location": str(identity.certificate), "ssl.key.location": str(identity.key)}
    return {"security.protocol": "SSL", **files, **more}


def test_our_own_certificate_reaches_both_clients(authority):
    ours = authority.issue("ours", "ours.example", locked_with="hush")
    connection = KafkaConnection("cluster:9092", mutual(ours, **{"ssl.key.password": "hush"}))
    assert connection.client_config()["ssl.key.location"] == str(ours.key)
    options = connection.spark_options()
    assert options["kafka.ssl.keystore.type"] == "PEM"
    # By content, since executors on other machines have no such file.
    assert options["kafka.ssl.keystore.certificate.chain"] == ours.certificate.read_text()
    assert options["kafka.ssl.keystore.key"] == ours.key.read_text()
    assert options["kafka.ssl.key.password"] == "hush"


def test_host_names_are_verified_unless_told_otherwise():
    told = KafkaConnection("a:1", {"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": "none"})
    assert told.client_config()["ssl.endpoint.identification.algorithm"] == "none"
    assert told.spark_options()["kafka.ssl.endpoint.identification.algorithm"] == ""
    silent = KafkaConnection("a:1", {"security.protocol": "SSL"})
    assert "kafka.ssl.endpoint.identification.algorithm" not in silent.spark_options()  # https is both defaults


def test_files_that_cannot_be_used_are_named_by_their_setting(authority, tmp_path):
    ours, old = authority.issue("plain", "plain.example"), authority.traditional_key("old")
    locked = authority.issue("locked", "locked.example", locked_with="hush")
    for security, named in (
        ({"ssl.ca.location": str(tmp_path / "none.pem")}, r"kafka\.ssl_ca_location is .*No such file"),
        ({"ssl.ca.location": str(ours.key)}, r"kafka\.ssl_ca_location .*no certificate"),
        ({"ssl.certificate.location": str(ours.certificate)}, r"also needs kafka\.ssl_key_location"),
        ({"ssl.key.location": str(ours.key)}, r"also needs kafka\.ssl_certificate_location"),
        (mutual(ours, **{"ssl.key.location": str(old)}), r"kafka\.ssl_key_location .*openssl pkcs8"),
        (mutual(locked), r"also needs kafka\.ssl_key_password"),
    ):
        with pytest.raises(ConfigurationError, match=named):
            KafkaConnection("a:1", {"security.protocol": "SSL", **security})


OPTIONS = ClientOptions(
    every={"linger.ms": "1", "client.id": "all"},
    producer={"linger.ms": "2"},
    consumer={"session.timeout.ms": "3"},
    admin={"client.id": "hush"},
    spark={"client.id": "jvm"},
)


def test_properties_reach_the_clients_they_are_for():
    connection = KafkaConnection("a:1", options=OPTIONS)
    base = {"bootstrap.servers": "a:1"}
    assert connection.producer_config() == {**base, "linger.ms": "2", "client.id": "all"}
    assert connection.consumer_config() == {**base, "linger.ms": "1", "client.id": "all", "session.timeout.ms": "3"}
    assert connection.admin_config() == {**base, "linger.ms": "1", "client.id": "hush"}
    assert connection.spark_options() == {
        "kafka.bootstrap.servers": "a:1",
        "kafka.linger.ms": "1",
        "kafka.client.id": "jvm",
    }
    assert "hush" not in repr(connection)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"every": {"security.protocol": "SSL"}}, r"kafka\.options sets .* kafka\.security_protocol instead"),
        ({"spark": {"sasl.jaas.config": "hush"}}, r"kafka\.spark_options .*kafka\.sasl_username"),
        ({"producer": {"acks": "0"}}, r"kafka\.producer_options sets acks, on which"),
        ({"consumer": {"auto.offset.reset": "latest"}}, r"kafka\.consumer_options sets auto\.offset\.reset"),
    ],
)
def test_a_property_that_would_break_a_promise_is_refused(options, named):
    with pytest.raises(ConfigurationError, match=named) as caught:
        ClientOptions(**options)
    assert "hush" not in str(caught.value)


def test_a_property_that_the_client_does_not_know_is_told_with_its_setting():
    connection = KafkaConnection("a:1", options=ClientOptions(every={"fetch.max.wiat": "1"}))
    with pytest.raises(ConfigurationError, match=r'"fetch.max.wiat"\. Correct kafka\.options; .*kafka\.spark_options'):
        KafkaEventProducer(connection)


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
        ("a:1", {"sasl.username": "x"}, "kafka.sasl_username is set, but kafka.security_protocol is PLAINTEXT"),
        ("a:1", {"security.protocol": "SSL", "sasl.password": "x"}, "kafka.sasl_password .*SASL_SSL"),
        ("a:1", {"ssl.endpoint.identification.algorithm": "none"}, "kafka.ssl_verify_hostname"),
    ],
)
def test_what_a_client_would_reject_late_is_refused_at_once(servers, security, named):
    with pytest.raises(ConfigurationError, match=named):
        KafkaConnection(servers, security)


def test_equal_connections_are_equal_and_hashable():
    assert KafkaConnection("a:1", CLOUD) == KafkaConnection("a:1", dict(CLOUD))
    assert len({KafkaConnection("a:1", CLOUD), KafkaConnection("a:1", dict(CLOUD))}) == 1
