"""Fault 9: a broker as Confluent Cloud presents itself, that stops letting the stream in, and lets it in again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from confluent_kafka.admin import AclOperation
from tests.faults.invariants import assert_kept
from tests.secured_broker import ALL_TOPICS, PASSWORD, SecuredBroker

WRONG = "wrong-secret-7"


@pytest.fixture
def secured(jars, tmp_path):
    with SecuredBroker(tmp_path, jars) as broker:
        broker.allow((*ALL_TOPICS, AclOperation.CREATE))
        yield broker


@pytest.fixture
def cloud_stream(secured, new_stream, models):
    """A stream over SASL_SSL and PLAIN, which has decided some days and is stopped."""
    stream = new_stream(bootstrap_servers=secured.sasl, sections={"kafka": secured.settings()})
    stream.register_champion(models[0])
    stream.inputs = stream.produce_days(0, 2)
    stream.start()
    stream.wait_for(lambda: stream.caught_up(stream.inputs))
    stream.process.stop(60.0)
    stream.inputs += stream.produce_days(2, 3, [b"{"])
    return stream


def start_and_fail(stream):
    """What a stream says that cannot work."""
    stream.start_with(["-m", "paywarden.cli.app", "stream", "run"])
    return stream.ended()


def assert_recovered(stream, tmp_path):
    stream.start_again()
    stream.wait_for(lambda: stream.caught_up(stream.inputs))
    stream.process.stop(60.0)
    assert_kept(stream, stream.inputs, tmp_path / "undisturbed", dead_letters=1)
    assert PASSWORD not in stream.log.read_text(errors="replace")


def test_wrong_credentials(cloud_stream, tmp_path):
    cloud_stream.sections["kafka"]["sasl_password"] = WRONG
    said = start_and_fail(cloud_stream)
    assert "kafka.sasl_password" in said
    assert WRONG not in said
    cloud_stream.sections["kafka"]["sasl_password"] = PASSWORD
    assert_recovered(cloud_stream, tmp_path)


def test_an_expired_certificate(cloud_stream, secured, tmp_path):
    expired = secured.authority.issue("expired", "localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    secured.broker.stop()
    secured.use(expired.both)
    secured.broker.start()
    said = start_and_fail(cloud_stream)
    assert "kafka.ssl_ca_location" in said
    assert "expired" in said
    secured.broker.stop()
    secured.use()
    secured.broker.start()
    assert_recovered(cloud_stream, tmp_path)


@pytest.mark.parametrize("operation", [AclOperation.READ, AclOperation.WRITE])
def test_a_right_that_is_taken_away(cloud_stream, secured, operation, tmp_path):
    topics = cloud_stream.settings.kafka.topics
    secured.deny(operation, topics.transactions if operation == AclOperation.READ else topics.predictions)
    assert "ACL" in start_and_fail(cloud_stream)
    secured.forget_denials()
    assert_recovered(cloud_stream, tmp_path)
