"""A JVM's trace about Kafka becomes what happened and what to do."""

from __future__ import annotations

import pytest

from paywarden.adapters.spark.kafka_failure import kafka_failure

TRACE = """org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 3.0 failed 1 times
\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:1)
Caused by: org.apache.kafka.common.errors.{}
\tat org.apache.kafka.clients.producer.KafkaProducer.send(KafkaProducer.java:1)
"""


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("SaslAuthenticationException: Authentication failed", "kafka.sasl_password"),
        ("SslAuthenticationException: SSL handshake failed", "kafka.ssl_ca_location"),
        ("TopicAuthorizationException: Not authorized to access topics: [alerts]", "ACL"),
        ("RecordTooLargeException: The message is 10485925 bytes", "max.message.bytes"),
        ("UnknownTopicOrPartitionException: gone", "paywarden topics"),
        ("TimeoutException: Call(callName=listOffsets) timed out after 60000 ms", "kafka.bootstrap_servers"),
    ],
)
def test_each_kind_names_its_remedy_and_repeats_one_line_of_the_trace(said, remedy):
    told = kafka_failure(TRACE.format(said))
    assert remedy in told
    assert said in told
    assert "\n" not in told


def test_a_missing_topic_is_not_taken_for_a_silent_broker():
    said = "TimeoutException: Topic alerts not present in metadata after 60000 ms."
    assert "a topic does not exist (Topic alerts not present" in kafka_failure(TRACE.format(said))


def test_lost_records_are_told_whatever_else_the_trace_names():
    lost = "Some data may have been lost because they are not available in Kafka any more"
    assert "gone from Kafka" in kafka_failure(f"KafkaIllegalStateException: {lost}")


def test_what_is_not_of_kafka_is_left_to_others():
    assert kafka_failure("java.lang.OutOfMemoryError: Java heap space") is None
