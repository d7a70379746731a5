import numpy as np
import pyarrow as pa
import pytest
from tests.parity.runner import take

from paywarden.features.aggregations.aggregation import Source
from paywarden.features.catalogue import Memory
from paywarden.features.duplicates import judge_repeats, newest_arrival, newest_payment, routing_words
from paywarden.features.events import UNOBSERVED, EventBatch, Kind, Verdict

MEMORY = Memory(ids=3, ids_ttl_ms=1000, labelled_ids=2, labelled_ttl_ms=5000)
SCORED, DUPLICATE, APPLIED, REPEATED = Verdict


def batch(*events):
    """Events as (kind, id, received_at, source)."""
    kinds, ids, received_at, sources = zip(*events, strict=True)
    nothing = np.zeros(len(events), np.int64)
    return EventBatch(
        kind=np.array(kinds, np.int8),
        occurred_at=nothing,
        received_at=np.array(received_at, np.int64),
        amount=nothing,
        source=np.array(sources, np.int8),
        declined=np.zeros(len(events), bool),
        transaction_id=pa.array(ids),
        routing_key=pa.array(["k"] * len(events)),
        tokens={},
        codes={},
        numbers={},
    )


def paid(identifier, received_at, source=Source.AUTHORISATIONS):
    return (Kind.TRANSACTION, identifier, received_at, source)


def said(identifier, received_at, is_fraud=True):
    return (Kind.LABEL, identifier, received_at, Source.FRAUD_LABELS if is_fraud else UNOBSERVED)


def judge(*events, states=None, memory=MEMORY):
    states = np.zeros((1, routing_words(memory)), np.int64) if states is None else states
    events = batch(*events)
    order = np.arange(len(events))
    return judge_repeats(events, order, states, np.zeros(len(events), np.int64), memory).tolist()


def test_a_record_is_two_rings_of_hashes_and_times():
    assert routing_words(MEMORY) == (1 + 2 * 3) + (1 + 2 * 2)
    assert routing_words(Memory()) == 50


def test_the_last_ids_are_known():
    assert judge(paid("a", 10), paid("b", 11), paid("c", 12), paid("a", 13)) == [SCORED] * 3 + [DUPLICATE]
    assert judge(paid("a", 10), *[paid(i, 11) for i in "bcd"], paid("a", 13)) == [SCORED] * 5


def test_a_repeat_takes_no_place_in_the_ring():
    events = [paid("a", 10), paid("b", 11), paid("b", 12), paid("b", 13), paid("c", 14), paid("a", 15)]
    assert judge(*events) == [SCORED, SCORED, DUPLICATE, DUPLICATE, SCORED, DUPLICATE]


@pytest.mark.parametrize(("age", "verdict"), [(0, DUPLICATE), (1000, DUPLICATE), (1001, SCORED), (-5, DUPLICATE)])
def test_an_id_is_known_for_its_time(age, verdict):
    assert judge(paid("a", 50), paid("a", 50 + age)) == [SCORED, verdict]


def test_a_repeat_does_not_prolong_the_memory_of_its_id():
    assert judge(paid("a", 10), paid("a", 900), paid("a", 1020)) == [SCORED, DUPLICATE, SCORED]


def test_an_id_that_counted_again_is_known_again():
    assert judge(paid("a", 10), paid("a", 2000), paid("a", 2900)) == [SCORED, SCORED, DUPLICATE]


def test_a_place_taken_again_bears_its_new_time_even_if_earlier():
    crowd = [paid(i, 5000) for i in "abc"]
    assert judge(*crowd, paid("d", 100), paid("d", 1100), paid("d", 1101))[3:] == [SCORED, DUPLICATE, SCORED]


def test_an_empty_place_is_no_id():
    hash_of_zero = judge(paid("a", 10), paid(None, 20), paid(None, 30))
    assert hash_of_zero == [SCORED, SCORED, DUPLICATE]


def test_the_first_fraud_label_counts_and_others_are_not_remembered():
    events = [said("a", 10, is_fraud=False), said("a", 11), said("a", 12), said("a", 13, is_fraud=False)]
    assert judge(*events) == [APPLIED, APPLIED, REPEATED, APPLIED]


def test_labelled_ids_have_a_ring_and_a_time_of_their_own():
    assert judge(said("a", 10), said("a", 5010), said("a", 5011)) == [APPLIED, REPEATED, APPLIED]
    assert judge(said("a", 10), said("b", 11), said("c", 12), said("a", 13)) == [APPLIED] * 4
    assert judge(said("a", 10), said("b", 11), said("a", 12)) == [APPLIED, APPLIED, REPEATED]


def test_a_transaction_and_its_label_do_not_repeat_each_other():
    assert judge(said("a", 10), paid("a", 11), said("a", 12), paid("a", 13)) == [APPLIED, SCORED, REPEATED, DUPLICATE]


def test_keys_do_not_share_their_memory():
    events = batch(paid("a", 10), paid("a", 11), paid("a", 12), said("a", 13), said("a", 14))
    states = np.zeros((2, routing_words(MEMORY)), np.int64)
    verdicts = judge_repeats(events, np.arange(5), states, np.array([0, 1, 0, 1, 0]), MEMORY)
    assert verdicts.dtype == np.int8
    assert verdicts.tolist() == [SCORED, SCORED, DUPLICATE, APPLIED, APPLIED]


def test_memory_is_carried_in_the_state():
    states = np.zeros((1, routing_words(MEMORY)), np.int64)
    judge(paid("a", 10), said("b", 11), states=states)
    kept = np.frombuffer(states.astype("<i8").tobytes(), "<i8").reshape(states.shape).copy()
    assert judge(paid("a", 20), said("b", 21), states=kept) == [DUPLICATE, REPEATED]


def test_the_newest_arrival_is_of_either_ring():
    states = np.zeros((4, routing_words(MEMORY)), np.int64)
    judge(paid("a", 30), paid("b", 20), states=states[0:1])
    judge(paid("a", 30), said("b", 40), states=states[1:2])
    judge(said("b", 7), said("c", 9), states=states[2:3])
    assert newest_arrival(states, MEMORY).tolist() == [30, 40, 9, 0]
    assert newest_payment(states, MEMORY).tolist() == [30, 30, 0, 0]


def test_no_events_have_no_verdicts():
    nothing = np.zeros(0, np.int64)
    none = take(batch(paid("a", 1)), nothing)
    states = np.zeros((0, routing_words(MEMORY)), np.int64)
    assert judge_repeats(none, nothing, states, nothing, MEMORY).size == 0


def test_the_order_decides_which_delivery_is_the_repeat():
    events = batch(paid("a", 30), paid("a", 10), said("a", 40), said("a", 20))
    states = np.zeros((1, routing_words(MEMORY)), np.int64)
    verdicts = judge_repeats(events, np.array([3, 1, 2, 0]), states, np.zeros(4, np.int64), MEMORY)
    assert verdicts.tolist() == [DUPLICATE, SCORED, REPEATED, APPLIED]


@pytest.mark.parametrize("source", [Source.REFUNDS, UNOBSERVED])
def test_whatever_a_transaction_enters_records_as_it_is_remembered(source):
    assert judge(paid("a", 10, source), paid("a", 20, source)) == [SCORED, DUPLICATE]
