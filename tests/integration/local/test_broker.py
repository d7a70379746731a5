"""The local broker keeps what it acknowledged, over a stop and over a crash."""

from __future__ import annotations

import socket

import pytest

from paywarden.adapters.kafka.admin import end_offsets, ensure_topics
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.consumer import KafkaBatchReader
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.local.broker import LocalBroker
from paywarden.adapters.local.ports import free_port
from paywarden.errors import EnvironmentNotReady


def test_data_and_address_survive_a_crash_and_a_stop(jars, tmp_path):
    with LocalBroker(tmp_path, jars) as broker:
        connection = KafkaConnection(broker.bootstrap_servers)
        ensure_topics(connection, {"t": 1})
        producer = KafkaEventProducer(connection)
        producer.send_many("t", [None], [b"before the crash"])
        producer.flush()
        broker.kill()
        assert not broker.running
        broker.start()
        assert broker.bootstrap_servers == connection.bootstrap_servers
        producer.send_many("t", [None], [b"after"])  # the same producer reconnects
        producer.flush()
    assert not broker.running
    with LocalBroker(tmp_path, jars) as again:  # another process would do the same
        assert again.bootstrap_servers == connection.bootstrap_servers
        with KafkaBatchReader(connection, ["t"], end={}) as reader:
            values = [value for table in reader for value in table["value"].to_pylist()]
        assert values == [b"before the crash", b"after"]
        assert end_offsets(connection, ["t"]) == {"t": {0: 2}}


def test_a_taken_port_is_told(jars, tmp_path):
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(EnvironmentNotReady, match=f"Port {port} on 127.0.0.1 is taken"):
            LocalBroker(tmp_path, jars, port=port).start()


def test_a_broker_that_dies_is_told_with_the_end_of_its_log(jars, tmp_path):
    with LocalBroker(tmp_path, jars) as broker:
        broker.stop()
    (tmp_path / "log" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=another\n")
    with pytest.raises(EnvironmentNotReady, match=r"The local Kafka broker ended with status 1(.*\n)*.*node"):
        LocalBroker(tmp_path, jars).start()


def test_before_its_start_there_is_no_address(jars, tmp_path):
    with pytest.raises(EnvironmentNotReady, match="has not been started"):
        _ = LocalBroker(tmp_path, jars).bootstrap_servers
