"""What an alert's message says beyond its decision."""

import pytest

from paywarden.events.alert_notes import AlertNotes, described, noted

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


ODD = [b"{", b"[]", b"{}", b'{"rules":7}', b'{"rules":[7]}', b'{"without_rules":{},"transaction":[],"entities":7}']


@pytest.mark.parametrize("odd", ODD)
def test_odd_notes_are_none(odd):
    assert AlertNotes.of(odd) == AlertNotes()


def test_texts_that_do_not_belong_to_the_names_are_left_out():
    assert AlertNotes.of(b'{"rules":["a"],"rule_texts":["x","y"]}').rules == (("a", ""),)


def test_a_payment_is_described_by_what_is_known_of_it():
    row = {"amount": 0, "currency": "EUR", "category": None, "channel": "online", "entity_card": "secret"}
    told = described(row)
    assert told == {"transaction": {"amount": 0, "currency": "EUR", "channel": "online"}}
    assert AlertNotes.of(noted(DECISION, told)).transaction == told["transaction"]


def test_of_a_described_payment_only_what_is_of_its_kind_is_read():
    notes = AlertNotes.of(b'{"transaction":{"amount":"5","currency":7,"country":"FR"},"entities":{"card":"c","ip":7}}')
    assert (notes.transaction, notes.entities) == ({"country": "FR"}, {"card": "c"})
