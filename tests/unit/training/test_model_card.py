from dataclasses import replace

import pytest

from paywarden.evaluation.splits import choose_split
from paywarden.training.gate import unjudged
from paywarden.training.model_card import model_card, short_description
from paywarden.training.model_diff import differences
from paywarden.training.trainer import train


@pytest.fixture(scope="module")
def bundle(dataset, settings):
    split = choose_split(int(dataset.occurred_at.min()), dataset.as_of, dataset.label_delay_ms)
    return train(dataset, split, settings, data_versions={"transactions": 4}).bundle


def test_the_card_says_what_the_model_was_made_of_and_is_not_for(bundle):
    card = model_card(bundle, unjudged("version 3", "There was no time."))
    for said in (
        f"Bundle `{bundle.digest}`",
        "- transactions: 4",
        f"00:00 | {bundle.training['rows']['test']:,} | {bundle.training['frauds']['test']} |",
        "Label delay: 2 days.",
        f"| average_precision | {bundle.metrics['test']['average_precision']:.4f} |",
        "- failed: There was no time.",
        "## Strategies",
        "Not for judging people",
    ):
        assert said in card
    assert card == model_card(bundle, unjudged("version 3", "There was no time."))


def test_intervals_are_shown_where_the_metrics_hold_them(bundle):
    test = {**bundle.metrics["test"], "intervals": {"roc_auc": {"low": 0.81, "high": 0.92, "level": 0.95}}}
    assert "| 0.8100 to 0.9200 |" in model_card(replace(bundle, metrics={**bundle.metrics, "test": test}))


def test_the_description_is_short(bundle):
    said = short_description(bundle, unjudged("version 3", "There was no time."))
    assert said.startswith("xgboost, 4 features. Test window: average precision 0.")
    assert said.endswith("Gate: abstain against version 3. There was no time.")


def test_what_differs_is_told_and_what_is_equal_is_not(bundle):
    assert differences(bundle, bundle) == []
    other = replace(
        bundle,
        feature_names=("card_count_1h", "card_sum_amount_1h", "hour", "other"),
        data_versions={"transactions": 9},
    )
    rows = {name: rest for name, *rest in differences(bundle, other)}
    assert rows["data.transactions"] == ["4", "9", "+5"]
    assert rows["feature other"] == ["–", "yes", ""]
    assert rows["feature amount[base]"] == ["yes", "–", ""]
    assert not any(name.startswith(("metrics", "training", "policy")) for name in rows)
