import pyarrow as pa
import pytest

from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.jobs.account import account, first_by

TOPIC, LABELS = "transactions", "labels"


def manifest(batch, *ranges, bundle="b"):
    return BatchManifest(1, batch, tuple(OffsetRange(*r) for r in ranges), "layout", "1", bundle, "p")


def decisions(*rows):
    """Each row: partition, offset, decision id, score."""
    partition, offset, ids, score = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        {
            "topic": pa.array([TOPIC] * len(rows), pa.string()),
            "partition": pa.array(partition, pa.int32()),
            "offset": pa.array(offset, pa.int64()),
            "decision_id": pa.array(ids, pa.string()),
            "source": pa.array(["stream"] * len(rows), pa.string()),
            "score": pa.array(score, pa.float64()),
        }
    )


def outcomes(*rows):
    """Each row: outcome, topic, partition, offset."""
    outcome, topic, partition, offset = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        {
            "topic": pa.array(topic, pa.string()),
            "partition": pa.array(partition, pa.int32()),
            "offset": pa.array(offset, pa.int64()),
            "outcome": pa.array(outcome, pa.string()),
        }
    )


def dead(*offsets):
    return outcomes(*(("", TOPIC, 0, offset) for offset in offsets)).drop_columns("outcome")


# Two batches of transactions 10 to 16 on partition 0 and label 0; the state build before them covers 0 to 10.
MANIFESTS = [
    manifest(0, (TOPIC, 0, 0, 10), bundle=None),
    manifest(1, (TOPIC, 0, 10, 13), (LABELS, 0, 0, 0)),
    manifest(2, (TOPIC, 0, 13, 16), (LABELS, 0, 0, 2)),
]
DECIDED = [(0, 10, "a", 0.5), (0, 11, "b", 0.5), (0, 12, "c", 0.1), (0, 13, "d", 0.1)]
REST = [("duplicate", TOPIC, 0, 14), ("label", LABELS, 0, 0), ("repeated_label", LABELS, 0, 1)]


def held(decided=DECIDED, rest=REST, letters=(15,)):
    return account(MANIFESTS, decisions(*decided), outcomes(*rest), dead(*letters))


def test_every_input_once_is_complete():
    found = held()
    assert found.complete
    assert found.to_dict() == {
        "inputs": 8,  # the state build decides nothing
        "decisions": 4,
        "dead_letters": 1,
        "duplicates": 1,
        "labels": 1,
        "repeated_labels": 1,
        "unaccounted": 0,
        "contradictory": 0,
        "stray": 0,
        "redelivered": 0,
        "conflicting_decisions": 0,
        "shadows": 0,
        "complete": True,
    }


@pytest.mark.parametrize(
    "arguments", [{"decided": DECIDED[1:]}, {"rest": REST[:-1]}, {"rest": REST[1:]}, {"letters": ()}]
)
def test_a_lost_event_is_found(arguments):
    found = held(**arguments)
    assert found.unaccounted == 1
    assert not found.complete


def test_a_repeated_delivery_is_counted_and_harmless():
    found = held(DECIDED + DECIDED[:2], REST + REST[:1], (15, 15))
    assert found.redelivered == 4
    assert (found.decisions, found.duplicates, found.dead_letters) == (4, 1, 1)
    assert found.complete


def test_two_outcomes_of_one_event_contradict():
    found = held(rest=[*REST, ("duplicate", TOPIC, 0, 10)])
    assert found.contradictory == 1
    assert found.unaccounted == 0
    assert not found.complete


def test_a_dead_letter_that_was_decided_too_contradicts():
    assert held(letters=(15, 13)).contradictory == 1


def test_what_the_api_answered_is_no_outcome_of_an_offset():
    nowhere = {"topic": None, "partition": None, "offset": None, "decision_id": "x", "score": 0.5, "source": "api"}
    answered = pa.Table.from_pylist([nowhere], schema=decisions().schema)
    found = account(MANIFESTS, pa.concat_tables([decisions(*DECIDED), answered]), outcomes(*REST), dead(15))
    assert found == held()


@pytest.mark.parametrize("offset", [9, 16])
def test_an_outcome_of_no_input_is_stray(offset):
    found = held([*DECIDED, (0, offset, "z", 0.1)])
    assert found.stray == 1
    assert not found.complete


def test_another_partition_or_topic_is_stray():
    assert held([*DECIDED, (1, 10, "z", 0.1)]).stray == 1
    assert held(rest=[*REST, ("label", "elsewhere", 0, 0)]).stray == 1


def test_a_stray_does_not_make_up_for_a_lost_event():
    found = held([*DECIDED[1:], (0, 99, "z", 0.1)])
    assert (found.unaccounted, found.stray) == (1, 1)


def test_a_decision_made_twice_differently_conflicts():
    found = held([*DECIDED, (0, 10, "a", 0.6)])
    assert found.conflicting_decisions == 1
    assert not found.complete


def test_nothing_sent_is_all_unaccounted():
    found = held([], [], ())
    assert (found.inputs, found.unaccounted) == (8, 8)


def test_no_batch_is_complete():
    assert account([], decisions(), outcomes(), dead()).complete


def test_first_by_keeps_the_first_of_each_in_order():
    table = pa.table({"id": ["b", "a", "b", "c", "a"], "n": [1, 2, 3, 4, 5]})
    assert first_by(table, "id")["n"].to_pylist() == [1, 2, 4]


def test_what_others_decided_accounts_for_no_input():
    others = decisions((0, 10, "s", 0.7), (0, 11, "t", 0.7), (0, 11, "t", 0.7))
    others = others.set_column(others.column_names.index("source"), "source", pa.array(["shadow", "shadow", "shadow"]))
    answered = decisions((0, 999, "u", 0.7))
    answered = answered.set_column(answered.column_names.index("source"), "source", pa.array(["api"]))
    every = pa.concat_tables([decisions(*DECIDED), others, answered])
    found = account(MANIFESTS, every, outcomes(*REST), dead(15))
    assert found.complete
    assert (found.decisions, found.shadows, found.redelivered) == (4, 2, 0)
    lone = account(MANIFESTS, others, outcomes(*REST), dead(15))
    assert lone.unaccounted == 4  # a shadow's decision is nobody's outcome


def test_a_shadow_that_contradicts_itself_is_found():
    others = decisions((0, 10, "s", 0.7), (0, 10, "s", 0.8))
    others = others.set_column(others.column_names.index("source"), "source", pa.array(["shadow", "shadow"]))
    every = pa.concat_tables([decisions(*DECIDED), others])
    assert account(MANIFESTS, every, outcomes(*REST), dead(15)).conflicting_decisions == 1
