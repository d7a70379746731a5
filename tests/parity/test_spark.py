"""The real Spark steps on a real store against the naive oracle and the replay, value for value."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import yaml
from tests.parity import oracle, streams
from tests.parity.api_run import answers, model
from tests.parity.spark_run import by_place, decide_batch, kafka_records, run_stream

from paywarden.adapters.spark.session import spark_session
from paywarden.adapters.state.lmdb_store import open_lmdb
from paywarden.events.alert_notes import DESCRIBING, AlertNotes
from paywarden.events.currency import CurrencyTable
from paywarden.events.encoding import encode_labels, encode_transactions
from paywarden.events.validation import parse_labels, parse_transactions
from paywarden.features.engine import Engine
from paywarden.features.events import Kind, Verdict, fold_order, from_tables
from paywarden.features.manifest import batch_numbers
from paywarden.features.reading import read_vectors
from paywarden.features.replay import replay
from paywarden.features.templates import full_catalogue
from paywarden.scoring.rules.policy_file import rule_book

SCHEMA = streams.SCHEMA
FULL = full_catalogue(SCHEMA)
FOLDED = sum(len(FULL.of(record)) for record in FULL.records)


@pytest.fixture(scope="module")
def spark():
    # Seven rows an Arrow batch: every key of these streams spans several batches of its task.
    session = spark_session(
        "parity", [], master="local[2]", options={"spark.sql.execution.arrow.maxRecordsPerBatch": "7"}
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def stream():
    """Few keys, so that each has a long history."""
    return _valid(streams.produced(streams.random_stream(11, transactions=300), seed=12))


@pytest.fixture(scope="module")
def wide_stream():
    """Many keys, so that a batch brings several of them for the first time."""
    return _valid(streams.produced(streams.random_stream(13, transactions=300, cards=60, merchants=60), seed=14))


def _valid(made):
    """What passes validation, with its Kafka coordinates."""
    stamps = np.zeros(made.transactions.num_rows, np.int64)
    values = pa.array(encode_transactions(made.transactions, SCHEMA), pa.binary())
    transactions = parse_transactions(values, stamps, SCHEMA, CurrencyTable("EUR"))
    values = pa.array(encode_labels(made.labels, SCHEMA), pa.binary())
    labels = parse_labels(values, np.zeros(made.labels.num_rows, np.int64), SCHEMA)
    # What is on the wire is what is replayed: amounts in base currency are derived from it again.
    kept = [
        _with_coordinates(parsed.rows, table.take(pa.array(parsed.positions)))
        for parsed, table in ((transactions, made.transactions), (labels, made.labels))
    ]
    assert kept[0].num_rows > 250
    return replace(made, transactions=kept[0], labels=kept[1])


def _with_coordinates(rows, source):
    for name in ("topic", "partition", "offset"):
        rows = rows.append_column(name, source[name])
    return rows


def _expected(stream, features, verdicts):
    places = zip(stream.transactions["partition"].to_pylist(), stream.transactions["offset"].to_pylist(), strict=True)
    vectors = np.ascontiguousarray(features[:, :FOLDED])
    return {place: (int(verdict), row.tobytes()) for place, verdict, row in zip(places, verdicts, vectors, strict=True)}


@pytest.mark.parametrize(("batches", "shards", "attempts"), [(1, 1, 1), (4, 3, 1), (3, 4, 2)])
def test_the_stream_folds_as_the_replay_of_its_manifests(spark, stream, tmp_path, batches, shards, attempts):
    manifests = streams.cut(stream, seed=batches, batches=batches)
    records = kafka_records(stream.transactions, stream.labels, SCHEMA)
    result = run_stream(spark, records, manifests, FULL, SCHEMA, tmp_path / "state", shards, attempts)
    replayed = replay(stream.transactions, stream.labels, FULL, manifests)
    assert by_place(result, Kind.TRANSACTION) == _expected(stream, replayed.features, replayed.verdicts)
    served_labels = [verdict for verdict, _ in by_place(result, Kind.LABEL).values()]
    assert np.array_equal(np.bincount(served_labels, minlength=4), np.bincount(replayed.label_verdicts, minlength=4))


def test_the_stream_folds_as_the_oracle_says(spark, stream, tmp_path):
    manifests = streams.cut(stream, seed=5, batches=3)
    records = kafka_records(stream.transactions, stream.labels, SCHEMA)
    result = by_place(run_stream(spark, records, manifests, FULL, SCHEMA, tmp_path / "state", 2), Kind.TRANSACTION)
    wanted = oracle.replay_naively(stream.transactions, stream.labels, FULL, manifests).outcomes
    places = zip(stream.transactions["partition"].to_pylist(), stream.transactions["offset"].to_pylist(), strict=True)
    served = [result[place] for place in places]
    assert [verdict for verdict, _ in served] == [outcome.verdict for outcome in wanted]
    names = [feature.name for record in FULL.records for feature in FULL.of(record)]
    vectors = np.array([np.frombuffer(vector, np.float32) for _, vector in served])
    naive = np.array([[outcome.features.get(name, np.nan) for name in names] for outcome in wanted], np.float64)
    np.testing.assert_allclose(vectors, naive, rtol=1e-6)


def test_the_read_path_gives_the_vector_and_decision_that_the_stream_gives_next(spark, wide_stream, tmp_path):
    stream = wide_stream
    manifests = sorted(streams.cut(stream, seed=3, batches=2), key=lambda manifest: manifest.batch)
    records = kafka_records(stream.transactions, stream.labels, SCHEMA)
    run_stream(spark, records, manifests[:1], FULL, SCHEMA, tmp_path / "state", 2)
    engine, store = Engine(FULL), open_lmdb(tmp_path / "state", 2)()
    first = _first_of_their_keys(stream, manifests, batch=2)

    def load(record, keys):
        states = np.zeros((len(keys), engine.words(record)), np.int64)
        shards = engine.shards(record, keys, 2)
        for shard in range(2):
            rows = np.flatnonzero(shards == shard)
            names = keys.take(pa.array(rows)).cast(pa.binary()).to_pylist()
            states[rows] = store.read_many(record, shard, names, engine.words(record))
        return states

    events = from_tables(stream.transactions.take(pa.array(first)), stream.labels.slice(0, 0), FULL.inputs)
    read = read_vectors(engine, events, load)
    store.close()
    replayed = replay(stream.transactions, stream.labels, FULL, manifests)
    assert len(first) >= 5
    assert (replayed.features[first][:, FULL.names.index("card_count_30d")] > 0).any()
    np.testing.assert_array_equal(read, replayed.features[first])
    _assert_decided_alike(spark, stream, records, manifests[1], replayed.features, first, tmp_path / "state")


POLICY = """
lists:
  - {name: blocked, action: block, field: merchant, entries: [MERCHANT]}
  - {name: watched, action: review, field: country, entries: [FR]}
rules:
  - {name: tipped, when: "transaction.extra_tip > 1.0 && transaction.category in ['travel', 'cash']", then: decline}
  - {name: small, when: transaction.amount < 1000 && features.card_count_30d < 40.0, then: approve}
  - {name: likely, when: score > 0.1 || transaction.country.startsWith('B'), then: review, shadow: true}
"""


def _assert_decided_alike(spark, stream, records, manifest, features, rows, store):
    """The API, asked before a batch, and the stream in it: decisions, scores, reasons, and the rules that fired."""
    transactions = stream.transactions.take(pa.array(rows))
    merchant = next(m for m in transactions["entity_merchant"].to_pylist() if m)
    bundle, book = model(FULL, features), rule_book(yaml.safe_load(POLICY.replace("MERCHANT", merchant)))
    recipe = open_lmdb(store, 2)
    asked, told = answers(transactions, bundle, book, SCHEMA, recipe)
    of_batch = records.filter(pa.array(batch_numbers(records, [manifest]) == manifest.batch))
    streamed, alerts = decide_batch(spark, of_batch, manifest, bundle, book, SCHEMA, recipe, 2)
    served = {(row["partition"], row["offset"]): row for row in streamed.to_pylist()}
    places = zip(transactions["partition"].to_pylist(), transactions["offset"].to_pylist(), strict=True)
    for answer, place in zip(asked.to_pylist(), places, strict=True):
        decided = served[place]
        for name in ("vector", "decision", "reasons", "rules", "shadow_rules", "policy_digest", "propensity"):
            assert repr(decided[name]) == repr(answer[name]), name
        assert decided["score"] == pytest.approx(answer["score"], abs=1e-6)
        assert (decided["source"], answer["source"]) == ("stream", "api")
    _assert_alerts_told_alike(told, alerts)
    fired = {name for row in served.values() for name in (*(row["rules"] or []), *(row["shadow_rules"] or []))}
    assert fired == {"blocked", "watched", "tipped", "small", "likely"}
    assert {row["policy_digest"] for row in served.values()} == {book.policy_digest(bundle.policy.digest)}


def _assert_alerts_told_alike(told, alerts):
    """The notes of the API's alerts and of the stream's on the same payments."""
    notes = {json.loads(alert)["transaction_id"]: AlertNotes.of(alert) for alert in alerts}
    assert len(told) >= 3
    for alert in told:
        assert notes[json.loads(alert)["transaction_id"]] == AlertNotes.of(alert)
    known = {name for each in notes.values() for name in each.transaction}
    assert known == set(DESCRIBING)
    assert any(each.by_rule for each in notes.values())


def _first_of_their_keys(stream, manifests, batch):
    """Transactions of a batch before which the batch touches none of their keys, so that state is as they find it."""
    events = from_tables(stream.transactions, stream.labels, FULL.inputs)
    both = pa.concat_tables([t.select(["topic", "partition", "offset"]) for t in (stream.transactions, stream.labels)])
    numbers = batch_numbers(both, manifests)
    order = fold_order(events, both["partition"].to_numpy(), both["offset"].to_numpy(), numbers)
    verdicts = replay(stream.transactions, stream.labels, FULL, manifests).verdicts
    keys = {record: Engine(FULL).keys(record, events).record_of for record in FULL.records}
    touched, chosen = set(), []
    for row in order[numbers[order] == batch]:
        mine = {(record, int(record_of[row])) for record, record_of in keys.items() if record_of[row] >= 0}
        if row < stream.transactions.num_rows and not mine & touched and verdicts[row] == Verdict.SCORED:
            chosen.append(int(row))
        touched |= mine
    return chosen
