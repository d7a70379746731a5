import numpy as np
import pyarrow as pa
import pytest

from paywarden.scoring.policy import APPROVE, DECLINE, REVIEW
from paywarden.scoring.rules.policy_file import rule_book
from paywarden.scoring.rules.rule_book import RuleBook
from paywarden.scoring.rules.ruling import rule

NAMES = ("card_count_1h", "hour")


def rows(*changes):
    row = {
        "occurred_at": 1000,
        "amount_base": 500,
        "entity_card": "c",
        "country": "FR",
        "channel": None,
        "latitude": None,
    }
    kinds = {"occurred_at": pa.int64(), "amount_base": pa.int64(), "latitude": pa.float64()}
    table = [row | change for change in changes or ({},)]
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in row])
    return pa.Table.from_pylist(table, schema=schema)


def book(*rules, lists=()):
    return rule_book({"rules": list(rules), "lists": list(lists)})


def on(name, action, value="c", **more):
    return {"name": name, "action": action, "field": "card", "entries": [value], **more}


def when(name, condition, then, **more):
    return {"name": name, "when": condition, "then": then, **more}


def decided(book, model=APPROVE, table=None, score=0.5, count=3.0):
    table = rows() if table is None else table
    n = table.num_rows
    vectors = np.tile(np.array([[count, 12]], np.float32), (n, 1))
    found = rule(book, table, np.full(n, model, np.int8), np.full(n, score), vectors, NAMES)
    return found.decision.tolist()[0], found.fired[0], found.shadow[0]


YES, NO = "true", "false"


@pytest.mark.parametrize(
    ("model", "given", "decision", "fired"),
    [
        (APPROVE, book(), APPROVE, []),
        (APPROVE, book(lists=[on("b", "block")]), DECLINE, ["b"]),
        (DECLINE, book(lists=[on("a", "allow")]), APPROVE, ["a"]),
        (APPROVE, book(lists=[on("a", "allow"), on("b", "block")]), DECLINE, ["b", "a"]),
        (APPROVE, book(when("d", YES, "decline"), lists=[on("a", "allow")]), APPROVE, ["a", "d"]),
        (APPROVE, book(when("r", YES, "review")), REVIEW, ["r"]),
        (DECLINE, book(when("r", YES, "review")), DECLINE, ["r"]),
        (REVIEW, book(when("r", YES, "review"), when("d", YES, "decline")), DECLINE, ["d", "r"]),
        (DECLINE, book(when("p", YES, "approve")), APPROVE, ["p"]),
        (APPROVE, book(when("p", YES, "approve"), lists=[on("w", "review")]), REVIEW, ["w", "p"]),
        (APPROVE, book(when("r", NO, "decline"), lists=[on("b", "block", "other")]), APPROVE, []),
    ],
)
def test_the_order_of_precedence(model, given, decision, fired):
    assert decided(given, model) == (decision, fired, [])


def test_shadow_ones_are_named_and_decide_nothing():
    given = book(when("d", YES, "decline", shadow=True), lists=[on("b", "block", shadow=True)])
    assert decided(given) == (APPROVE, [], ["b", "d"])


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("transaction.amount == 500", True),
        ("transaction.card == 'c' && transaction.country in ['FR', 'DE']", True),
        ("transaction.channel == ''", True),  # absent
        ("transaction.latitude > 0.0 || transaction.latitude <= 0.0", False),  # absent
        ("features.card_count_1h >= 3", True),
        ("features.card_count_1h > 3.0", False),
        ("score >= 0.5", True),
        ("1 / (transaction.amount - 500) > 0", False),  # cannot be computed
        ("transaction.country == 'features.hour > 1'", False),  # a text is no reading
    ],
)
def test_conditions_read_transaction_features_and_score(condition, holds):
    assert decided(book(when("r", condition, "review")))[0] == (REVIEW if holds else APPROVE)


def test_without_a_score_only_what_needs_none_holds():
    given = book(when("s", "score > 0.0", "decline"), when("t", "transaction.amount > 0", "review"))
    found = rule(given, rows(), np.zeros(1, np.int8))
    assert (found.decision.tolist(), found.fired) == ([REVIEW], [["t"]])


def test_a_row_is_judged_as_if_it_were_alone():
    table = rows(
        {"entity_card": "c"}, {"entity_card": "d", "amount_base": 9}, {"entity_card": None}, {"occurred_at": 0}
    )
    given = book(when("large", "transaction.amount > 100", "review"), lists=[on("b", "block", "d")])
    together = rule(given, table, np.zeros(4, np.int8))
    alone = [rule(given, table.slice(i, 1), np.zeros(1, np.int8)) for i in range(4)]
    assert together.decision.tolist() == [a.decision[0] for a in alone] == [REVIEW, DECLINE, REVIEW, REVIEW]
    assert together.fired == [a.fired[0] for a in alone]


def test_an_entity_is_not_taken_for_a_column_of_kafka():
    table = rows().append_column("topic", pa.array(["transactions"])).append_column("entity_topic", pa.array(["mine"]))
    found = rule(book(when("t", "transaction.topic == 'mine'", "review")), table, np.zeros(1, np.int8))
    assert found.fired == [["t"]]


def test_an_empty_book_touches_nothing():
    decision = np.array([2, 0], np.int8)
    found = rule(RuleBook(), rows({}, {}), decision)
    assert found.decision.tolist() == [2, 0]
    assert found.decision is not decision


def test_an_alerts_notes_say_what_fired_in_words_and_what_would_have_been_decided_without():
    given = book(when("d", "transaction.amount > 100", "decline"), lists=[on("w", "review"), on("b", "block")])
    table, model = rows({}, {"entity_card": "other"}, {"entity_card": "x", "amount_base": 5}), [DECLINE, REVIEW, REVIEW]
    found = rule(given, table, np.array(model, np.int8), np.full(3, 0.5), np.zeros((3, 2), np.float32), NAMES)
    assert [found.notes(row) for row in range(3)] == [
        {
            "without_rules": None,
            "rule_texts": ["block list by card", "review list by card", "decline where transaction.amount > 100"],
        },
        {"without_rules": "review", "rule_texts": ["decline where transaction.amount > 100"]},
        {"without_rules": None, "rule_texts": []},
    ]
    assert rule(RuleBook(), table, np.array(model, np.int8)).notes(0) == {"without_rules": None, "rule_texts": []}
