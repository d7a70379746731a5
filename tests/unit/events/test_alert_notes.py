"""What an alert's message says beyond its decision."""

import pytest

from paywarden.events.alert_notes import AlertNotes, noted

DECISION = b'{"decision_id":"d","rules":["stolen-cards","large"]}'


def test_what_was_noted_is_read():
    message = noted(DECISION, {"without_rules": "approve", "rule_texts": ["block list by card", "review where true"]})
    notes = AlertNotes.of(message)
    assert notes.rules == (("stolen-cards", "block list by card"), ("large", "review where true"))
    assert (notes.without_rules, notes.by_rule) == ("approve", True)


def test_where_nothing_is_to_be_said_the_message_is_the_decisions():
    assert noted(DECISION, {"without_rules": None, "rule_texts": []}) == DECISION


def test_a_message_from_before_there_were_notes_has_the_names():
    assert AlertNotes.of(DECISION) == AlertNotes((("stolen-cards", ""), ("large", "")))


def test_a_rule_that_fired_has_not_decided_where_the_decision_is_the_models():
    assert not AlertNotes.of(noted(DECISION, {"rule_texts": ["a", "b"]})).by_rule


@pytest.mark.parametrize("odd", [b"{", b"[]", b"{}", b'{"rules":7}', b'{"rules":[7]}', b'{"without_rules":{}}'])
def test_odd_notes_are_none(odd):
    assert AlertNotes.of(odd) == AlertNotes()


def test_texts_that_do_not_belong_to_the_names_are_left_out():
    assert AlertNotes.of(b'{"rules":["a"],"rule_texts":["x","y"]}').rules == (("a", ""),)
