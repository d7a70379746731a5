"""What newcomers trip over with Kafka: topics that do not fit, and brokers that announce an address nobody reaches."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

from paywarden.adapters.kafka.admin import metadata_of
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.errors import KafkaError

_CONNECT_SECONDS: Final = 3.0


def check_topics(connection: KafkaConnection, partitions: Mapping[str, int]) -> str:
    """How many topics there are, all with the partitions wanted (name → number). Raises KafkaError with the remedy."""
    found = metadata_of(connection).topics
    missing = sorted(set(partitions) - set(found))
    if missing:
        raise KafkaError(
            f"Topics {', '.join(missing)} do not exist at {connection.bootstrap_servers}. Make them with "
            "`paywarden topics`, or correct the names in kafka.topics."
        )
    held_by = {name: len(found[name].partitions) for name in partitions}
    wrong = {name: held for name, held in held_by.items() if held != partitions[name]}
    if wrong:
        said = ", ".join(f"{name} has {held}" for name, held in sorted(wrong.items()))
        wanted = sorted({partitions[name] for name in wrong})
        raise KafkaError(
            f"kafka.partitions is {', '.join(map(str, wanted))}, but {said}. Set it to what the topics have; a topic "
            "can be given more partitions (kafka-topics.sh --alter --partitions), never fewer."
        )
    return f"{len(partitions)} topics with their partitions"


def check_listeners(connection: KafkaConnection) -> str:
    """The addresses that brokers announce, each of which answers from here. Raises KafkaError naming one that does not.

    A client asks a bootstrap server once and then goes to these, so a broker may be found and still not be reached.
    """
    brokers = metadata_of(connection).brokers
    for broker in brokers.values():
        if problem := _problem(str(broker.host), int(str(broker.port))):
            raise KafkaError(
                f"{connection.bootstrap_servers} answers, but its broker {broker.id} announces itself as "
                f"{broker.host}:{broker.port}, and nobody answers there from here ({problem}). Correct the broker's "
                "advertised.listeners: each network needs a listener under the name by which it is reached there."
            )
    return ", ".join(f"{broker.host}:{broker.port}" for broker in brokers.values())


def _problem(host: str, port: int) -> OSError | None:
    """Why no connection can be made; None where it can."""
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except OSError as error:
        return error
    return None
