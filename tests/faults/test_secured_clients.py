"""Every client over TLS with a password, SCRAM or a certificate, on a broker that lets in nobody else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from confluent_kafka.admin import AclOperation
from tests.secured_broker import PASSWORD, SecuredBroker

from paywarden import wiring
from paywarden.adapters.kafka.admin import ping
from paywarden.errors import KafkaError
from paywarden.jobs.archive import archive
from paywarden.settings import TopicNames, load_settings


@pytest.fixture(scope="module")
def secured(jars, tmp_path_factory):
    with SecuredBroker(tmp_path_factory.mktemp("secured"), jars) as broker:
        yield broker


def settings_for(kafka, tmp_path, stem="open"):
    topics = {role: f"{stem}.{role}" for role in TopicNames.model_fields}
    return load_settings(kafka={**kafka, "partitions": 1, "topics": topics}, lake={"path": str(tmp_path / "lake")})


WAYS = {
    "plain": lambda broker: broker.settings("PLAIN"),
    "scram-256": lambda broker: broker.settings("SCRAM-SHA-256"),
    "scram-512": lambda broker: broker.settings("SCRAM-SHA-512"),
    "mtls": lambda broker: broker.mtls_settings(),
}


@pytest.mark.parametrize("way", WAYS)
def test_topics_are_made_filled_and_archived(way, secured, tmp_path):
    secured.allow([AclOperation.CREATE, AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS])
    settings = settings_for(WAYS[way](secured), tmp_path, way)
    wiring.make_topics(settings)
    assert wiring.topic_differences(settings) == []
    with wiring.kafka_sink(settings) as sink:
        sink.send_many(settings.kafka.topics.predictions, [b"k"], [b"v"])
    moved = archive(wiring.kafka_source(settings), wiring.lake(settings), wiring.archive_columns(settings))
    assert moved.rows[settings.kafka.topics.predictions] == 1


def test_a_wrong_password_is_told_with_the_setting_and_without_the_password(secured, tmp_path):
    for mechanism in ("PLAIN", "SCRAM-SHA-512"):
        settings = settings_for(secured.settings(mechanism, "wrong-secret"), tmp_path)
        with pytest.raises(KafkaError, match=r"kafka\.sasl_password") as caught:
            ping(wiring.kafka(settings))
        assert "wrong-secret" not in str(caught.value)


def test_a_certificate_that_nobody_we_trust_signed_is_told(secured, tmp_path):
    section = {name: value for name, value in secured.settings().items() if name != "ssl_ca_location"}
    with pytest.raises(KafkaError, match=r"kafka\.ssl_ca_location"):
        ping(wiring.kafka(settings_for(section, tmp_path)))


def test_host_names_are_verified(secured, tmp_path):
    section = {**secured.settings(), "bootstrap_servers": secured.sasl.replace("localhost", "127.0.0.1")}
    with pytest.raises(KafkaError, match=r"kafka\.ssl_verify_hostname"):
        ping(wiring.kafka(settings_for(section, tmp_path)))
    assert ping(wiring.kafka(settings_for({**section, "ssl_verify_hostname": False}, tmp_path))) == 1


def test_our_own_expired_certificate_is_told(secured, tmp_path):
    section = secured.mtls_settings(not_after=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(KafkaError, match=r"expired: renew it") as caught:
        ping(wiring.kafka(settings_for(section, tmp_path)))
    assert PASSWORD not in str(caught.value)


def test_topics_that_we_may_not_make_are_told_with_the_commands(secured, tmp_path):
    section = secured.settings()
    secured.deny(AclOperation.CREATE, "denied.transactions")
    try:
        settings = settings_for(section, tmp_path, "denied")
        with pytest.raises(KafkaError, match=r"kafka-topics\.sh .*--create --topic denied\.transactions") as caught:
            wiring.make_topics(settings)
        assert "paywarden topics --check" in str(caught.value)
    finally:
        secured.forget_denials()


def test_a_topic_that_we_may_not_write_is_told(secured, tmp_path):
    settings = settings_for(secured.settings(), tmp_path, "plain")
    topic = settings.kafka.topics.labels
    secured.deny(AclOperation.WRITE, topic)
    try:
        with pytest.raises(KafkaError, match="ACL"), wiring.kafka_sink(settings) as sink:
            sink.send_many(topic, [None], [b"v"])
    finally:
        secured.forget_denials()
    with wiring.kafka_sink(settings) as sink:
        sink.send_many(topic, [None], [b"v"])
        sink.flush()
        assert sink.delivered == 1
