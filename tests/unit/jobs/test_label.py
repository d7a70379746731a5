"""Labels that name only a transaction, completed from the lake."""

import pyarrow as pa
import pytest

from paywarden.errors import DataError
from paywarden.events.schema import EventSchema
from paywarden.events.validation import parse_labels
from paywarden.jobs.label import Verdict, complete_labels, send_labels
from paywarden.simulation.world import World

SCHEMA = EventSchema()


@pytest.fixture(scope="module")
def transactions():
    return next(iter(World(1, cards=30, merchants=60).days(0, 1))).transactions


class Recorder:
    def __init__(self):
        self.sent, self.flushed = [], False

    def send_many(self, topic, keys, values):
        self.sent += list(zip([topic] * len(keys), keys, values, strict=True))

    def flush(self):
        self.flushed = True


def verdict(transactions, row, at, **given):
    name = transactions["transaction_id"][row].as_py()
    return Verdict(name, **{"is_fraud": True, "source": "analyst", "labelled_at": at, **given})


def test_a_label_gets_the_entities_and_the_time_of_its_transaction(transactions):
    labels = complete_labels([verdict(transactions, 3, 2_000_000_000_000, pattern="ato")], transactions, SCHEMA)
    wanted = transactions.slice(3, 1)
    for name in ("transaction_id", "occurred_at", "routing_key", "entity_card", "entity_merchant"):
        assert labels[name].to_pylist() == wanted[name].to_pylist()
    assert labels.select(["is_fraud", "source", "pattern", "received_at"]).to_pylist() == [
        {"is_fraud": True, "source": "analyst", "pattern": "ato", "received_at": 2_000_000_000_000}
    ]


def test_labels_are_sent_in_order_of_arrival_under_their_transactions_key_and_pass_validation(transactions):
    sink = Recorder()
    verdicts = [verdict(transactions, row, at) for row, at in ((5, 2_000_000_002_000), (1, 2_000_000_001_000))]
    assert send_labels(complete_labels(verdicts, transactions, SCHEMA), sink, "labels", SCHEMA) == 2
    assert sink.flushed
    assert [key.decode() for _, key, _ in sink.sent] == transactions["routing_key"].take(pa.array([1, 5])).to_pylist()
    values = pa.array([value for _, _, value in sink.sent], pa.binary())
    parsed = parse_labels(values, pa.array([0, 0]).to_numpy(), SCHEMA)
    assert parsed.rows["transaction_id"].to_pylist() == [v.transaction_id for v in reversed(verdicts)]


def test_an_unknown_id_is_named_with_the_remedy(transactions):
    with pytest.raises(DataError, match="no transaction nowhere; run `paywarden archive`"):
        complete_labels([Verdict("nowhere", True, "analyst", 1)], transactions, SCHEMA)


def test_an_unknown_source_is_refused(transactions):
    with pytest.raises(DataError, match="unknown label source hearsay"):
        complete_labels([verdict(transactions, 0, 1, source="hearsay")], transactions, SCHEMA)
