"""The engine against the naive oracle, and against itself: however history is cut, the vectors are the same."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity import oracle, streams
from tests.parity.runner import ShardedRunner, fold_in_batches
from tests.parity.streams import START_MS, Draft, Stream

from paywarden.features.aggregations import ALL
from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.events import Verdict
from paywarden.features.feature import Feature
from paywarden.features.replay import replay
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.features.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK, Window

CORE = core_catalogue()
FULL = full_catalogue(streams.SCHEMA)
TINY = Catalogue(
    ("card", "merchant"),
    (
        Feature("card", "count", None, Window(3 * MINUTE_MS, MINUTE_MS, "3m")),
        Feature("card", "sum", "amount", Window(2 * DAY_MS, DAY_MS, "2d")),
        Feature("card", "mean", "amount", Window(5 * DAY_MS, DAY_MS, "5d")),
        Feature("card", "fraud_rate", None, Window(7 * HOUR_MS, HOUR_MS, "7h")),
        Feature("card", "seconds_since_last"),
        Feature("merchant", "distinct", "card", Window(30 * SECOND_MS, 5 * SECOND_MS, "30s")),
        Feature("merchant", "zscore", "amount", Window(10 * DAY_MS, 2 * DAY_MS, "10d")),
    ),
    Memory(record_ttl_ms=HOUR_MS, ids=2, ids_ttl_ms=HOUR_MS, labelled_ids=1, labelled_ttl_ms=3 * DAY_MS),
)

# Logarithms, roots and sines of two libraries may differ in the last bit of a float64, and so, rarely, in the last bit
# of the float32 that is made of it. Everything else is demanded bit for bit.
LAST_BIT = ("_distinct_", "_zscore_", "_std_", "_speed_kmh", "hour_sin", "hour_cos")

given_streams = settings(max_examples=60, deadline=None)


def as_matrix(outcomes, names):
    rows = [[outcome.features.get(name, np.nan) for name in names] for outcome in outcomes]
    return np.array(rows, dtype=np.float32).reshape(len(outcomes), len(names))


def assert_as_the_oracle(stream, catalogue, manifests=()):
    replayed = replay(stream.transactions, stream.labels, catalogue, manifests)
    expected = oracle.replay_naively(stream.transactions, stream.labels, catalogue, manifests)
    assert replayed.verdicts.tolist() == [outcome.verdict for outcome in expected.outcomes]
    assert replayed.label_verdicts.tolist() == expected.label_verdicts
    wanted = as_matrix(expected.outcomes, catalogue.names)
    assert replayed.features.dtype == np.float32
    for column, name in enumerate(catalogue.names):
        ulp = 1 if any(part in name for part in LAST_BIT) else 0
        slack = ulp * np.spacing(np.abs(wanted[:, column]))
        close = np.abs(replayed.features[:, column] - wanted[:, column]) <= slack
        both_absent = np.isnan(replayed.features[:, column]) & np.isnan(wanted[:, column])
        wrong = np.flatnonzero(~(close | both_absent))
        assert not wrong.size, (name, wrong[:5], replayed.features[wrong[:5], column], wanted[wrong[:5], column])
    return replayed


def assert_same(left, right):
    np.testing.assert_array_equal(left.features, right.features)
    np.testing.assert_array_equal(left.verdicts, right.verdicts)
    np.testing.assert_array_equal(left.label_verdicts, right.label_verdicts)


def test_every_aggregation_has_its_oracle():
    assert set(oracle.AGGREGATIONS) == set(ALL)


@pytest.mark.parametrize("seed", range(3))
def test_a_long_stream_replays_as_the_oracle_says(seed):
    replayed = assert_as_the_oracle(streams.random_stream(seed), FULL)
    seen = ~np.isnan(replayed.features).all(axis=0)
    assert seen.all(), np.array(FULL.names)[~seen]
    assert set(replayed.verdicts) == {Verdict.SCORED, Verdict.DUPLICATE}
    assert set(replayed.label_verdicts) == {Verdict.LABEL_APPLIED, Verdict.LABEL_REPEATED}


@pytest.mark.parametrize("whole", [True, False])
def test_a_long_stream_replays_in_the_order_of_its_manifests(whole):
    stream = streams.produced(streams.random_stream(7), seed=7)
    manifests = streams.cut(stream, seed=8, batches=6, whole=whole)
    by_batch = assert_as_the_oracle(stream, FULL, manifests)
    by_arrival = replay(stream.transactions, stream.labels, FULL)
    assert not np.array_equal(by_batch.features, by_arrival.features, equal_nan=True)


@given_streams
@given(streams.streams())
def test_a_small_stream_replays_as_the_oracle_says(stream):
    assert_as_the_oracle(stream, FULL)


@given_streams
@given(streams.streams(), streams.catalogues())
def test_any_catalogue_replays_as_the_oracle_says(stream, catalogue):
    assert_as_the_oracle(stream, catalogue)


@settings(max_examples=40, deadline=None)
@given(streams.streams(), streams.catalogues(), st.integers(0, 99), st.integers(1, 4), st.booleans())
def test_any_cut_into_batches_replays_as_the_oracle_says(stream, catalogue, seed, batches, whole):
    stream = streams.produced(stream, seed)
    assert_as_the_oracle(stream, catalogue, streams.cut(stream, seed, batches, whole=whole))


@given_streams
@given(streams.streams(), st.sampled_from([FULL, TINY]), st.data())
def test_what_arrives_later_changes_no_vector(stream, catalogue, data):
    moments = stream.transactions["received_at"].to_pylist() + stream.labels["received_at"].to_pylist()
    moment = data.draw(st.sampled_from(sorted(set(moments))))
    whole = replay(stream.transactions, stream.labels, catalogue)
    earlier = stream.until(moment)
    part = replay(earlier.transactions, earlier.labels, catalogue)
    for table, of_whole, of_part in (
        (stream.transactions, whole.features, part.features),
        (stream.transactions, whole.verdicts, part.verdicts),
        (stream.labels, whole.label_verdicts, part.label_verdicts),
    ):
        kept = pc.less_equal(table["received_at"], moment).to_numpy(zero_copy_only=False).astype(bool)
        np.testing.assert_array_equal(of_whole[kept], of_part)


def test_later_batches_change_no_vector():
    stream = streams.produced(streams.random_stream(3, transactions=120), seed=3)
    manifests = sorted(streams.cut(stream, seed=3, batches=5), key=lambda manifest: manifest.batch)
    whole = replay(stream.transactions, stream.labels, CORE, manifests)
    for upto in range(1, 5):
        part = fold_in_batches(stream, CORE, manifests[:upto], ShardedRunner(CORE, shards=1))
        done = part.verdicts >= 0
        assert done.any()
        np.testing.assert_array_equal(whole.features[done], part.features[done])


@pytest.mark.parametrize("shards", [1, 2, 5])
@pytest.mark.parametrize("batches", [1, 4, 40])
def test_the_whole_is_its_batches_with_states_carried_over(shards, batches):
    stream = streams.produced(streams.random_stream(11, transactions=150), seed=11)
    manifests = streams.cut(stream, seed=batches, batches=batches)
    runner = ShardedRunner(FULL, shards)
    assert_same(
        fold_in_batches(stream, FULL, manifests, runner), replay(stream.transactions, stream.labels, FULL, manifests)
    )


@settings(max_examples=40, deadline=None)
@given(streams.streams(), streams.catalogues(), st.integers(0, 99), st.integers(1, 5), st.integers(1, 3))
def test_any_catalogue_folds_in_batches_and_shards_as_in_one(stream, catalogue, seed, batches, shards):
    stream = streams.produced(stream, seed)
    manifests = streams.cut(stream, seed, batches)
    runner = ShardedRunner(catalogue, shards)
    whole = replay(stream.transactions, stream.labels, catalogue, manifests)
    assert_same(fold_in_batches(stream, catalogue, manifests, runner), whole)
    for entity, records in whole.states.items():
        for key, state in zip(records.keys.to_pylist(), records.states, strict=True):
            np.testing.assert_array_equal(runner.record(entity, key), state)


@pytest.mark.parametrize("cut_at", [1, 2, 3])
def test_a_key_in_several_arrow_batches_of_one_task_folds_as_in_one(cut_at):
    stream = streams.build([Draft(1000, "a", "m", 100 + i, "authorisation", 0) for i in range(4)])
    whole = replay(stream.transactions, stream.labels, CORE)
    runner = ShardedRunner(CORE, shards=1)
    parts = [stream.transactions.slice(0, cut_at), stream.transactions.slice(cut_at)]
    folded = [runner.fold_tables(part, stream.labels) for part in parts]
    np.testing.assert_array_equal(np.concatenate([part.features for part in folded]), whole.features)


@settings(max_examples=40, deadline=None)
@given(streams.streams(), st.sampled_from([FULL, TINY]), st.integers(0, 99), st.integers(2, 5))
def test_deleting_idle_records_changes_no_vector(stream, catalogue, seed, batches):
    stream = streams.produced(stream, seed)
    manifests = streams.cut(stream, seed, batches)
    runner = ShardedRunner(catalogue, shards=2, delete_idle=True)
    assert_same(
        fold_in_batches(stream, catalogue, manifests, runner),
        replay(stream.transactions, stream.labels, catalogue, manifests),
    )


def test_idle_records_of_a_long_stream_are_deleted_and_nothing_changes():
    gaps = [Draft(HOUR_MS * (1 if i % 9 else 30 * 24 * 4), f"c{i % 2}", "m", i, "authorisation", 0) for i in range(60)]
    stream = streams.produced(streams.build(gaps), seed=1)
    manifests = streams.cut(stream, seed=1, batches=30)
    runner = ShardedRunner(CORE, shards=2, delete_idle=True)
    assert_same(
        fold_in_batches(stream, CORE, manifests, runner), replay(stream.transactions, stream.labels, CORE, manifests)
    )
    assert {"card", "merchant"} <= set(runner.deleted)
    assert min(runner.deleted.values()) > 0


def column(replayed, name, catalogue=CORE):
    return replayed.features[:, catalogue.names.index(name)].tolist()


def history(*drafts: Draft) -> Stream:
    return streams.build(drafts)


def plain(gap_ms, amount=100, card="a", **changes):
    return Draft(gap_ms, card, "m", amount, **{"transaction_type": "authorisation", "delay_ms": 0} | changes)


def test_a_transaction_does_not_see_itself():
    replayed = assert_as_the_oracle(history(plain(0), plain(1)), CORE)
    assert column(replayed, "card_count_1h") == [0, 1]
    assert column(replayed, "card_max_amount_1h")[1] == 100


def test_a_refund_is_read_but_not_observed():
    stream = history(plain(0), plain(1, transaction_type="refund"), plain(1, transaction_type="reversal"), plain(1))
    assert column(assert_as_the_oracle(stream, CORE), "card_count_1h") == [0, 1, 1, 1]


def test_a_window_covers_the_tile_of_its_moment_and_those_before():
    first = START_MS // DAY_MS
    days = [plain(DAY_MS) for _ in range(9)]
    replayed = assert_as_the_oracle(streams.build(days, first * DAY_MS), CORE)
    assert column(replayed, "card_count_7d") == [0, 1, 2, 3, 4, 5, 6, 6, 6]


def test_a_late_transaction_counts_neither_what_came_after_it_nor_twice():
    late = plain(-2 * DAY_MS, delay_ms=2 * DAY_MS)
    stream = history(plain(0), plain(3 * DAY_MS), late, plain(2 * DAY_MS + 1))
    replayed = assert_as_the_oracle(stream, CORE)
    assert column(replayed, "card_count_7d") == [0, 1, 1, 3]
    assert column(replayed, "card_seconds_since_last")[2] == 0


def test_a_transaction_older_than_the_ring_is_not_kept():
    stream = history(plain(40 * DAY_MS), plain(-31 * DAY_MS, 5, delay_ms=31 * DAY_MS), plain(31 * DAY_MS))
    replayed = assert_as_the_oracle(stream, CORE)
    assert column(replayed, "card_count_30d") == [0, 0, 1]


def test_an_idle_record_reads_as_empty_only_after_its_time_to_live():
    ttl = CORE.memory.record_ttl_ms
    at_the_edge = assert_as_the_oracle(history(plain(0), plain(ttl)), CORE)
    beyond = assert_as_the_oracle(history(plain(0), plain(ttl + 1), plain(1)), CORE)
    assert column(at_the_edge, "card_seconds_since_last")[1] == ttl / 1000
    assert np.isnan(column(beyond, "card_seconds_since_last")[1])
    assert column(beyond, "card_seconds_since_last")[2] == pytest.approx(0.001)


def test_a_label_counts_from_its_arrival_and_once():
    stream = history(
        plain(0, labels=((2 * DAY_MS, True), (3 * DAY_MS, True), (1, False))),
        plain(DAY_MS),
        plain(DAY_MS),
        plain(2 * DAY_MS),
    )
    replayed = assert_as_the_oracle(stream, CORE)
    rates = [0.1 / 10, 0.1 / 11, 1.1 / 12, 1.1 / 13]
    assert column(replayed, "card_fraud_rate_7d") == np.array(rates, np.float32).tolist()
    assert replayed.label_verdicts.tolist() == [
        Verdict.LABEL_APPLIED,
        Verdict.LABEL_REPEATED,
        Verdict.LABEL_APPLIED,
    ]


def test_on_equal_arrival_labels_are_known_to_transactions():
    stream = history(plain(0, labels=((DAY_MS, True),)), plain(DAY_MS))
    rate = column(assert_as_the_oracle(stream, CORE), "card_fraud_rate_7d")[1]
    assert rate == np.float32(1.1 / 11)


def test_a_repeat_is_known_by_count_and_by_age():
    ttl, ids = CORE.memory.ids_ttl_ms, CORE.memory.ids
    old_enough = history(plain(0, repeats=((ttl, 100), (ttl + 1, 100))))
    assert assert_as_the_oracle(old_enough, CORE).verdicts.tolist() == [0, 1, 0]
    for others, verdict in ((ids - 1, Verdict.DUPLICATE), (ids, Verdict.SCORED)):
        crowd = history(plain(0, repeats=((HOUR_MS, 100),)), *[plain(1) for _ in range(others)])
        assert assert_as_the_oracle(crowd, CORE).verdicts[1] == verdict


def test_an_id_is_known_to_its_own_routing_key_only():
    stream = history(plain(0), plain(1, card="b"))
    ids = pa.array(["same", "same"])
    transactions = stream.transactions.set_column(0, "transaction_id", ids)
    replayed = assert_as_the_oracle(Stream(transactions, stream.labels), CORE)
    assert replayed.verdicts.tolist() == [Verdict.SCORED, Verdict.SCORED]


def test_an_event_without_a_token_has_no_features_of_that_entity():
    stream = history(Draft(0, None, "m", 1, "authorisation", 0), Draft(1, None, "m", 1, "authorisation", 0))
    replayed = assert_as_the_oracle(stream, CORE)
    of_card = [name.startswith("card_") for name in CORE.names]
    assert np.isnan(replayed.features[:, of_card]).all()
    assert column(replayed, "merchant_count_1h") == [0, 1]
    assert column(replayed, "merchant_distinct_card_1h") == [0, 0]


def test_rings_are_as_long_as_their_longest_window():
    week_alone = Catalogue(("card",), (Feature("card", "count", None, WEEK),))
    beside_a_longer = Catalogue(
        ("card",),
        (Feature("card", "count", None, WEEK), Feature("card", "count", None, Window(9 * DAY_MS, DAY_MS, "9d"))),
    )
    stream = history(plain(0), plain(8 * DAY_MS), plain(-5 * DAY_MS, delay_ms=6 * DAY_MS))
    assert column(assert_as_the_oracle(stream, week_alone), "card_count_7d", week_alone)[2] == 0
    assert column(assert_as_the_oracle(stream, beside_a_longer), "card_count_7d", beside_a_longer)[2] == 1


@pytest.mark.parametrize("step", [1, 2, 3, 4, 7])
def test_every_slot_of_a_ring_is_walked_by_every_window(step):
    windows = [Window(tiles * SECOND_MS, SECOND_MS, f"{tiles}s") for tiles in (1, 2, 3, 5, 6)]
    names = ("sum", "max", "mean", "zscore")
    features = [Feature("card", name, "amount", window) for name in names for window in windows]
    features += [Feature("card", "distinct", "merchant", window) for window in windows]
    catalogue = Catalogue(("card", "merchant"), tuple(features))
    # Every amount is a bit of its own, so that a sum says which tiles it was made of.
    drafts = [Draft(step * SECOND_MS, "a", f"m{i}", 2**i, "authorisation", 0) for i in range(23)]
    assert_as_the_oracle(streams.build(drafts), catalogue)
    assert_as_the_oracle(
        streams.build([*drafts, replace(drafts[0], gap_ms=-2 * SECOND_MS, delay_ms=HOUR_MS)]), catalogue
    )


def test_nothing_replays_to_nothing():
    empty = Stream(streams.SCHEMA.transaction_schema().empty_table(), streams.SCHEMA.label_schema().empty_table())
    replayed = assert_as_the_oracle(empty, CORE)
    assert replayed.features.shape == (0, len(CORE.names))


def test_a_catalogue_may_have_request_features_only():
    replayed = assert_as_the_oracle(history(plain(0), plain(1)), Catalogue(("card",), ()))
    assert replayed.features.shape == (2, 5)


def test_chunked_tables_replay_as_whole_ones():
    stream = streams.random_stream(5, transactions=40)
    chunked = pa.concat_tables([stream.transactions.slice(0, 13), stream.transactions.slice(13)])
    assert chunked["entity_card"].num_chunks > 1
    assert_same(replay(chunked, stream.labels, CORE), replay(stream.transactions.combine_chunks(), stream.labels, CORE))


def test_a_window_of_one_tile_forgets_at_the_edge():
    one_day = Catalogue(("card",), (Feature("card", "count", None, Window(DAY_MS, DAY_MS, "1d")),))
    stream = streams.build([plain(0), plain(1), plain(DAY_MS - 1), plain(1)], START_MS - 1)
    assert column(assert_as_the_oracle(stream, one_day), "card_count_1d", one_day) == [0, 0, 1, 0]
