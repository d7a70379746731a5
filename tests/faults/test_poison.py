"""Fault 6: what is no payment. It becomes a dead letter with its bytes, or the stream stops; it is never dropped."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from tests.faults.invariants import assert_kept

from paywarden import wiring
from paywarden.adapters.local.broker import LocalBroker
from paywarden.events import reasons
from paywarden.events.dead_letter import read_dead_letters
from paywarden.events.encoding import encode_transactions
from paywarden.events.schema import EventSchema
from paywarden.simulation.world import World

TEN_MEGABYTES = 10 * 1024 * 1024


def payment(**changed):
    """A valid payment as JSON, with fields changed; None removes one."""
    day = next(iter(World(5, cards=60, merchants=60, fraud_rate=0.03).days(0, 1)))
    document = {**json.loads(encode_transactions(day.transactions.slice(0, 1), EventSchema())[0]), **changed}
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


POISON = {
    reasons.EMPTY: b"",
    reasons.TOO_LARGE: b'{"padding": "' + b"x" * 70_000 + b'"}',
    reasons.MALFORMED_JSON: b"\xff\xfe{",
    reasons.NOT_AN_OBJECT: b"[1, 2]",
    reasons.WRONG_TYPE: payment(amount="5"),
    reasons.DUPLICATE_FIELD: b'{"amount": 1, ' + payment()[1:],
    reasons.MISSING_FIELD: payment(transaction_id=None),
    reasons.BLANK: payment(transaction_id=" "),
    reasons.TOO_LONG: payment(transaction_id="x" * 200),
    reasons.CARD_NUMBER: payment(entities={"card": "4111111111111111", "merchant": "m1"}),
    reasons.UNKNOWN_VALUE: payment(channel="pigeon"),
    reasons.TIME_OUT_OF_RANGE: payment(occurred_at=1_700_000_000),
    reasons.TIME_IN_FUTURE: payment(occurred_at=4_000_000_000_000),
    reasons.AMOUNT_OUT_OF_RANGE: payment(amount=-1),
    reasons.COORDINATE_OUT_OF_RANGE: payment(latitude=91.0, longitude=0.0),
    reasons.INVALID_COUNTRY: payment(country="France"),
    reasons.UNKNOWN_CURRENCY: payment(currency="XXX"),
}


def dead_letters(stream):
    source = wiring.kafka_source(stream.settings, headers=True)
    return list(read_dead_letters(source.read_all(stream.settings.kafka.topics.dead_letters)))


def test_every_kind_of_bad_input_and_a_burst_of_nothing_else(new_stream, models, measured, tmp_path):
    stream = new_stream()
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 1, list(POISON.values()))
    stream.start()
    stream.wait_for(lambda: stream.caught_up(inputs))
    assert {letter.reason: letter.value for letter in dead_letters(stream)} == POISON
    burst = [value for value in POISON.values() if len(value) < 1000] * 600
    inputs += stream.produce_days(1, 1, burst)
    inputs += stream.produce_days(1, 2)
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)
    measured("poison in one burst", len(burst))
    assert_kept(stream, inputs, tmp_path / "undisturbed", dead_letters=len(POISON) + len(burst))
    assert "4111111111111111" not in stream.log.read_text(errors="replace")


def test_no_dead_letter_topic_stops_the_stream(new_stream, kafka, models, tmp_path):
    stream = new_stream()
    stream.register_champion(models[0])
    topic = stream.settings.kafka.topics.dead_letters
    admin = AdminClient(kafka.admin_config())  # by name: one that is collected answers nothing
    (deleted,) = admin.delete_topics([topic]).values()
    deleted.result()
    inputs = stream.produce_days(0, 1, [b"{", b"["])
    stream.start_with(["-m", "paywarden.cli.app", "stream", "run"])
    assert topic in stream.ended()
    assert stream.finished() == []
    wiring.make_topics(stream.settings)
    stream.start_again()
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)
    assert_kept(stream, inputs, tmp_path / "undisturbed", dead_letters=2)


@pytest.fixture
def roomy_broker(jars, tmp_path):
    with LocalBroker(tmp_path / "roomy", jars, properties={"message.max.bytes": str(2 * TEN_MEGABYTES)}) as broker:
        yield broker


def test_a_message_of_ten_megabytes_keeps_its_bytes(roomy_broker, new_stream, models, tmp_path):
    stream = new_stream(bootstrap_servers=roomy_broker.bootstrap_servers)
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 1) + 1
    huge = bytes(range(256)) * (TEN_MEGABYTES // 256)
    raw = Producer({"bootstrap.servers": roomy_broker.bootstrap_servers, "message.max.bytes": 2 * TEN_MEGABYTES})
    raw.produce(stream.settings.kafka.topics.transactions, huge)
    raw.flush()
    stream.start()
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)
    assert_kept(stream, inputs, tmp_path / "undisturbed", dead_letters=1)
    (letter,) = dead_letters(stream)
    assert letter.value == huge
