import json
from dataclasses import replace

import numpy as np
import pytest

from paywarden.errors import ConfigurationError, DataError
from paywarden.evaluation.bootstrap import Resamples
from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.metrics import average_precision
from paywarden.evaluation.predictions import Predictions
from paywarden.training import gate
from paywarden.training.gate import GateSettings, judge
from paywarden.training.gate_report import gate_markdown
from paywarden.training.paired_gain import Gains, measure_of, paired_gains, threshold_for_alerts
from paywarden.training.thresholds import AlertBudget

DAY = 86_400_000
SETTINGS = GateSettings(budget=AlertBudget(alert_share=0.05), resamples=500, fewest_positives=100)


class Traffic:
    """A week of rows whose frauds come together on some cards, and models of a given quality on them."""

    def __init__(self, seed, rows=4000, cards=700):
        self.random = np.random.default_rng(seed)
        self.card = self.random.integers(0, cards, rows)
        compromised = self.random.random(cards) < 0.08
        common = self.random.random(rows)
        self.target = np.where(compromised[self.card], common < 0.6, common < 0.01)
        self.occurred_at = np.sort(self.random.integers(0, 7 * DAY, rows))
        self.amount = np.exp(self.random.normal(8.0, 1.2, rows)).astype(np.int64)
        self.cards = cards

    def model(self, quality, worth=1.0):
        """Scores with noise of rows and cards; `worth` scales what the probabilities announce."""
        noise = self.random.normal(size=len(self.card)) + 0.5 * self.random.normal(size=self.cards)[self.card]
        raw = quality * self.target + noise - 3.0
        odds = 1.0 / (1.0 + np.exp(-raw))
        score = odds * self.target.sum() / odds.sum()
        return Predictions(
            target=self.target,
            raw=raw,
            score=np.clip(score * worth, 0.0, 1.0),
            occurred_at=self.occurred_at,
            card=self.card,
            amount=self.amount,
            pattern=np.full(len(raw), None, dtype=object),
        )


def verdict(champion, challenger, settings=SETTINGS, **more):
    return judge(champion, challenger, settings, **{"days": 7.0, "microseconds_per_row": 5.0, **more})


def only_failed(judged):
    (name,) = [check.name for check in judged.checks if not check.passed]
    return name


@pytest.fixture(scope="module")
def traffic():
    return Traffic(1)


@pytest.fixture(scope="module")
def weak(traffic):
    return traffic.model(1.0)


@pytest.fixture(scope="module")
def strong(traffic):
    return traffic.model(4.0)


def test_of_two_hundred_equal_models_hardly_any_is_promoted_and_better_ones_are():
    """One in a hundred may pass by the level; the margin leaves fewer."""
    promoted = {2.0: 0, 4.5: 0}
    for seed in range(200):
        world = Traffic(seed, rows=1500, cards=300)
        champion = world.model(2.0)
        for quality in promoted:
            if quality == 2.0 or seed < 20:
                promoted[quality] += gains_enough(champion, world.model(quality))
    assert promoted[2.0] <= 4
    assert promoted[4.5] >= 18


def gains_enough(champion, challenger):
    """The gate's check of the gain alone: two hundred whole verdicts take a minute."""
    value = SETTINGS.costs.review_gain(challenger.target, challenger.amount)
    rows = np.arange(len(challenger))
    both = [
        {"": measure_of("money_saved", some, threshold_for_alerts(some.raw, 90), value, rows)}
        for some in (champion, challenger)
    ]
    resamples = Resamples(challenger.card, challenger.occurred_at, 500, seed=0)
    return gate._gain(paired_gains(*both, resamples)[""], SETTINGS).passed


@pytest.mark.parametrize("measure", ["money_saved", "precision", "f1", "average_precision"])
def test_a_better_model_is_promoted_and_a_worse_one_refused_by_any_measure(weak, strong, measure):
    settings = replace(SETTINGS, measure=measure)
    better, worse = verdict(weak, strong, settings), verdict(strong, weak, settings)
    assert better.decision == "promote", better.reasons
    assert better.reasons == ()
    assert better.check("gain").low > better.check("gain").bound >= 0.0
    assert worse.decision == "refuse"
    assert worse.check("gain").high < 0.0


def test_the_model_itself_is_refused(strong):
    judged = verdict(strong, strong)
    assert judged.decision == "refuse"
    assert judged.check("gain").figure == judged.check("gain").low == 0.0


def test_too_few_frauds_make_it_abstain_whatever_else_is_wrong(weak, strong):
    settings = replace(SETTINGS, fewest_positives=int(strong.target.sum()) + 1)
    for challenger, champion in ((strong, weak), (weak, strong)):
        judged = verdict(champion, challenger, settings)
        assert judged.decision == "abstain"
        assert "are needed" in judged.reasons[0]
    assert verdict(weak, strong, replace(settings, fewest_positives=int(strong.target.sum()))).decision == "promote"


def test_a_window_without_a_fraud_abstains(weak, strong):
    none = [replace(some, target=np.zeros(len(some), dtype=bool)) for some in (weak, strong)]
    for measure in ("money_saved", "precision", "f1", "average_precision"):
        judged = verdict(*none, replace(SETTINGS, measure=measure))
        assert judged.decision == "abstain"
        json.dumps(judged.to_dict(), allow_nan=False)


def test_the_margin_must_be_exceeded(weak, strong):
    gain = verdict(weak, strong).check("gain")
    share = gain.low / verdict(weak, strong).figures["champion"]
    assert only_failed(verdict(weak, strong, replace(SETTINGS, margin=share * 1.01))) == "gain"
    assert verdict(weak, strong, replace(SETTINGS, margin=share * 0.99)).decision == "promote"


def test_harm_in_one_segment_refuses_a_model_that_gains_overall():
    traffic = Traffic(2)
    weak, strong = traffic.model(2.2), traffic.model(5.0)
    channel = np.where(traffic.card % 4 == 0, "shop", "online").astype(object)
    mixed = replace(strong, raw=np.where(channel == "shop", -strong.raw - 6.0, strong.raw))
    segmented = [segmented_by(some, channel) for some in (weak, mixed)]
    judged = verdict(*segmented)
    assert only_failed(judged) == "segments"
    assert "channel: shop" in judged.reasons[0]
    assert "channel: online" not in judged.reasons[0]
    assert verdict(weak, mixed).decision == "promote"
    assert verdict(segmented_by(weak, channel), segmented_by(strong, channel)).decision == "promote"


def segmented_by(predictions, channel):
    return replace(predictions, segments={"channel": channel})


def test_a_row_counts_for_as_many_as_it_stands_for(weak, strong):
    weight = np.where(np.arange(len(strong)) % 3 == 0, 4.0, 1.0).astype(np.float32)
    repeated = np.repeat(np.arange(len(strong)), weight.astype(int))
    settings = replace(SETTINGS, measure="average_precision")
    weighted = verdict(weak, replace(strong, weight=weight), settings)
    assert weighted.figures["challenger"] == pytest.approx(
        average_precision(strong.target[repeated], strong.raw[repeated])
    )


def test_segments_with_few_frauds_are_not_judged(traffic, weak, strong):
    channel = np.where(np.arange(len(strong)) < 40, "shop", "online").astype(object)
    names = [check.name for check in verdict(*[segmented_by(some, channel) for some in (weak, strong)]).segments]
    assert names == ["channel: online"]


@pytest.mark.parametrize("worth", [0.2, 8.0])
def test_probabilities_that_announce_too_much_or_too_little_refuse(weak, strong, worth):
    off = replace(strong, score=np.clip(strong.score * worth, 0.0, 0.999))
    judged = verdict(weak, off)
    assert judged.decision == "refuse"
    assert not judged.check("calibration").passed


def test_probabilities_worse_than_the_rate_of_fraud_refuse(weak, strong):
    blind = np.where(strong.target, 0.0, strong.target.mean() / (1.0 - strong.target.mean()))
    assert only_failed(verdict(weak, replace(strong, score=blind))) == "brier"


def test_a_slow_model_is_refused(weak, strong):
    assert only_failed(verdict(weak, strong, microseconds_per_row=500.1)) == "latency"
    assert verdict(weak, strong, microseconds_per_row=500.0).decision == "promote"


def test_money_is_that_of_the_cost_matrix(weak, strong):
    costs = CostMatrix(review_cost=300.0, chargeback_fee=1000.0, loss_share=0.5, recovered_share=0.8)
    judged = verdict(weak, strong, replace(SETTINGS, costs=costs))
    alert = strong.raw >= judged.figures["thresholds"]["challenger"]
    caught = strong.amount[alert & strong.target]
    expected = 0.8 * (0.5 * caught + 1000.0).sum() - 300.0 * alert.sum()
    assert judged.figures["challenger"] == pytest.approx(expected)
    assert alert.sum() == judged.figures["alerts"] == int(0.05 * len(strong))


def test_the_budget_may_be_alerts_a_day(weak, strong):
    judged = verdict(weak, strong, replace(SETTINGS, budget=AlertBudget(alerts_per_day=11)))
    assert judged.figures["alerts"] == 77


def test_other_rows_cannot_be_compared(weak, strong):
    with pytest.raises(DataError, match="amount differs"):
        verdict(weak, replace(strong, amount=strong.amount + 1))


def test_equal_arguments_give_an_equal_verdict(weak, strong):
    assert verdict(weak, strong).to_dict() == verdict(weak, strong).to_dict()
    assert gate_markdown(verdict(weak, strong)) == gate_markdown(verdict(weak, strong))


def test_the_page_says_why(weak, strong):
    refused = verdict(strong, weak, opponent="version 7", notes=["something else"])
    page = gate_markdown(refused)
    assert page.startswith("# Refused\n")
    assert "version 7" in page
    assert f"- {refused.reasons[0]}" in page
    assert "| gain | **no** |" in page
    assert "Note: something else" in page


@pytest.mark.parametrize(
    "wrong",
    [{"margin": -0.1}, {"level": 1.0}, {"measure": "accuracy"}, {"resamples": 400}, {"calibration_factor": 0.5}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=f"gate.{next(iter(wrong))}"):
        GateSettings(**wrong)


class TestFigures:
    def test_a_bound_rests_on_draws_that_define_the_gain(self):
        drawn = np.arange(200.0).reshape(2, 100) + 1.0
        assert Gains(0.0, 1.0, 1.0, drawn).bound(0.0) == 1.0
        drawn[1, :6] = np.nan
        assert np.isnan(Gains(0.0, 1.0, 1.0, drawn).bound(0.0))
        assert not gate._gain(Gains(0.0, 1.0, 1.0, drawn), SETTINGS).passed

    def test_no_more_alerts_than_allowed_and_ties_stay_below(self):
        raw = np.array([5.0, 4.0, 4.0, 3.0])
        assert [int((raw >= threshold_for_alerts(raw, n)).sum()) for n in range(6)] == [0, 1, 1, 3, 4, 4]

    def test_average_precision_with_weights_is_that_of_repeated_rows(self, strong):
        raw = np.round(strong.raw, 1)
        scored = replace(strong, raw=raw)
        weight = np.random.default_rng(3).integers(0, 4, len(raw))
        measure = measure_of("average_precision", scored, 0.0, raw, np.arange(len(raw)))
        repeated = np.repeat(np.arange(len(raw)), weight)
        assert measure(weight[None, :].astype(float))[0] == pytest.approx(
            average_precision(strong.target[repeated], raw[repeated])
        )
