"""The two steps that every runner takes, folded by hand: keys, shards, verdicts, reads, observations."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity import streams
from tests.parity.runner import take
from tests.parity.streams import START_MS, Draft, build
from tests.parity.xxh64 import xxh64

from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.duplicates import ROUTING, routing_words
from paywarden.features.engine import Engine
from paywarden.features.events import Verdict, arrival_order, from_tables
from paywarden.features.feature import Feature
from paywarden.features.hashing import hash_strings, shards_of
from paywarden.features.layout import layout_digest
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.features.windows import DAY, DAY_MS, HOUR

PAIR = ("card", "merchant")
CATALOGUE = Catalogue(
    PAIR,
    (
        Feature("card", "count", None, DAY),
        Feature("card", "fraud_rate", None, DAY),
        Feature("merchant", "distinct", "card", HOUR),
        Feature("card_merchant", "count", None, HOUR),
        Feature("card_merchant", "first_time", None, DAY),
    ),
    Memory(record_ttl_ms=1000, ids=2, ids_ttl_ms=400, labelled_ids=2, labelled_ttl_ms=700),
    pairs=(PAIR,),
)
ENGINE = Engine(CATALOGUE)
FULL = full_catalogue(streams.SCHEMA)
SCORED = Verdict.SCORED


def events_of(*drafts, catalogue=CATALOGUE):
    stream = build(drafts)
    return from_tables(stream.transactions, stream.labels, catalogue.inputs)


def fold(record, events, verdicts, states=None, order=None, engine=ENGINE):
    """The record's features of these events, and the states that they leave."""
    keys = engine.keys(record, events)
    states = np.zeros((len(keys.unique), engine.words(record)), np.int64) if states is None else states
    vectors = np.full((len(events), engine.width), -7, np.float32)
    order = np.arange(len(events)) if order is None else order
    engine.fold(record, events, order, np.array(verdicts, np.int8), states, keys.record_of, vectors)
    first = engine.columns[record]
    width = len(engine.catalogue.of(record))
    rest = np.delete(vectors, np.arange(first, first + width), axis=1)
    assert (rest == -7).all(), "the columns of other records are left alone"
    return vectors[:, first : first + width], states


def plain(card="a", merchant="m", **changes):
    return Draft(**{"gap_ms": 10, "card": card, "merchant": merchant, "amount": 5, "delay_ms": 0} | changes)


def authorised(card="a", merchant="m", **changes):
    return plain(card, merchant, transaction_type="authorisation", **changes)


def keyed(cards, merchants):
    return events_of(*(authorised(*both) for both in zip(cards, merchants, strict=True)))


def test_keys_are_distinct_in_order_of_appearance():
    keys = ENGINE.keys("card", keyed(["b", None, "a", "b", None], "mmmmm"))
    assert keys.unique.to_pylist() == ["b", "a"]
    assert keys.record_of.tolist() == [0, -1, 1, 0, -1]
    assert keys.record_of.dtype == np.int64


def test_nothing_is_a_key_of_every_record():
    nobody = keyed([None] * 3, [None] * 3)
    for record in CATALOGUE.records:
        keys = ENGINE.keys(record, nobody)
        assert (len(keys.unique), keys.record_of.tolist()) == (0, [-1] * 3)
        none = ENGINE.keys(record, take(nobody, np.zeros(0, np.int64)))
        assert (len(none.unique), none.record_of.size) == (0, 0)


def test_every_event_has_a_routing_key():
    keys = ENGINE.keys(ROUTING, events_of(authorised("a"), authorised(None), authorised("a", labels=((5, True),))))
    assert keys.unique.to_pylist() == ["a", "t1"]
    assert keys.record_of.tolist() == [0, 1, 0, 0]


def test_a_pair_is_known_by_the_hashes_of_its_two_tokens():
    keys = ENGINE.keys("card_merchant", keyed("abaab", ["m", "m", "n", "m", "m"]))
    hashes = [[xxh64(token.encode()) for token in pair] for pair in ("am", "bm", "an")]
    expected = [b"".join(value.to_bytes(8, "little") for value in pair) for pair in hashes]
    assert keys.unique.to_pylist() == expected
    assert keys.unique.type == pa.binary(16)
    assert keys.record_of.tolist() == [0, 1, 2, 0, 1]


def test_a_pair_needs_both_of_its_tokens():
    keys = ENGINE.keys("card_merchant", keyed(["a", None, "a", None, "a"], ["m", "m", None, None, "m"]))
    assert len(keys.unique) == 1
    assert keys.record_of.tolist() == [0, -1, -1, -1, 0]


def test_pairs_of_slices_are_pairs_of_their_own_rows():
    events = keyed("abcd", "mnop")
    events.tokens["card"] = pa.array(["x", "y", "a", "b", None, "d"]).slice(2)
    keys = ENGINE.keys("card_merchant", events)
    assert keys.record_of.tolist() == [0, 1, -1, 2]
    assert [key[:8] for key in keys.unique.to_pylist()] == [xxh64(t.encode()).to_bytes(8, "little") for t in "abd"]


@pytest.mark.parametrize("shards", [1, 3, 16])
def test_a_pair_is_kept_where_its_first_entity_is(shards):
    events = keyed([f"card-{i}" for i in range(60)], [f"shop-{i % 7}" for i in range(60)])
    cards, pairs = (
        ENGINE.shards(record, ENGINE.keys(record, events).unique, shards).tolist()
        for record in ("card", "card_merchant")
    )
    assert pairs == cards
    assert cards == shards_of(hash_strings(pa.array([f"card-{i}" for i in range(60)])), shards).tolist()
    assert len(set(cards)) > shards / 2
    routing = ENGINE.shards(ROUTING, ENGINE.keys(ROUTING, events).unique, shards)
    assert routing.tolist() == cards, "a transaction is judged where its card is"


@pytest.mark.parametrize("kind", [pa.binary(), pa.binary(16), pa.large_binary()])
def test_keys_of_pairs_may_come_back_from_a_store_as_any_bytes(kind):
    keys = ENGINE.keys("card_merchant", keyed("abcdef", "mmmmmm")).unique
    assert ENGINE.shards("card_merchant", keys.cast(pa.binary()).cast(kind), 7).tolist() == (
        ENGINE.shards("card_merchant", keys, 7).tolist()
    )


def test_no_keys_are_in_no_shard():
    none = keyed([None], [None])
    for record in CATALOGUE.records:
        assert ENGINE.shards(record, ENGINE.keys(record, none).unique, 4).size == 0


def test_words_width_columns_and_digest():
    assert ENGINE.words(ROUTING) == routing_words(CATALOGUE.memory)
    assert all(ENGINE.words(record) == ENGINE.layouts[record].words for record in CATALOGUE.records)
    assert ENGINE.digest == layout_digest(CATALOGUE)
    assert ENGINE.width == len(CATALOGUE.names) == 10
    assert ENGINE.columns == {"card": 0, "card_merchant": 2, "merchant": 4}
    full = Engine(FULL)
    for record in FULL.records:
        assert FULL.names[full.columns[record]] == FULL.of(record)[0].name


def test_only_what_was_scored_is_read_and_only_what_counts_is_observed():
    events = events_of(*[authorised() for _ in range(3)], authorised(labels=((50, True), (60, True))))
    verdicts = [SCORED, Verdict.DUPLICATE, SCORED, SCORED, Verdict.LABEL_APPLIED, Verdict.LABEL_REPEATED]
    features, states = fold("card", events, verdicts)
    assert features[:, 0].tolist() == pytest.approx([0, np.nan, 1, 2, np.nan, np.nan], nan_ok=True)
    assert np.isnan(features[[1, 4, 5]]).all()
    again, _ = fold("card", events_of(authorised()), [SCORED], states)
    assert again[0].tolist() == pytest.approx([3, 1.1 / 13])


def test_vectors_may_be_of_the_transactions_alone():
    events = events_of(authorised(), authorised(labels=((50, True),)))
    keys = ENGINE.keys("card", events)
    states = np.zeros((1, ENGINE.words("card")), np.int64)
    vectors = np.full((2, ENGINE.width), -7, np.float32)
    verdicts = np.array([SCORED, SCORED, Verdict.LABEL_APPLIED], np.int8)
    ENGINE.fold("card", events, np.arange(3), verdicts, states, keys.record_of, vectors)
    assert vectors[:, 0].tolist() == [0, 1]
    assert states[0, 1] == events.received_at[2]


def test_rows_that_do_not_name_the_entity_leave_its_states_alone():
    features, states = fold("card", events_of(authorised(), authorised(card=None)), [SCORED] * 2)
    assert np.isnan(features[1]).all()
    assert states.shape[0] == 1
    assert states[0, 0] == START_MS + 10


@pytest.mark.parametrize(("kind", "moves"), [("reversal", False), ("refund", True), ("authorisation", True)])
def test_what_is_not_observed_is_read_and_changes_nothing(kind, moves):
    _, states = fold("card", events_of(authorised()), [SCORED])
    before = states.copy()
    features, _ = fold("card", events_of(plain(gap_ms=20, transaction_type=kind)), [SCORED], states)
    assert features[0, 0] == 1
    assert (states != before).any() == moves


def test_a_record_idle_beyond_its_time_is_cleared_by_the_next_observation():
    for record in CATALOGUE.records:
        _, states = fold(record, events_of(authorised(), authorised()), [SCORED] * 2)
        fold(record, events_of(authorised(gap_ms=20 + 1001)), [SCORED], states)
        _, afresh = fold(record, events_of(authorised(gap_ms=20 + 1001)), [SCORED])
        np.testing.assert_array_equal(states, afresh)


def test_empty_batches_fold_to_nothing():
    none = take(events_of(authorised()), np.zeros(0, np.int64))
    for record in CATALOGUE.records:
        out, states = fold(record, none, [])
        assert out.shape == (0, len(CATALOGUE.of(record)))
        assert states.shape == (0, ENGINE.words(record))


def judge_and_fold(engine, events, order, transactions):
    """Verdicts, vectors and states of a batch folded in this order."""
    found = {}

    def states(record):
        keys = engine.keys(record, events)
        found[record] = dict.fromkeys(keys.unique.to_pylist())
        return np.zeros((len(keys.unique), engine.words(record)), np.int64), keys.record_of

    routing, record_of = states(ROUTING)
    verdicts = engine.judge(events, order, routing, record_of)
    found[ROUTING] = dict(zip(found[ROUTING], routing, strict=True))
    vectors = np.full((transactions, engine.width), -7, np.float32)
    for record in engine.catalogue.records:
        records, record_of = states(record)
        engine.fold(record, events, order, verdicts, records, record_of, vectors)
        found[record] = dict(zip(found[record], records, strict=True))
    engine.request(events, vectors)
    return verdicts, vectors, found


@settings(max_examples=30, deadline=None)
@given(streams.streams(), streams.catalogues() | st.just(FULL), st.randoms(use_true_random=False))
def test_folding_in_an_order_is_folding_what_was_put_in_that_order(stream, catalogue, random):
    engine, count = Engine(catalogue), stream.transactions.num_rows
    events = from_tables(stream.transactions, stream.labels, catalogue.inputs)
    order = arrival_order(events)
    if random.random() < 0.5:
        random.shuffle(order)
    verdicts, vectors, states = judge_and_fold(engine, events, order, count)
    moved = judge_and_fold(engine, take(events, order), np.arange(len(events)), len(events))
    np.testing.assert_array_equal(verdicts[order], moved[0])
    here = order < count
    np.testing.assert_array_equal(vectors[order[here]], moved[1][here])
    assert states.keys() == moved[2].keys()
    for record, known in states.items():
        assert known.keys() == moved[2][record].keys()
        for key, words in known.items():
            np.testing.assert_array_equal(words, moved[2][record][key])


def test_a_newcomer_is_told_by_the_vector_of_the_pair_before():
    catalogue = Catalogue(
        PAIR,
        (Feature("card_merchant", "first_time", None, DAY), Feature("merchant", "count_of", "newcomer", DAY)),
        pairs=(PAIR,),
    )
    engine = Engine(catalogue)
    events = events_of(*(authorised(card) for card in "aab"), authorised(None), authorised("c"), catalogue=catalogue)
    for told, counted in (([1, 0, 1, np.nan, 1], [0, 1, 1, 2, 2]), ([0] * 5, [0] * 5)):
        vectors = np.zeros((5, engine.width), np.float32)
        vectors[:, engine.columns["card_merchant"]] = told
        keys = engine.keys("merchant", events)
        states = np.zeros((1, engine.words("merchant")), np.int64)
        engine.fold("merchant", events, np.arange(5), np.zeros(5, np.int8), states, keys.record_of, vectors)
        assert vectors[:, engine.columns["merchant"]].tolist() == counted


def test_records_are_idle_strictly_after_their_time_to_live():
    for record in CATALOGUE.records:
        states = np.zeros((4, ENGINE.words(record)), np.int64)
        states[0, :2] = 5000, 0
        states[1, :2] = 0, 5000
        states[2, :2] = 4999, 4000
        assert ENGINE.idle(record, states, 6000).tolist() == [False, False, True, True]
        assert ENGINE.idle(record, states, 6001).tolist() == [True] * 4


@pytest.mark.parametrize("ttls_ms", [(400, 700), (700, 400)])
def test_routing_records_are_idle_when_both_rings_have_forgotten(ttls_ms):
    memory = Memory(ids=2, ids_ttl_ms=ttls_ms[0], labelled_ids=2, labelled_ttl_ms=ttls_ms[1])
    engine = Engine(Catalogue(("card",), (), memory))
    states = np.zeros((3, routing_words(memory)), np.int64)
    first_time, label_time = 1 + memory.ids, 1 + 2 * memory.ids + 1 + memory.labelled_ids
    states[0, first_time] = 5000
    states[1, label_time] = 5000
    states[2, [first_time, label_time]] = 4000, 4999
    assert engine.idle(ROUTING, states, 5700).tolist() == [False, False, True]
    assert engine.idle(ROUTING, states, 5701).all()


def test_one_engine_of_the_core_catalogue_has_records_of_every_entity():
    engine = Engine(core_catalogue(("card", "merchant", "device")))
    assert set(engine.layouts) == {"card", "merchant", "device"}
    assert engine.catalogue.memory.record_ttl_ms == 90 * DAY_MS


def test_an_engine_without_entities_judges_and_gives_the_request():
    engine = Engine(Catalogue((), ()))
    events = events_of(authorised(), authorised(repeats=((1, 5),)), catalogue=engine.catalogue)
    verdicts, vectors, states = judge_and_fold(engine, events, np.arange(3), 3)
    assert verdicts.tolist() == [SCORED, SCORED, Verdict.DUPLICATE]
    assert vectors[:, 0].tolist() == [5, 5, 5]
    assert set(states) == {ROUTING}
