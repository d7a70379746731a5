"""Small histories by hand, and generated ones held against an oracle that weighs every label for every row."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.errors import ConfigurationError, DataError
from paywarden.scoring.encoding import CODE_END
from paywarden.training.dataset import Dataset
from paywarden.training.encoding import (
    FEWEST_OF_A_CATEGORY,
    Smoothing,
    encode_in_time_order,
    fit_encoder,
    fit_places,
    overall_smoothing,
)

DELAY = 10
NAN = math.nan
WEIGHT = {"analyst": 3, "issuer_report": 2, "chargeback": 1}
LABELS = pa.schema(
    {
        "transaction_id": pa.string(),
        "labelled_at": pa.int64(),
        "received_at": pa.int64(),
        "is_fraud": pa.bool_(),
        "source": pa.string(),
    }
)
SMOOTHING = Smoothing(prior=0.25, strength=4.0)  # one fraud in four transactions


def history(rows, labels=(), delay=DELAY):
    """Transactions of (id, occurred_at, code, declined), labels of (id, labelled_at, received_at, is_fraud, source)."""
    ids, occurred_at, codes, declined = (list(column) for column in zip(*rows, strict=True))
    features = np.array([[0.5, code] for code in codes], dtype=np.float32)
    return Dataset(
        features=features,
        feature_names=("hour", "category_code"),
        contract_digest="c" * 64,
        state_layout_digest="s" * 64,
        transaction_ids=pa.chunked_array([pa.array(ids, pa.string())]),
        occurred_at=np.array(occurred_at, dtype=np.int64),
        card=np.full(len(ids), -1, dtype=np.int64),
        amount=np.ones(len(ids), dtype=np.int64),
        censored=np.array(declined, dtype=bool),
        weight=np.ones(len(ids), dtype=np.float32),
        labels=pa.Table.from_pylist([dict(zip(LABELS.names, label, strict=True)) for label in labels], schema=LABELS),
        as_of=10_000,
        label_delay_ms=delay,
    )


def in_time_order(dataset):
    return encode_in_time_order(dataset, np.arange(len(dataset)), SMOOTHING)[:, 1].tolist()


def rate(frauds, known):
    return pytest.approx((frauds + 0.25 * 4) / (known + 4), abs=1e-7)


def asked_at(times, before, labels=()):
    """The encoding of code 7 at these times, after the rows `before`."""
    probes = [(f"probe{at}", at, 7, True) for at in times]  # declined, so that they never become known themselves
    return in_time_order(history([*before, *probes], labels))[len(before) :]


def test_a_silent_transaction_counts_after_its_maturity():
    assert asked_at([109, 110, 111], [("a", 100, 7, False)]) == [rate(0, 0), rate(0, 0), rate(0, 1)]


def test_a_fraud_counts_once_its_label_has_arrived():
    late = [("a", 1, 130, True, "chargeback")]
    found = asked_at([111, 130, 131], [("a", 100, 7, False)], late)
    assert found == [rate(0, 1), rate(0, 1), rate(1, 1)]


def test_a_prompt_label_waits_for_the_maturity_of_its_fellows():
    prompt = [("a", 1, 101, True, "analyst")]
    assert asked_at([102, 110, 111], [("a", 100, 7, False)], prompt) == [rate(0, 0), rate(0, 0), rate(1, 1)]


def test_a_verdict_can_turn_and_turn_back():
    labels = [
        ("a", 1, 120, True, "chargeback"),
        ("a", 2, 140, False, "analyst"),
        ("a", 3, 160, True, "issuer_report"),  # later, but the analyst outweighs it
        ("a", 4, 180, True, "analyst"),
    ]
    found = asked_at([121, 141, 161, 181], [("a", 100, 7, False)], labels)
    assert found == [rate(1, 1), rate(0, 1), rate(0, 1), rate(1, 1)]


def test_a_declined_transaction_counts_only_when_labelled():
    found = asked_at([111, 200, 201], [("a", 100, 7, True)], [("a", 1, 200, True, "analyst")])
    assert found == [rate(0, 0), rate(0, 0), rate(1, 1)]


def test_a_category_that_turns_bad_is_encoded_by_its_past_only():
    """A transaction every 20 ms, mature 10 ms later: four are genuine, the next four are frauds, told at maturity."""
    rows = [(f"t{k}", 20 * k, 7, False) for k in range(9)]
    labels = [(f"t{k}", 1, 20 * k + 10, True, "chargeback") for k in range(4, 8)]
    before = [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (2, 6), (3, 7), (4, 8)]
    assert in_time_order(history(rows, labels)) == [rate(*counts) for counts in before]


def test_categories_do_not_mix_and_the_order_of_rows_is_free():
    rows = [("d", 300, 8, False), ("c", 300, 7, False), ("b", 100, 8, False), ("a", 100, 7, False)]
    labels = [("a", 1, 105, True, "chargeback")]
    assert in_time_order(history(rows, labels)) == [rate(0, 1), rate(1, 1), rate(0, 0), rate(0, 0)]


def test_unique_codes_get_exactly_the_prior():
    random = np.random.default_rng(4)
    rows = [(f"t{k}", int(at), k, False) for k, at in enumerate(random.integers(0, 5000, 400))]
    labels = [(f"t{k}", 1, 5000, True, "chargeback") for k in range(0, 400, 7)]
    dataset = history(rows, labels)
    smoothing = overall_smoothing(dataset, 6000)
    encoded = encode_in_time_order(dataset, np.arange(400), smoothing)
    assert smoothing.prior == pytest.approx(58 / 400)
    assert set(encoded[:, 1].tolist()) == {smoothing.prior}


def test_an_absent_code_stays_absent_and_teaches_nothing():
    dataset = history([("a", 0, NAN, False), ("b", 500, NAN, False), ("c", 500, 0, False)])
    found = in_time_order(dataset)
    assert np.isnan(found[:2]).all()
    assert found[2] == rate(0, 0)
    assert fit_encoder(dataset, 1000, SMOOTHING).tables["category_code"].codes == (0,)


def test_other_columns_and_the_data_set_stay_as_they_are():
    dataset = history([("a", 0, 7, False), ("b", 500, 7, False)])
    encoded = encode_in_time_order(dataset, np.array([1]), SMOOTHING)
    assert encoded.tolist() == [[0.5, rate(0, 1)]]
    assert encoded.dtype == np.float32
    assert dataset.features[:, 1].tolist() == [7, 7]
    plain = dataclasses.replace(dataset, feature_names=("hour", "weekday"))
    assert np.array_equal(encode_in_time_order(plain, np.array([1, 0]), SMOOTHING), dataset.features[[1, 0]])
    assert fit_encoder(plain, 1000, SMOOTHING).tables == {}


def test_the_table_is_that_of_its_moment():
    rows = [("a", 0, 7, False), ("b", 0, 7, False), ("c", 0, 9, False), ("d", 95, 9, False)]
    dataset = history(rows, [("b", 1, 50, True, "chargeback"), ("c", 1, 101, True, "chargeback")])
    table = fit_encoder(dataset, 100, SMOOTHING).tables["category_code"]
    assert table.codes == (7, 9)
    assert table.rates == (rate(1, 2), rate(0, 1))
    assert table.prior == 0.25
    assert overall_smoothing(dataset, 100).prior == pytest.approx(1 / 3)
    assert overall_smoothing(dataset, 5).prior == 0.0  # nothing is known yet


@pytest.mark.parametrize("value", [-1, 0.5, CODE_END, math.inf])
def test_a_code_column_with_other_values_is_named(value):
    with pytest.raises(DataError, match="'category_code' ends in _code"):
        fit_encoder(history([("a", 0, value, False)]), 1000, SMOOTHING)


@pytest.mark.parametrize("strength", [0.0, -1.0, math.inf, math.nan])
def test_smoothing_without_strength_is_refused(strength):
    with pytest.raises(ConfigurationError, match="strength"):
        Smoothing(0.1, strength)


IDS = st.sampled_from(["a", "b", "c", "d", "e"])
TIMES = st.integers(0, 40)
ROWS = st.tuples(IDS, TIMES, st.sampled_from([0, 1, CODE_END - 1, NAN]), st.booleans())
LABEL = st.tuples(IDS, st.integers(0, 3), st.integers(0, 60), st.booleans(), st.sampled_from([*WEIGHT, "rumour"]))


def naive(rows, labels, delay):
    """Each row's rate, by weighing for it every label of every transaction."""
    return [NAN if math.isnan(row[2]) else naive_rate(row, rows, labels, delay) for row in rows]


def naive_rate(row, rows, labels, delay):
    _, now, code, _ = row
    known = frauds = 0
    for other, occurred_at, its_code, declined in rows:
        if its_code != code or occurred_at + delay >= now:
            continue
        said = [
            (WEIGHT.get(source, 0), labelled_at, received_at, place, is_fraud)
            for place, (who, labelled_at, received_at, is_fraud, source) in enumerate(labels)
            if who == other and received_at < now
        ]
        known += bool(said) or not declined
        frauds += max(said)[-1] if said else 0
    return (frauds + 0.25 * 4) / (known + 4)


@given(rows=st.lists(ROWS, min_size=1, max_size=14), labels=st.lists(LABEL, max_size=10), delay=st.integers(0, 9))
def test_the_encoding_is_that_of_the_oracle(rows, labels, delay):
    found = in_time_order(history(rows, labels, delay))
    assert found == pytest.approx(naive(rows, labels, delay), abs=1e-7, nan_ok=True)


@given(rows=st.lists(ROWS, min_size=1, max_size=14), labels=st.lists(LABEL, max_size=10), delay=st.integers(0, 9))
def test_a_row_is_encoded_as_by_the_table_of_the_moment_before(rows, labels, delay):
    dataset = history(rows, labels, delay)
    for row, encoded in enumerate(in_time_order(dataset)):
        encoder = fit_encoder(dataset, int(dataset.occurred_at[row]) - 1, SMOOTHING)
        assert np.array_equal(encoder.apply(dataset.feature_names, dataset.features[[row]])[0, 1], encoded, True)


@given(
    rows=st.lists(ROWS, min_size=2, max_size=14),
    labels=st.lists(LABEL, max_size=10),
    now=TIMES,
    delay=st.integers(0, 9),
)
def test_what_comes_later_changes_no_row(rows, labels, now, delay):
    """Labels that arrive at `now` or later, and transactions of that time, are struck out; earlier rows stay."""
    earlier = [row for row in rows if row[1] <= now]
    heard = [label for label in labels if label[2] < now]
    if earlier:
        whole = in_time_order(history(rows, labels, delay))
        kept = [rate for rate, row in zip(whole, rows, strict=True) if row[1] <= now]
        assert np.array_equal(in_time_order(history(earlier, heard, delay)), kept, equal_nan=True)


def test_places_go_by_frequency_in_training_and_rare_codes_have_none():
    counts = {5: FEWEST_OF_A_CATEGORY, 2: FEWEST_OF_A_CATEGORY + 1, 9: FEWEST_OF_A_CATEGORY - 1, NAN: 50}
    codes = [code for code, count in counts.items() for _ in range(count)]
    dataset = history([(f"t{row}", row, code, False) for row, code in enumerate(codes + [9] * 30)])
    tables = fit_places(dataset, np.arange(len(codes))).tables
    assert tables["category_code"].codes == (2, 5)
