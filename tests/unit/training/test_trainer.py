import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

from paywarden.errors import ConfigurationError, DataError
from paywarden.evaluation.costs import CostMatrix, money_saved
from paywarden.evaluation.metrics import average_precision, evaluate
from paywarden.evaluation.splits import choose_split
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.reasons import ReasonBook, ReasonTemplate
from paywarden.scoring.scorer import Scorer
from paywarden.training.boosters import XGBoostTrainer, trainer_of
from paywarden.training.encoding import encode_in_time_order, overall_smoothing
from paywarden.training.imbalance import STRATEGIES, Resampling, treat
from paywarden.training.thresholds import AlertBudget, ExpectedCost, MinimumPrecision
from paywarden.training.trainer import TrainingSettings, evenly_spaced, train
from paywarden.training.tuning import TuningSettings


@pytest.fixture(scope="module")
def split(dataset):
    return choose_split(int(dataset.occurred_at.min()), dataset.as_of, dataset.label_delay_ms)


@pytest.fixture(scope="module")
def result(dataset, split, settings):
    return train(dataset, split, settings, data_versions={"transactions": 4})


def test_training_twice_gives_equal_bytes(dataset, split, settings, result):
    again = train(dataset, split, settings, data_versions={"transactions": 4})
    assert again.bundle.to_files() == result.bundle.to_files()
    assert again.bundle.digest == result.bundle.digest


def test_the_model_finds_what_is_there_to_find(result):
    assert result.test.frauds > 20
    assert result.test.average_precision > 0.4  # a coin finds 0.05
    assert result.test.roc_auc > 0.85


def test_the_bundle_serves_as_it_was_measured(dataset, split, result):
    bundle = ModelBundle.from_files(result.bundle.to_files())
    rows = np.flatnonzero(np.isin(dataset.occurred_at, result.test_predictions.occurred_at))
    scores = Scorer(bundle).score(dataset.features[rows])
    assert np.array_equal(scores.raw, result.test_predictions.raw)
    assert np.array_equal(scores.score, result.test_predictions.score)
    assert (scores.decision > 0).sum() == result.test.alerts
    assert bundle.metrics["test"] == json.loads(json.dumps(result.test.to_dict()))
    assert evaluate(result.test_predictions, bundle.policy.review_threshold) == result.test
    assert bundle.training["split"] == json.loads(json.dumps(split.to_dict()))
    assert bundle.data_versions == {"transactions": 4}
    assert split.test.contains(result.test_predictions.occurred_at).all()


def test_the_sample_is_what_the_booster_was_given(result):
    booster, sample = result.bundle.load_booster(), result.test_sample
    assert np.array_equal(booster.predict_margin(sample), result.test_predictions.raw)
    many = np.arange(2_001, dtype=np.float32)[:, None]
    assert evenly_spaced(many, 2_000)[:, 0].tolist() == list(range(0, 2_001, 2))
    assert len(evenly_spaced(many, 2_001)) == 2_001
    assert len(evenly_spaced(many[:0], 5)) == 0


def test_money_is_counted_by_the_costs_that_were_given(dataset, split, settings, result):
    costs = CostMatrix(review_cost=20, chargeback_fee=9_000, recovered_share=0.5)
    dear = train(dataset, split, dataclasses.replace(settings, costs=costs))
    threshold = dear.bundle.policy.review_threshold
    assert dear.test.costs == dear.bundle.training["settings"]["costs"] == costs.to_dict()
    assert dear.test.money_saved == money_saved(dear.test_predictions, threshold, costs) != result.test.money_saved
    own = ExpectedCost(CostMatrix(review_cost=30))
    chosen = train(dataset, split, dataclasses.replace(settings, costs=costs, thresholds=own))
    assert chosen.test.costs == own.costs.to_dict()


def test_the_alert_budget_holds_on_validation(dataset, split, settings):
    budget = AlertBudget(alerts_per_day=3)
    result = train(dataset, split, dataclasses.replace(settings, budget=budget))
    assert 0 < result.validation.alerts <= 3 * split.calibration.days


THOROUGH = {
    "strategies": STRATEGIES,
    "resampling": Resampling(ratio=0.2),
    "calibration": "auto",
    "compromised_days": None,
}


@pytest.fixture(scope="module")
def thorough(settings):
    """Everything that looks at labels: all strategies, tuning, a choice of calibrators, thresholds by precision."""
    return dataclasses.replace(settings, **THOROUGH, thresholds=MinimumPrecision(0.3, 0.6), tuning=TuningSettings(4))


@pytest.fixture(scope="module")
def thorough_result(dataset, split, thorough):
    return train(dataset, split, thorough, data_versions={"transactions": 4})


def test_two_runs_with_everything_give_equal_bytes(dataset, split, thorough, thorough_result):
    again = train(dataset, split, thorough, data_versions={"transactions": 4})
    assert again.bundle.to_files() == thorough_result.bundle.to_files()
    assert again.strategies == thorough_result.strategies
    assert len(again.tuning.trials) == 4


def test_two_tuned_runs_with_smote_give_equal_bytes(dataset, split, settings):
    codes = np.random.default_rng(8).integers(0, 9, len(dataset))
    pinned = dataclasses.replace(settings, imbalance="smote", strategies=("smote",), tuning=TuningSettings(2))
    bundles = [train(with_codes(dataset, codes), split, pinned).bundle for _ in range(2)]
    assert bundles[0].to_files() == bundles[1].to_files()
    assert bundles[0].training["strategy"] == "smote"


def test_strategies_stand_side_by_side_and_the_best_by_selection_is_taken(dataset, split, thorough_result):
    figures = {some.strategy: some for some in thorough_result.strategies}
    assert tuple(figures) == STRATEGIES
    best = max(thorough_result.strategies, key=lambda some: some.selection.average_precision)
    assert [some.strategy for some in thorough_result.strategies if some.chosen] == [best.strategy]
    assert thorough_result.bundle.training["strategy"] == best.strategy
    frauds = figures["none"].train_frauds
    assert figures["smote"].train_frauds > frauds == figures["undersampling"].train_frauds
    assert figures["undersampling"].train_rows < figures["none"].train_rows == figures["class_weight"].train_rows
    assert figures["none"].prior_offset == 0.0
    assert max(some.prior_offset for some in thorough_result.strategies[1:]) < -1.0
    recorded = thorough_result.bundle.training["strategies"]
    assert recorded == [some.to_dict() for some in thorough_result.strategies]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_pinned_strategy_is_used_and_its_probabilities_are_honest(dataset, split, settings, strategy):
    pinned = dataclasses.replace(settings, imbalance=strategy, resampling=Resampling(ratio=0.5))
    result = train(dataset, split, pinned)
    chosen = next(some for some in result.strategies if some.chosen)
    assert chosen.strategy == result.bundle.training["strategy"] == strategy
    assert result.test_predictions.score.mean() == pytest.approx(result.test_predictions.target.mean(), rel=0.3)
    assert chosen.test.average_precision == result.test.average_precision
    assert chosen.test.brier == pytest.approx(result.test.brier)
    scores = Scorer(result.bundle).score(
        dataset.features[np.isin(dataset.occurred_at, result.test_predictions.occurred_at)]
    )
    assert np.array_equal(scores.score, result.test_predictions.score)


def test_a_strategy_that_cannot_be_applied_is_left_out_with_a_word(dataset, split, settings):
    common = dataclasses.replace(settings, strategies=STRATEGIES, resampling=Resampling(ratio=0.01))
    result = train(dataset, split, common)
    assert [some.strategy for some in result.strategies] == ["none", "class_weight"]
    assert [words.split(" was left out")[0] for words in result.warnings] == [
        "The imbalance strategy undersampling",
        "The imbalance strategy smote",
    ]
    with pytest.raises(DataError, match="nothing to resample"):
        train(dataset, split, dataclasses.replace(common, imbalance="smote"))


def test_resampling_sees_training_rows_only(dataset, split, settings, monkeypatch):
    seen = []

    def watched(strategy, examples, *arguments):
        seen.append(examples)
        return treat(strategy, examples, *arguments)

    monkeypatch.setattr("paywarden.training.strategies.treat", watched)
    train(dataset, split, dataclasses.replace(settings, strategies=STRATEGIES, resampling=Resampling(ratio=0.2)))
    inside = dataset.features[split.train.contains(dataset.occurred_at)]
    assert len(seen) == len(STRATEGIES)
    for examples in seen:
        assert np.array_equal(examples.features, inside, equal_nan=True)


def test_weights_of_rows_reach_the_booster(dataset, split, settings):
    def weighing(weight):
        return train(dataclasses.replace(dataset, weight=weight.astype(np.float32)), split, settings).bundle

    plain = train(dataset, split, settings).bundle
    assert weighing(np.where(dataset.features[:, 3] > 0, 5, 1)).booster_bytes != plain.booster_bytes
    assert weighing(np.ones(len(dataset))).to_files() == plain.to_files()


MODEL = ("booster_bytes", "calibrator", "encoder", "policy", "feature_names")
"""What decides. Beside it a bundle holds figures, which later labels do correct."""


def disturbances(labels, affected):
    """Of the labels that are affected (bool [n]) most deleted, all turned, and all shuffled among transactions."""
    yield "deleted", labels.filter(pa.array(~affected | (np.arange(len(affected)) % 5 == 0)))
    turned = labels["is_fraud"].to_numpy(zero_copy_only=False) ^ affected
    yield "turned", labels.set_column(labels.column_names.index("is_fraud"), "is_fraud", pa.array(turned))
    ids = labels["transaction_id"].to_numpy(zero_copy_only=False).copy()
    ids[affected] = np.random.default_rng(1).permutation([f"t{row}" for row in range(6000)])[: affected.sum()]
    yield "shuffled", labels.set_column(0, "transaction_id", pa.array(ids))


@pytest.fixture(scope="module")
def belated(transactions, labels, split):
    """A second voice on every fourth transaction, an analyst's, at any time from hours to weeks after it."""
    some = transactions.filter(pa.array(np.arange(len(transactions)) % 4 == 0))
    random = np.random.default_rng(17)
    arrival = some["occurred_at"].to_numpy() + random.integers(3_600_000, 25 * 86_400_000, len(some))
    told = pa.table(
        {
            "transaction_id": some["transaction_id"],
            "labelled_at": arrival,
            "received_at": arrival,
            "is_fraud": random.random(len(some)) < 0.3,
            "source": ["analyst"] * len(some),
            "pattern": pa.nulls(len(some), pa.string()),
        }
    )
    return pa.concat_tables([labels, told])


def coded(dataset):
    """With a category, whose rates are learnt from labels too."""
    return with_codes(dataset, np.random.default_rng(23).integers(0, 12, len(dataset)))


def test_labels_that_arrive_after_the_validation_cutoff_change_no_byte_of_the_model(build, belated, split, thorough):
    late = belated["received_at"].to_numpy() > split.validation_cutoff
    assert late.sum() > 300
    model = train(coded(build(belated)), split, thorough)
    for how, labels in disturbances(belated, late):
        other = train(coded(build(labels)), split, thorough)
        for part in MODEL:
            assert getattr(other.bundle, part) == getattr(model.bundle, part), (how, part)
        assert other.validation == model.validation
        assert other.tuning == model.tuning
        assert other.test != model.test, how  # the test window does see them


def test_labels_of_training_rows_that_arrive_after_the_training_cutoff_change_no_byte_of_the_model(
    build, belated, transactions, split, thorough
):
    """Those of later rows may arrive after it: they judge what was trained."""
    occurred_at = dict(
        zip(transactions["transaction_id"].to_pylist(), transactions["occurred_at"].to_pylist(), strict=True)
    )
    subject_at = np.array([occurred_at[name] for name in belated["transaction_id"].to_pylist()])
    late = (belated["received_at"].to_numpy() > split.train_cutoff) & (subject_at < split.train.end)
    assert late.sum() > 300
    model = train(coded(build(belated)), split, thorough)
    for how, labels in list(disturbances(belated, late))[:2]:
        assert train(coded(build(labels)), split, thorough).bundle.to_files() == model.bundle.to_files(), how


def test_a_label_in_time_does_change_the_model(build, belated, split, thorough):
    """The test of the tests above."""
    early = belated["received_at"].to_numpy() <= split.train_cutoff
    model = train(coded(build(belated)), split, thorough)
    for how, labels in disturbances(belated, early):
        if how != "deleted":
            assert train(coded(build(labels)), split, thorough).bundle.booster_bytes != model.bundle.booster_bytes, how


def test_labels_after_the_training_cutoff_reach_no_training_row(build, labels, split, settings):
    """Every genuine transaction is called a fraud, one millisecond after the training cut-off."""
    everyone = pa.table(
        {
            "transaction_id": [f"t{row}" for row in range(6000)],
            "labelled_at": np.full(6000, split.train_cutoff + 1),
            "received_at": np.full(6000, split.train_cutoff + 1),
            "is_fraud": np.ones(6000, dtype=bool),
            "source": ["analyst"] * 6000,
            "pattern": ["invented"] * 6000,
        }
    )
    disturbed = build(pa.concat_tables([labels, everyone]))
    before, after = build(labels).verdicts_at(split.train_cutoff), disturbed.verdicts_at(split.train_cutoff)
    for field in ("fraud", "labelled", "mature", "known", "pattern"):
        assert np.array_equal(getattr(before, field), getattr(after, field))
    with pytest.raises(DataError, match="The selection window"):  # there the same labels do count: all are frauds
        train(disturbed, split, dataclasses.replace(settings, compromised_days=None))


def test_tuned_hyperparameters_are_used_and_recorded(dataset, split, thorough_result):
    tuning, training = thorough_result.tuning, thorough_result.bundle.training
    assert training["tuning"] == tuning.to_dict()
    assert training["settings"]["tuning"] == {"folds": 2, "trials": 4}
    told = []
    settings = dataclasses.replace(
        TrainingSettings(
            XGBoostTrainer(max_depth=3, max_rounds=40, early_stopping_rounds=10, threads=1), compromised_days=None
        ),
        tuning=TuningSettings(3),
    )
    tuned = train(dataset, split, settings, on_trial=told.append)
    assert [trial.number for trial in told] == [0, 1, 2]
    by_hand = dataclasses.replace(
        settings, tuning=None, booster=settings.booster.with_parameters(**tuned.tuning.params)
    )
    assert train(dataset, split, by_hand).bundle.booster_bytes == tuned.bundle.booster_bytes


def test_a_budget_beyond_all_transactions_is_warned_of(dataset, split, settings, result):
    plenty = train(dataset, split, dataclasses.replace(settings, budget=AlertBudget(alerts_per_day=1000)))
    assert "everything becomes an alert" in plenty.warnings[0]
    assert result.warnings == ()


def test_cards_known_as_compromised_leave_the_later_windows(dataset, split, settings, result):
    everyone = train(dataset, split, dataclasses.replace(settings, compromised_days=None))
    assert everyone.test.rows > result.test.rows
    assert everyone.bundle.booster_bytes != b""
    gone = set(everyone.test_predictions.occurred_at) - set(result.test_predictions.occurred_at)
    known = dataset.fraud_known_at <= split.test.end
    compromised = set(dataset.card[known])
    assert {int(card) for at, card in zip(dataset.occurred_at, dataset.card, strict=True) if at in gone} <= compromised


def test_of_immature_rows_not_even_the_known_frauds_count(build, labels, split, settings):
    """Seen in the middle of the test window, with labels that arrive within the hour."""
    prompt = pa.array(labels["received_at"].to_numpy() - build(labels).label_delay_ms + 3_600_000)
    quick = labels.set_column(2, "received_at", prompt)
    as_of = split.test.start + build(labels).label_delay_ms + 2 * 86_400_000
    result = train(build(quick, as_of=as_of), split, settings)
    assert result.test_predictions.target.any()
    assert result.test_predictions.occurred_at.max() <= split.test.start + 2 * 86_400_000


def test_reasons_travel_with_the_bundle(dataset, split, settings, result):
    book = ReasonBook(3, {"card_count_1h": ReasonTemplate("CARD_VELOCITY", "{value:.0f} payments in 1 h")})
    bundle = train(dataset, split, settings, reasons=book).bundle
    worst = dataset.features[np.argsort(-Scorer(bundle).score(dataset.features).raw)[:3]]
    assert "CARD_VELOCITY" in {reason.code for reasons in Scorer(bundle).explain(worst) for reason in reasons}


def with_codes(dataset, codes):
    """The data set with a column of codes behind its features."""
    return dataclasses.replace(
        dataset,
        features=np.column_stack([dataset.features, codes.astype(np.float32)]),
        feature_names=(*dataset.feature_names, "category_code"),
    )


def train_average_precision(dataset, split, bundle):
    """AP of the booster on the vectors that it was fitted on."""
    rows = np.flatnonzero(split.train.contains(dataset.occurred_at))
    smoothing = overall_smoothing(dataset, split.train_cutoff)
    encoded = encode_in_time_order(dataset, rows, smoothing)
    return average_precision(dataset.target[rows], bundle.load_booster().predict_margin(encoded))


def test_a_column_of_ids_teaches_nothing(dataset, split, settings, result):
    """Encoded by its own outcome, a unique code would tell it: the classic leak of target encodings."""
    ids = with_codes(dataset, np.random.default_rng(3).permutation(len(dataset)))
    bundle = train(ids, split, settings).bundle
    assert train_average_precision(ids, split, bundle) == train_average_precision(dataset, split, result.bundle)
    assert len(bundle.encoder.tables["category_code"].codes) > 2500


@pytest.fixture(scope="module")
def bad_category(build, transactions):
    """Only the category tells frauds: 7 in 10 of one category of twelve, the same in every week."""
    codes = np.random.default_rng(8).integers(100, 112, len(transactions))
    fraud = (codes == 105) & (np.random.default_rng(9).random(len(codes)) < 0.7)
    arrival = transactions["occurred_at"].to_numpy()[fraud] + 3_600_000
    labels = pa.table(
        {
            "transaction_id": transactions["transaction_id"].filter(pa.array(fraud)),
            "labelled_at": arrival,
            "received_at": arrival,
            "is_fraud": np.ones(len(arrival), dtype=bool),
            "source": ["analyst"] * len(arrival),
            "pattern": ["cloned"] * len(arrival),
        }
    )
    return build(labels), codes


def test_a_category_that_matters_is_learnt_and_served_as_measured(bad_category, split, settings):
    without = dataclasses.replace(settings, compromised_days=None)
    plain, codes = bad_category
    dataset = with_codes(plain, codes)
    result = train(dataset, split, without)
    assert train(plain, split, without).test.average_precision < 0.2
    assert result.test.average_precision > 0.6
    bundle = ModelBundle.from_files(result.bundle.to_files())
    rows = np.flatnonzero(np.isin(dataset.occurred_at, result.test_predictions.occurred_at))
    assert np.array_equal(Scorer(bundle).score(dataset.features[rows]).raw, result.test_predictions.raw)
    table = bundle.encoder.tables["category_code"]
    assert table.codes == tuple(range(100, 112))
    assert np.argmax(table.rates) == 5
    assert bundle.training["settings"]["encoding_strength"] == without.encoding_strength


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "catboost"])
@pytest.mark.parametrize("imbalance", ["none", "smote"])
def test_a_category_left_to_the_booster_is_served_as_measured(bad_category, split, kind, imbalance):
    dataset = with_codes(*bad_category)
    booster = trainer_of(kind, max_rounds=10, early_stopping_rounds=0, threads=1)
    chosen = TrainingSettings(
        booster=booster, categories="native", imbalance=imbalance, resampling=Resampling(0.2), compromised_days=None
    )
    result = train(dataset, split, chosen)
    assert result.test.average_precision > 0.6
    bundle = ModelBundle.from_files(result.bundle.to_files())
    assert sorted(bundle.encoder.tables["category_code"].codes) == list(range(100, 112))
    rows = np.flatnonzero(np.isin(dataset.occurred_at, result.test_predictions.occurred_at))
    assert np.array_equal(Scorer(bundle).score(dataset.features[rows]).raw, result.test_predictions.raw)


def test_categories_are_left_only_to_who_takes_them():
    assert TrainingSettings(booster=trainer_of("catboost")).native
    assert not TrainingSettings().native
    with pytest.raises(ConfigurationError, match="ordered"):
        TrainingSettings(booster=trainer_of("logistic"), categories="native")


def test_a_window_without_fraud_is_named(build, labels, split, settings):
    early = labels.filter(pa.array(labels["received_at"].to_numpy() < split.selection.start))
    with pytest.raises(DataError, match="The selection window has 0 frauds"):
        train(build(early), split, settings)


def test_the_settings_are_json():
    assert json.loads(json.dumps(TrainingSettings().to_dict()))["booster"]["kind"] == "xgboost"


def test_the_share_let_through_is_the_policys_and_the_windows_say_who_is_mature(dataset, split, settings, result):
    shared = train(dataset, split, dataclasses.replace(settings, let_through_share=0.05))
    assert shared.bundle.policy == dataclasses.replace(result.bundle.policy, let_through_share=0.05)
    assert result.bundle.policy.let_through_share == 0.0
    counts = result.bundle.training["maturity"]["test"]
    inside = split.test.contains(dataset.occurred_at)
    assert counts["mature"] + counts["immature"] + counts["censored"] == inside.sum()
    assert counts["mature"] == (inside & dataset.mature & dataset.verdicts.known).sum()
    assert result.maturity.counts == dataset.maturity.counts
