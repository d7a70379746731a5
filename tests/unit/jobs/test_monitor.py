"""Ten quiet weeks raise no alarm; each injected change of a known kind is found within its delay."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.monitored import DELAY, deployment

from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.jobs.monitor import MonitorSettings, monitor
from paywarden.jobs.parity import Parity
from paywarden.monitoring.labels import delay_shift, label_flow
from paywarden.monitoring.reference import Reference
from paywarden.scoring.encoding import is_code

CHANGE = 30
"""The day on which something changes."""


@pytest.fixture(scope="module")
def served():
    return deployment()


def look(served, day, **changes):
    return monitor(served.observed(day, **changes), served.watched, MonitorSettings())


def found(monitored, *severities):
    return {(f.kind, f.subject) for f in monitored.findings if f.severity in (severities or ("alarm", "retrain"))}


def late(served, day=CHANGE):
    """Which transactions occurred after a day."""
    return served.transactions["occurred_at"].to_numpy() >= served.at(day)


def with_column(served, name, change):
    """The served vectors with a feature changed from the day of the change on."""
    vectors = served.vectors.copy()
    place = served.watched.bundle.feature_names.index(name)
    vectors[late(served), place] = change(vectors[late(served), place])
    return vectors


def frauds(served):
    """Which transactions a label ever calls fraud."""
    told = served.labels.filter(served.labels["is_fraud"])["transaction_id"].combine_chunks()
    return pc.is_in(served.transactions["transaction_id"], value_set=told).to_numpy(zero_copy_only=False)


@pytest.mark.parametrize("week", range(1, 11))
def test_ten_quiet_weeks_raise_no_alarm(served, week):
    monitored = look(served, 7 * week)
    assert monitored.verdict in ("quiet", "watch"), [f.sentence for f in monitored.findings]
    assert (monitored.performance is not None) == (week >= 4)
    assert len(monitored.drifts) == len(served.watched.bundle.feature_names) + 1
    for each in monitored.performance.weeks if monitored.performance else ():
        for name in ("average_precision", "recall", "precision"):
            value, low, high = each[name]
            assert low is None or low <= value <= high


def test_no_day_of_the_ten_weeks_raises_one(served):
    reference = Window(served.watched.reference.start, served.watched.reference.end)
    none = served.labels.slice(0, 0)
    for day in range(1, 71):
        quick = monitor(served.observed(day, labels=none, history=8), served.watched, MonitorSettings())
        labels = served.labels.filter(pc.less_equal(served.labels["received_at"], served.at(day)))
        told = [*label_flow(labels, served.at(day))[1], *delay_shift(labels, reference, served.at(day), DELAY)[1]]
        assert found(quick) | {(f.kind, f.subject) for f in told} == set(), day


def test_a_shifted_feature_is_found_within_two_days(served):
    monitored = look(served, CHANGE + 2, vectors=with_column(served, "amount", lambda v: v * 3))
    assert found(monitored) == {("drift", "amount")}
    assert monitored.verdict == "alarm"
    worst = max(monitored.drifts["amount"], key=lambda drift: drift.ratio)
    assert worst.ratio > 1
    assert worst.wasserstein > 1


def test_a_new_category_is_found_within_two_days(served):
    code = next(name for name in served.watched.bundle.feature_names if is_code(name))
    new = with_column(served, code, lambda v: np.where(np.arange(len(v)) % 20 == 0, 4242, v))
    monitored = look(served, CHANGE + 2, vectors=new)
    assert found(monitored) == {("new category", code)}
    assert "4242" in monitored.findings[0].sentence


def test_missing_values_are_found_within_two_days(served):
    blank = with_column(served, "card_mean_amount_7d", lambda v: np.where(np.arange(len(v)) % 5 == 0, np.nan, v))
    monitored = look(served, CHANGE + 2, vectors=blank)
    assert ("missing values", "card_mean_amount_7d") in found(monitored)
    assert monitored.verdict == "alarm"


def test_a_shift_of_the_scores_is_found_within_two_days(served):
    observed = served.observed(CHANGE + 2)
    decisions, place = observed.decisions, observed.decisions.column_names.index("raw_score")
    moved = np.where(decisions["occurred_at"].to_numpy() >= served.at(CHANGE), 1.5, 0.0)
    shifted = decisions.set_column(place, "raw_score", pc.add(decisions["raw_score"], pa.array(moved)))
    monitored = monitor(replace(observed, decisions=shifted), served.watched, MonitorSettings())
    assert found(monitored) == {("drift", "score")}
    assert sum(monitored.scores.before) == pytest.approx(1)
    assert sum(monitored.scores.late) == pytest.approx(1)
    assert monitored.scores.late[-1] > 1.5 * monitored.scores.before[-1]


def test_labels_that_take_twice_as_long_are_found_within_four_weeks(served):
    labels = served.labels
    occurred_at, received_at = labels["occurred_at"].to_numpy(), labels["received_at"].to_numpy()
    slower = np.where(occurred_at >= served.at(CHANGE), 2 * received_at - occurred_at, received_at)
    place = labels.column_names.index("received_at")
    monitored = look(served, CHANGE + 28, labels=labels.set_column(place, "received_at", pa.array(slower)))
    assert ("label delay", "labels") in found(monitored)
    assert monitored.shift.median_days > 1.5 * monitored.shift.median_days_before
    half = len(monitored.delays.days) // 2
    assert monitored.delays.days[half] == DELAY / DAY_MS / 2
    assert monitored.delays.late[half] < monitored.delays.before[half] - 0.1


def test_labels_that_stop_are_found_within_four_days(served):
    silent = served.labels.filter(pc.less(served.labels["received_at"], served.at(CHANGE)))
    monitored = look(served, CHANGE + 4, labels=silent)
    assert ("label flow", "labels") in found(monitored)
    assert monitored.verdict == "alarm"


def test_a_fraud_that_the_model_does_not_know_is_found_two_weeks_after_its_labels(served):
    """Four in five frauds look like genuine payments from a day on: no feature drifts, but fewer frauds are found."""
    vectors, unknown = served.vectors.copy(), np.flatnonzero(frauds(served) & late(served))
    unknown = unknown[np.arange(len(unknown)) % 5 > 0]
    genuine = np.flatnonzero(~frauds(served) & late(served))
    vectors[unknown] = vectors[genuine[: len(unknown)]]
    monitored = look(served, CHANGE + 14 + 14, vectors=vectors)
    assert ("performance", "average_precision") in found(monitored, "retrain")
    assert monitored.verdict == "retrain"


def test_a_pattern_that_is_no_longer_found_is_told_three_weeks_after_its_labels(served):
    """Cards used from far away look like genuine payments: a fifth of the frauds, too few to tell by the whole."""
    told = served.labels.filter(pc.equal(served.labels["pattern"], "geographic_anomaly"))["transaction_id"]
    far = pc.is_in(served.transactions["transaction_id"], value_set=told.combine_chunks()).to_numpy(
        zero_copy_only=False
    )
    vectors, unknown = served.vectors.copy(), np.flatnonzero(far & late(served))
    vectors[unknown] = vectors[np.flatnonzero(~frauds(served) & late(served))[: len(unknown)]]
    monitored = look(served, CHANGE + 14 + 21, vectors=vectors)
    assert ("segment", "pattern geographic_anomaly") in found(monitored, "retrain")
    assert {kind for kind, _ in found(monitored)} == {"segment"}
    assert monitored.verdict == "retrain"


def test_probabilities_that_are_three_times_too_high_are_found_two_weeks_after_their_labels(served):
    monitored = look(served, CHANGE + 28, scored=lambda raw, score: (raw, np.minimum(3 * score, 1)))
    assert found(monitored) == {("calibration", "score")}
    assert monitored.verdict == "retrain"


def test_a_stream_that_is_down_is_found_within_the_day(served):
    observed = served.observed(CHANGE)
    stopped = observed.decisions.filter(pc.less(observed.decisions["received_at"], served.at(CHANGE - 0.5)))
    monitored = monitor(replace(observed, decisions=stopped), served.watched, MonitorSettings())
    assert ("undecided", "stream") in found(monitored)


@pytest.fixture(scope="module")
def last_week(served):
    """A week's decisions and no label, which is all that drift and alerts are seen from."""
    return served.observed(CHANGE, labels=served.labels.slice(0, 0), history=8)


def changed(observed, column, value):
    place = observed.decisions.column_names.index(column)
    values = pa.array([value] * len(observed.decisions))
    return replace(observed, decisions=observed.decisions.set_column(place, column, values))


def test_what_lists_and_rules_decide_is_no_change_of_the_model(served, last_week):
    """As where a list blocks a country: analysts see more alerts, scores are what they were."""
    ruled = changed(last_week, "decision", "decline")
    monitored = monitor(ruled, served.watched, MonitorSettings())
    assert found(monitored) == set()
    assert monitored.alerts["per_day_7d"] == pytest.approx(len(ruled.decisions) / 7, rel=0.2)
    assert monitored.alerts["share_7d"] < 0.1


def test_scores_that_raise_far_more_alerts_are_found_whatever_rules_make_of_them(served, last_week):
    monitored = monitor(changed(last_week, "raw_score", 20.0), served.watched, MonitorSettings())
    assert {("alert share", "1d"), ("alert share", "7d")} <= found(monitored)


def test_served_vectors_that_differ_from_a_replay_are_an_alarm(served):
    def differing(count):
        parity = Parity(10_000, 0, 0, count, 0.0, {"amount": count} if count else {})
        return monitor(served.observed(3), served.watched, MonitorSettings(), lambda: parity)

    assert ("parity", "amount") in found(differing(50))
    assert differing(0).verdict == "quiet"


def test_a_reference_reads_back_as_it_was_written(served):
    reference = served.watched.reference
    assert Reference.from_dict(reference.to_dict()).to_dict() == reference.to_dict()


def test_what_the_consoles_tests_show_is_made_as_a_report_is(served):
    """Its page is tested on a kept report, which has to have the parts of a new one."""
    kept = json.loads((Path(__file__).parents[2] / "browser" / "monitor_report.json").read_text())
    made = json.loads(json.dumps(look(served, CHANGE).to_dict()))
    assert parts(kept) == parts(made)


def parts(document):
    """The names in a document, those of the first item for a list."""
    if isinstance(document, list):
        return parts(document[0]) if document else None
    if not isinstance(document, dict):
        return None
    return {
        name: parts(value) if name not in ("drift", "findings", "parity") else None for name, value in document.items()
    }
