import numpy as np
import pyarrow as pa
import pytest
from tests.parity.streams import START_MS, Draft, build

from paywarden.features.catalogue import Catalogue, Memory
from paywarden.features.duplicates import ROUTING, routing_words
from paywarden.features.engine import Engine, keys_of
from paywarden.features.events import Verdict, from_tables
from paywarden.features.feature import Feature
from paywarden.features.layout import layout_digest
from paywarden.features.templates import core_catalogue
from paywarden.features.windows import DAY, DAY_MS, HOUR

CATALOGUE = Catalogue(
    ("card", "merchant"),
    (
        Feature("card", "count", None, DAY),
        Feature("card", "fraud_rate", None, DAY),
        Feature("merchant", "distinct", "card", HOUR),
    ),
    Memory(record_ttl_ms=1000, ids=2, ids_ttl_ms=400, labelled_ids=2, labelled_ttl_ms=700),
)
ENGINE = Engine(CATALOGUE)


def events_of(*drafts):
    stream = build(drafts)
    return from_tables(stream.transactions, stream.labels, CATALOGUE.entities)


def fold(entity, events, verdicts, states=None):
    keys = keys_of(events.tokens[entity])
    states = np.zeros((len(keys.unique), ENGINE.words(entity)), np.int64) if states is None else states
    return ENGINE.fold(entity, events, np.array(verdicts, np.int8), states, keys.record_of), states


def plain(card="a", merchant="m", **changes):
    return Draft(**{"gap_ms": 10, "card": card, "merchant": merchant, "amount": 5, "delay_ms": 0} | changes)


def authorised(card="a", merchant="m", **changes):
    return plain(card, merchant, transaction_type="authorisation", **changes)


def test_keys_are_distinct_in_order_of_appearance():
    keys = keys_of(pa.array(["b", None, "a", "b", None]))
    assert keys.unique.to_pylist() == ["b", "a"]
    assert keys.record_of.tolist() == [0, -1, 1, 0, -1]
    assert keys.record_of.dtype == np.int64


@pytest.mark.parametrize("tokens", [pa.array([], pa.string()), pa.nulls(3, pa.string())])
def test_no_token_is_no_key(tokens):
    keys = keys_of(tokens)
    assert len(keys.unique) == 0
    assert keys.record_of.tolist() == [-1] * len(tokens)


def test_words_and_digest():
    assert ENGINE.words(ROUTING) == routing_words(CATALOGUE.memory)
    assert ENGINE.words("card") == ENGINE.layouts["card"].words
    assert ENGINE.digest == layout_digest(CATALOGUE)


def test_only_what_was_scored_is_read_and_only_what_counts_is_observed():
    events = events_of(*[authorised() for _ in range(3)], authorised(labels=((50, True), (60, True))))
    verdicts = [
        *(Verdict.SCORED, Verdict.DUPLICATE, Verdict.SCORED, Verdict.SCORED),
        *(Verdict.LABEL_APPLIED, Verdict.LABEL_REPEATED),
    ]
    features, states = fold("card", events, verdicts)
    assert features.dtype == np.float32
    assert features[:, 0].tolist() == pytest.approx([0, np.nan, 1, 2, np.nan, np.nan], nan_ok=True)
    assert np.isnan(features[[1, 4, 5]]).all()
    again, _ = fold("card", events_of(authorised()), [Verdict.SCORED], states)
    assert again[0].tolist() == pytest.approx([3, 1.1 / 13])


def test_rows_that_do_not_name_the_entity_leave_its_states_alone():
    events = events_of(authorised(), authorised(card=None))
    features, states = fold("card", events, [Verdict.SCORED] * 2)
    assert np.isnan(features[1]).all()
    assert states.shape[0] == 1
    assert states[0, 0] == START_MS + 10


def test_reading_alone_changes_nothing():
    _, states = fold("card", events_of(authorised()), [Verdict.SCORED])
    before = states.copy()
    features, _ = fold("card", events_of(plain(transaction_type="refund")), [Verdict.SCORED], states)
    assert features[0, 0] == 1
    np.testing.assert_array_equal(states, before)


def test_a_record_idle_beyond_its_time_is_cleared_by_the_next_observation():
    _, states = fold("card", events_of(authorised(), authorised()), [Verdict.SCORED] * 2)
    fold("card", events_of(authorised(gap_ms=20 + 1001)), [Verdict.SCORED], states)
    _, afresh = fold("card", events_of(authorised(gap_ms=20 + 1001)), [Verdict.SCORED])
    np.testing.assert_array_equal(states, afresh)


def test_empty_batches_fold_to_nothing():
    none = events_of(authorised()).take(np.zeros(0, np.int64))
    for entity, features in (("card", 2), ("merchant", 1)):
        out, _ = fold(entity, none, [])
        assert out.shape == (0, features)


def test_records_are_idle_strictly_after_their_time_to_live():
    states = np.zeros((4, ENGINE.words("card")), np.int64)
    states[0, :2] = 5000, 0
    states[1, :2] = 0, 5000
    states[2, :2] = 4999, 4000
    assert ENGINE.idle("card", states, 6000).tolist() == [False, False, True, True]
    assert ENGINE.idle("card", states, 6001).tolist() == [True] * 4


def test_routing_records_are_idle_when_both_rings_have_forgotten():
    memory = CATALOGUE.memory
    states = np.zeros((3, routing_words(memory)), np.int64)
    first_time, label_time = 1 + memory.ids, 1 + 2 * memory.ids + 1 + memory.labelled_ids
    states[0, first_time] = 5000
    states[1, label_time] = 5000
    states[2, [first_time, label_time]] = 4000, 4999
    assert ENGINE.idle(ROUTING, states, 5700).tolist() == [False, False, True]
    assert ENGINE.idle(ROUTING, states, 5701).all()


def test_one_engine_of_the_core_catalogue_has_records_of_every_entity():
    engine = Engine(core_catalogue(("card", "merchant", "device")))
    assert set(engine.layouts) == {"card", "merchant", "device"}
    assert engine.catalogue.memory.record_ttl_ms == 90 * DAY_MS
