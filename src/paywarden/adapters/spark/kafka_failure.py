"""What Spark's Kafka client says of its failures, and what to do about each. Its own words come as a JVM's traces."""

from __future__ import annotations

import re

_SIGNS: tuple[tuple[str, str, str], ...] = (
    (
        "SaslAuthenticationException",
        "Kafka refused the user",
        "check kafka.sasl_username, kafka.sasl_password and kafka.sasl_mechanism",
    ),
    (
        "SslAuthenticationException|SSLHandshakeException|CertificateExpiredException|CertPathValidatorException",
        "no TLS connection to Kafka came about",
        "check kafka.ssl_ca_location, whether the broker's certificate has expired or names another host, and ours",
    ),
    (
        "TopicAuthorizationException|GroupAuthorizationException|ClusterAuthorizationException",
        "Kafka denied the user a right",
        "give it the ACL that docs/kafka.md lists",
    ),
    (
        "RecordTooLargeException",
        "a record is larger than Kafka takes",
        "raise max.message.bytes of the topic it goes to, first of the dead letters' (kafka.topic_options)",
    ),
    (
        r"UnknownTopicOrPartitionException|UnknownTopicIdException|Topic \S+ not present in metadata",
        "a topic does not exist",
        "create it with `paywarden topics`, or check that the brokers run",
    ),
    (
        "Some data may have been lost|KAFKA_DATA_LOSS|OffsetOutOfRangeException|OffsetOutOfRange",
        "records that were not decided yet are gone from Kafka",
        "they were removed by retention, or the topic was made anew; docs/kafka.md says how to go on",
    ),
    (
        "TimeoutException|DisconnectException|No resolvable bootstrap urls",
        "Kafka did not answer in time",
        "check that the brokers run, and kafka.bootstrap_servers",
    ),
)


def kafka_failure(text: str) -> str | None:
    """What happened and what to do, where the text of a Java exception tells of Kafka; None where it does not."""
    for signs, happened, remedy in _SIGNS:
        found = re.search(rf"(?:{signs})[^\n]*", text)
        if found:
            return f"{happened} ({found.group().strip()[:300]}); {remedy}"
    return None
