import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

from paywarden.errors import DataError
from paywarden.evaluation.metrics import average_precision, evaluate
from paywarden.evaluation.splits import choose_split
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.reasons import ReasonBook, ReasonTemplate
from paywarden.scoring.scorer import Scorer
from paywarden.training.encoding import encode_in_time_order, overall_smoothing
from paywarden.training.thresholds import AlertBudget
from paywarden.training.trainer import TrainingSettings, train


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


def test_the_alert_budget_holds_on_validation(dataset, split, settings):
    budget = AlertBudget(alerts_per_day=3)
    result = train(dataset, split, dataclasses.replace(settings, budget=budget))
    assert 0 < result.validation.alerts <= 3 * split.calibration.days


def test_labels_that_arrive_after_the_cutoff_change_nothing_in_training(build, labels, split, settings, result):
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


def test_labels_after_the_validation_cutoff_leave_the_model_as_it_is(build, labels, split, settings, result):
    """Analysts clear every second fraud, one millisecond after the validation cut-off or, if it is later, at once."""
    cleared = labels.filter(pa.array(np.arange(labels.num_rows) % 2 == 0))
    cleared_at = pa.array(np.maximum(cleared["received_at"].to_numpy(), split.validation_cutoff + 1))
    verdicts = pa.table(
        {
            "transaction_id": cleared["transaction_id"],
            "labelled_at": cleared_at,
            "received_at": cleared_at,
            "is_fraud": np.zeros(cleared.num_rows, dtype=bool),
            "source": ["analyst"] * cleared.num_rows,
            "pattern": pa.nulls(cleared.num_rows, pa.string()),
        }
    )
    other = train(build(pa.concat_tables([labels, verdicts])), split, settings)
    assert other.bundle.booster_bytes == result.bundle.booster_bytes
    assert other.bundle.policy == result.bundle.policy
    assert other.bundle.calibrator == result.bundle.calibrator
    assert other.validation == result.validation
    assert other.test.frauds < 0.75 * result.test.frauds  # the test window does see them


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


def test_a_category_that_matters_is_learnt_and_served_as_measured(build, transactions, split, settings):
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
    without = dataclasses.replace(settings, compromised_days=None)
    dataset = with_codes(build(labels), codes)
    result = train(dataset, split, without)
    assert train(build(labels), split, without).test.average_precision < 0.2
    assert result.test.average_precision > 0.6
    bundle = ModelBundle.from_files(result.bundle.to_files())
    rows = np.flatnonzero(np.isin(dataset.occurred_at, result.test_predictions.occurred_at))
    assert np.array_equal(Scorer(bundle).score(dataset.features[rows]).raw, result.test_predictions.raw)
    table = bundle.encoder.tables["category_code"]
    assert table.codes == tuple(range(100, 112))
    assert np.argmax(table.rates) == 5
    assert bundle.training["settings"]["encoding_strength"] == without.encoding_strength


def test_a_window_without_fraud_is_named(build, labels, split, settings):
    early = labels.filter(pa.array(labels["received_at"].to_numpy() < split.selection.start))
    with pytest.raises(DataError, match="The selection window has 0 frauds"):
        train(build(early), split, settings)


def test_the_settings_are_json():
    assert json.loads(json.dumps(TrainingSettings().to_dict()))["booster"]["kind"] == "xgboost"
