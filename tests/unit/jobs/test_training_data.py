import dataclasses

import numpy as np
import orjson
import pyarrow as pa
import pytest
from tests.unit.jobs.events import LABELS, TRANSACTIONS

from paywarden.errors import DataError
from paywarden.events.decision import ACTIONS
from paywarden.features.replay import replay
from paywarden.features.windows import DAY_MS
from paywarden.jobs.archive import REJECT_COLUMNS
from paywarden.jobs.training_data import data_versions, read_history, replayed_dataset

PREDICTIONS = "predictions"


class LakeInMemory:
    """Tables by topic, each at version 3."""

    def __init__(self, **tables):
        self.tables = tables

    def exists(self, topic):
        return topic in self.tables

    def version(self, topic):
        return 3

    def read(self, topic, version=None):
        return self.tables[topic]


def archived(table):
    """A typed table with one rejected row at the end, whose offset counts all the same."""
    for name in REJECT_COLUMNS:
        table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    last = {**dict.fromkeys(table.column_names), "topic": "t", "partition": 0, "offset": 10**6}
    return pa.concat_tables([table, pa.Table.from_pylist([last | {"reject_reason": "empty"}], schema=table.schema)])


def prediction(name, decision, **more):
    fields = {"transaction_id": name, "source": "stream", "decided_at": 1, "decision": decision, **more}
    return orjson.dumps(fields | {"vector": "", "anything": 1})


def predictions(*values):
    places = {"partition": pa.array([0] * len(values), pa.int32()), "offset": pa.array(range(len(values)), pa.int64())}
    return pa.table({"value": pa.array(values, pa.binary()), **places})


def acted(events, *rows):
    history = events.history(events.ends)
    columns = [{"source": "stream", "decided_at": 1, "propensity": None, **row} for row in rows]
    return dataclasses.replace(history, actions=pa.Table.from_pylist(columns, schema=ACTIONS))


@pytest.fixture
def silent(events):
    """Ids of transactions of which no label says anything."""
    labelled = set(events.labels["transaction_id"].to_pylist())
    return [name for name in events.transactions["transaction_id"].to_pylist() if name not in labelled]


def row_of(dataset, name):
    return dataset.transaction_ids.to_pylist().index(name)


def test_the_history_holds_valid_rows_acting_decisions_and_where_they_end(events):
    first = events.transactions["transaction_id"][0].as_py()
    lake = LakeInMemory(
        transactions=archived(events.transactions),
        labels=archived(events.labels),
        predictions=predictions(prediction(first, "decline"), prediction("x", "review", propensity=0.1)),
    )
    history = read_history(lake, TRANSACTIONS, LABELS, PREDICTIONS)
    assert history.transactions.num_rows == events.transactions.num_rows
    assert {row["transaction_id"]: row["propensity"] for row in history.actions.to_pylist()} == {first: None, "x": 0.1}
    assert history.versions[TRANSACTIONS] == 3
    assert history.versions[f"{TRANSACTIONS}/0"] == 10**6 + 1
    assert history.versions[f"{PREDICTIONS}/0"] == 2
    assert read_history(lake, TRANSACTIONS, LABELS).actions.num_rows == 0
    lake.tables[PREDICTIONS] = predictions(b"{")
    with pytest.raises(DataError, match="not a decision"):
        read_history(lake, TRANSACTIONS, LABELS, PREDICTIONS)


def test_an_earlier_history_is_read_by_its_offsets(events):
    """Whatever is in the lake besides: later rows, another partition, topics that were not there."""
    early = LakeInMemory(transactions=archived(events.transactions), labels=archived(events.labels))
    read = read_history(early, TRANSACTIONS, LABELS, PREDICTIONS)
    later = {
        topic: pa.concat_tables([table, *(moved(table, p) for p in (0, 1))]) for topic, table in early.tables.items()
    }
    lake = LakeInMemory(**later, predictions=predictions(prediction("x", "decline")))
    assert read_history(lake, TRANSACTIONS, LABELS, PREDICTIONS).transactions.num_rows > read.transactions.num_rows
    again = read_history(lake, TRANSACTIONS, LABELS, PREDICTIONS, read.versions)
    assert again.transactions.equals(read.transactions)
    assert again.labels.equals(read.labels)
    assert again.actions.num_rows == 0
    assert again.versions == read.versions


def moved(table, partition):
    """The same rows once more, at later offsets of a partition."""
    names = table.column_names
    offsets = pa.array(range(2 * 10**6, 2 * 10**6 + table.num_rows), pa.int64())
    table = table.set_column(names.index("offset"), "offset", offsets)
    where = pa.array([partition] * table.num_rows, table.schema.field("partition").type)
    return table.set_column(names.index("partition"), "partition", where)


def test_what_we_declined_and_nobody_judged_is_no_negative(events, engine, silent):
    fraud = next(r["transaction_id"] for r in events.labels.to_pylist() if r["is_fraud"])
    rows = [
        {"transaction_id": silent[0], "decision": "decline"},
        {"transaction_id": silent[1], "decision": "review"},
        {"transaction_id": fraud, "decision": "decline"},
    ]
    dataset = replayed_dataset(acted(events, *rows), engine.catalogue, 0, as_of=2**50)
    known = [bool(dataset.verdicts.known[row_of(dataset, name)]) for name in (silent[0], silent[1], fraud)]
    assert known == [False, True, True]
    assert dataset.target[row_of(dataset, fraud)]
    assert dataset.maturity.counts.censored == 1
    assert replayed_dataset(events.history(events.ends), engine.catalogue, 0, 2**50).maturity.counts.censored == 0


def test_what_was_let_through_stands_for_what_was_not(events, engine, silent):
    rows = [{"transaction_id": silent[0], "decision": "review", "propensity": 0.05}]
    dataset = replayed_dataset(acted(events, *rows), engine.catalogue, 0)
    assert dataset.weight.dtype == np.float32
    assert dataset.weight[row_of(dataset, silent[0])] == pytest.approx(20.0)
    assert (np.delete(dataset.weight, row_of(dataset, silent[0])) == 1.0).all()
    assert dataset.verdicts.known[row_of(dataset, silent[0])]


def test_labels_that_arrive_after_the_cut_off_change_nothing(events, engine):
    """Whatever they say: neither vectors nor verdicts, weights, maturity or knowledge of a card's fraud."""
    history = events.history(events.ends)
    as_of = int(np.quantile(history.labels["received_at"].to_numpy(), 0.5))
    late = np.flatnonzero(history.labels["received_at"].to_numpy() > as_of)
    assert 0 < len(late) < history.labels.num_rows
    said = history.labels["is_fraud"].to_numpy(zero_copy_only=False).copy()
    said[late] = ~said[late]
    ids = np.array(history.labels["transaction_id"].to_pylist(), dtype=object)
    ids[late] = np.random.default_rng(1).choice(history.transactions["transaction_id"].to_pylist(), len(late))
    columns = history.labels.column_names
    shuffled = history.labels.set_column(columns.index("is_fraud"), "is_fraud", pa.array(said))
    shuffled = shuffled.set_column(columns.index("transaction_id"), "transaction_id", pa.array(ids, pa.string()))
    expected, found = (
        replayed_dataset(dataclasses.replace(history, labels=labels), engine.catalogue, DAY_MS, as_of)
        for labels in (history.labels, shuffled)
    )
    # What arrived later may have seen those labels in its vectors; at the cut-off it is not there yet.
    arrived = history.transactions["received_at"].to_numpy() <= as_of
    here = history.transactions.filter(pa.array(arrived))["transaction_id"].to_pylist()
    seen = np.isin(expected.transaction_ids.to_pylist(), here)
    assert seen.sum() > 10
    assert np.array_equal(expected.features[seen], found.features[seen], equal_nan=True)
    for name in ("fraud", "labelled", "mature", "known", "pattern"):
        assert np.array_equal(getattr(expected.verdicts, name), getattr(found.verdicts, name))
    assert expected.labels.equals(found.labels)
    assert np.array_equal(expected.fraud_known_at, found.fraud_known_at)
    assert expected.maturity.to_dict() == found.maturity.to_dict()


def test_a_run_can_say_what_it_was_trained_on(events, engine):
    history = dataclasses.replace(events.history(events.ends), versions={"transactions": 7, "transactions/0": 50})
    dataset = replayed_dataset(history, engine.catalogue, DAY_MS)
    recorded = data_versions(history, dataset)
    assert recorded["transactions"] == 7
    assert recorded["transactions/0"] == 50
    assert recorded["catalogue"] == engine.catalogue.contract().digest
    assert recorded["state_layout"] == engine.digest
    assert recorded["count.transactions"] == history.transactions.num_rows
    assert recorded["count.labels"] == history.labels.num_rows
    assert recorded["count.rows"] == len(dataset)


def test_any_replayer_may_replay(events, engine):
    asked = []

    def replayer(transactions, labels, catalogue):
        asked.append(catalogue)
        return replay(transactions, labels, catalogue)

    replayed_dataset(events.history(events.ends), engine.catalogue, DAY_MS, replayer=replayer)
    assert asked == [engine.catalogue]
