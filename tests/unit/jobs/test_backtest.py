"""Back-tests on a small world: figures counted here again, by hand."""

import json
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from paywarden.errors import ConfigurationError, DataError
from paywarden.evaluation.costs import CostMatrix
from paywarden.jobs.backtest import FORMER, NEW, backtest
from paywarden.jobs.backtest_report import words_of, write_backtest
from paywarden.jobs.training_data import History
from paywarden.scoring.rules.policy_file import rule_book
from paywarden.scoring.rules.rule_book import RuleBook

COSTS = CostMatrix()
LARGE = {"name": "large", "when": "transaction.amount > 20000", "then": "decline"}
WATCHED = {"name": "watched", "when": "features.card_count_1h >= 2.0", "then": "decline", "shadow": True}


@pytest.fixture(scope="module")
def history(events):
    return History(events.transactions, events.labels, {})


@pytest.fixture(scope="module")
def since(events):
    return int(np.median(events.transactions["occurred_at"].to_numpy()))


@pytest.fixture(scope="module")
def found(history, bundle, since):
    books = {FORMER: RuleBook(), NEW: rule_book({"rules": [LARGE, WATCHED]})}
    return backtest(history, "1", bundle, books, COSTS, since)


@pytest.fixture(scope="module")
def payments(history, since):
    """The authorisations in question, and which of them are frauds."""
    table = history.transactions
    kept = pc.and_(pc.greater_equal(table["occurred_at"], since), pc.equal(table["transaction_type"], "authorisation"))
    table = table.filter(kept)
    frauds = set(history.labels.filter(history.labels["is_fraud"])["transaction_id"].to_pylist())
    return table, np.array([name in frauds for name in table["transaction_id"].to_pylist()])


def test_payments_and_frauds_are_those_since_then(found, payments):
    table, fraud = payments
    assert (found.payments, found.frauds) == (table.num_rows, fraud.sum())
    assert found.frauds > 5
    assert found.fraud_amount == table["amount_base"].to_numpy()[fraud].sum()


def test_a_rule_declines_what_it_names(found, payments):
    table, fraud = payments
    large = table["amount_base"].to_numpy() > 20_000
    rule = found.rules[NEW]["large"]
    amount = table["amount_base"].to_numpy()
    assert (rule.fired, rule.frauds, rule.decided) == (large.sum(), (large & fraud).sum(), large.sum())
    assert rule.fraud_amount == amount[large & fraud].sum()
    assert (rule.genuine, rule.genuine_amount) == ((large & ~fraud).sum(), amount[large & ~fraud].sum())
    assert rule.genuine > 0
    before, after = found.outcomes[FORMER], found.outcomes[NEW]
    assert after.declines >= large.sum() > before.declines
    assert after.alerts - before.alerts == found.changes.get("approve to decline", 0)
    assert after.frauds_caught >= before.frauds_caught
    assert after.alerts == after.frauds_caught + after.false_positives
    assert found.changed == sum(found.changes.values()) > 0


def test_a_shadow_rule_is_counted_and_changes_nothing(history, bundle, since, found):
    alone = backtest(history, "1", bundle, {FORMER: RuleBook(), NEW: rule_book({"rules": [WATCHED]})}, COSTS, since)
    assert alone.changed == 0
    assert alone.outcomes[NEW] == alone.outcomes[FORMER]
    beside, by_itself = found.rules[NEW]["watched"], alone.rules[NEW]["watched"]
    assert replace(by_itself, effect=beside.effect, changes=beside.changes) == beside
    assert alone.rules[NEW]["watched"].fired > 0
    assert alone.digests[NEW] != alone.digests[FORMER] == bundle.policy.digest


@pytest.mark.parametrize("name", ["large", "watched"])
def test_a_rules_effect_is_the_policy_with_it_minus_the_policy_without_it(history, bundle, since, found, name):
    """By a whole back-test more; the one in shadow is put in force for it."""
    rules = [{**each, "shadow": False} for each in (LARGE, WATCHED) if each["name"] in (name, "large")]
    rest = [each for each in rules if each["name"] != name]
    books = {FORMER: rule_book({"rules": rest}), NEW: rule_book({"rules": rules})}
    whole = backtest(history, "1", bundle, books, COSTS, since)
    rule = found.rules[NEW][name]
    assert rule.effect == whole.outcomes[NEW] - whole.outcomes[FORMER]
    assert rule.changes == whole.changes
    assert rule.effect.genuine_amount_hindered > 0
    assert sum(rule.changes.values()) > 0


def test_a_rule_that_another_one_covers_changes_nothing(history, bundle, since):
    twice = rule_book({"rules": [LARGE, {**LARGE, "name": "again"}]})
    found = backtest(history, "1", bundle, {FORMER: RuleBook(), NEW: twice}, COSTS, since).rules[NEW]
    assert found["large"].fired == found["again"].fired > 0
    assert (found["large"].decided, found["again"].decided) == (found["large"].fired, 0)
    for rule in found.values():
        assert rule.changes == {}
        assert set(asdict(rule.effect).values()) == {0}


def test_where_the_model_is_stricter_a_rule_decides_nothing(history, bundle, since):
    """It fired, and stands first; the model's decline holds."""
    every = rule_book({"rules": [{"name": "every", "when": "transaction.amount >= 0", "then": "review"}]})
    strict = replace(bundle, policy=replace(bundle.policy, decline_threshold=bundle.policy.review_threshold))
    found = backtest(history, "1", strict, {FORMER: RuleBook(), NEW: every}, COSTS, since)
    declined = found.outcomes[FORMER].declines
    assert declined > 0
    rule = found.rules[NEW]["every"]
    assert (rule.fired, rule.decided) == (found.payments, found.payments - declined)


def test_an_entity_may_be_called_as_a_column_of_kafkas_is(history, bundle, since):
    """An archived payment has both: the entity's token, and the topic it was read from."""
    table, topic = history.transactions, pa.array(["transactions"] * history.transactions.num_rows)
    archived = table.append_column("topic", topic).append_column("entity_topic", table["entity_merchant"])
    last = table["entity_merchant"][-1].as_py()
    listed = {"name": "closed", "action": "block", "field": "topic", "entries": [last]}
    books = {FORMER: RuleBook(), NEW: rule_book({"lists": [listed]})}
    found = backtest(History(archived, history.labels, {}), "1", bundle, books, COSTS, since)
    assert found.rules[NEW]["closed"].fired > 0


def test_kafkas_columns_are_no_fields_of_a_payment(history, bundle, since):
    archived = history.transactions.append_column("topic", pa.nulls(history.transactions.num_rows, pa.string()))
    listed = {"name": "closed", "action": "block", "field": "topic", "entries": ["transactions"]}
    books = {FORMER: RuleBook(), NEW: rule_book({"lists": [listed]})}
    with pytest.raises(ConfigurationError, match="no field 'topic'"):
        backtest(History(archived, history.labels, {}), "1", bundle, books, COSTS, since)


def test_money_is_what_the_matrix_says(history, bundle, since, payments):
    table, fraud = payments
    everything = rule_book({"rules": [{"name": "all", "when": "true", "then": "decline"}]})
    found = backtest(history, "1", bundle, {FORMER: RuleBook(), NEW: everything}, COSTS, since)
    amount = table["amount_base"].to_numpy()
    saved = (amount[fraud] + COSTS.chargeback_fee).sum() - COSTS.false_decline_cost * (~fraud).sum()
    assert found.outcomes[NEW].money_saved == pytest.approx(saved)
    assert found.outcomes[NEW].declined_genuine == (~fraud).sum()


def test_the_report_says_it_in_words_and_numbers(found, tmp_path):
    paths = write_backtest(found, tmp_path)
    assert json.loads(paths[0].read_text()) == found.to_dict()
    text = words_of(found)
    assert f"| large | {found.rules[NEW]['large'].fired:,} |" in text
    watched = found.rules[NEW]["watched"]
    assert f"| watched (shadow) | {watched.effect.alerts:,} | {watched.effect.frauds_caught:,} |" in text
    assert f"| approve to decline: {watched.changes['approve to decline']:,} |" in text


def test_what_cannot_be_tested_is_told(history, bundle):
    books = {FORMER: RuleBook(), NEW: RuleBook()}
    with pytest.raises(DataError, match="earlier --since"):
        backtest(history, "1", bundle, books, COSTS, 2**50)
    wrong = rule_book({"rules": [{"name": "r", "when": "features.nothing > 1.0", "then": "review"}]})
    with pytest.raises(ConfigurationError, match="rule 'r': there is no feature nothing"):
        backtest(history, "1", bundle, books | {NEW: wrong}, COSTS, 0)
