"""Producing by several processes into a real broker: the records of one."""

from collections import defaultdict

from paywarden import wiring
from paywarden.cli.produce import _send_all, _Source
from paywarden.settings import load_settings
from paywarden.simulation.world import World

WORLD = World(5, cards=60, merchants=60, fraud_rate=0.1)


def sent_by(processes, kafka, topic_factory):
    topics = {name: topic_factory(name, 2) for name in ("transactions", "labels")}
    settings = load_settings(kafka={"bootstrap_servers": kafka.bootstrap_servers, "topics": topics})
    done = _send_all(_Source(settings, WORLD, 4), None, processes, lambda _events: None)
    records = defaultdict(list)
    for name, topic in topics.items():
        table = wiring.kafka_source(settings).read_all(topic)
        for key, partition, value in zip(*(table[c].to_pylist() for c in ("key", "partition", "value")), strict=True):
            records[name, partition, key].append(value)
    return done, records


def test_several_processes_send_what_one_would_each_key_in_order_to_its_partition(kafka, topic_factory):
    alone, records = sent_by(1, kafka, topic_factory)
    together, same = sent_by(2, kafka, topic_factory)
    assert together == alone
    assert alone.labels
    assert same == records
