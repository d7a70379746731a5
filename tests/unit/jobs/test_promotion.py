"""Promotion with a registry in memory: whatever happens around the verdict."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.jobs.contests import GATE, Registry

from paywarden.jobs.promotion import judge_and_promote, microseconds_per_row, verdict_on
from paywarden.jobs.verdict_record import VerdictRecord
from paywarden.scoring.scorer import Scorer


def test_a_better_one_is_promoted_over_a_champion_of_another_catalogue(weak, strong):
    registry = Registry({1: weak.bundle}, champion=1)
    promotion = judge_and_promote(strong, 2, registry, GATE)
    assert promotion.record.promoted, promotion.verdict.reasons
    assert promotion.record.champion == 1
    assert registry.champion == 2
    assert VerdictRecord.of_tags(registry.tags[2]) == promotion.record
    assert registry.documents[2]["gate.json"] == promotion.verdict.to_dict()
    assert promotion.verdict.opponent == "version 1"
    assert promotion.verdict.figures["rows"] == strong.bundle.training["rows"]["test"]


def test_the_champion_is_scored_as_it_was_measured(weak, strong):
    """On the rows of its own test window, a champion of another catalogue has the figure it was registered with."""
    verdict = verdict_on(strong, Registry({1: weak.bundle}), 1, GATE)
    assert verdict.figures["champion"] == pytest.approx(weak.bundle.metrics["test"]["average_precision"], abs=1e-12)
    assert verdict.figures["challenger"] == pytest.approx(strong.bundle.metrics["test"]["average_precision"], abs=1e-12)


def test_a_worse_one_is_refused_and_the_champion_stays(weak, strong):
    registry = Registry({1: strong.bundle}, champion=1)
    promotion = judge_and_promote(weak, 2, registry, GATE)
    assert (promotion.record.promoted, promotion.verdict.decision, registry.champion) == (False, "refuse", 1)


def test_too_few_frauds_are_abstained_on(weak, strong):
    registry = Registry({1: weak.bundle}, champion=1)
    promotion = judge_and_promote(strong, 2, registry, replace(GATE, fewest_positives=10_000))
    assert (promotion.record.promoted, promotion.verdict.decision, registry.champion) == (False, "abstain", 1)


def test_the_first_one_must_beat_amount_and_time(strong):
    registry = Registry({})
    promotion = judge_and_promote(strong, 1, registry, GATE)
    assert promotion.record.promoted, promotion.verdict.reasons
    assert (promotion.record.champion, registry.champion) == (None, 1)
    assert "amount and time" in promotion.verdict.opponent


def test_modes_overrule_the_gate_and_its_verdict_is_kept(weak, strong):
    registry = Registry({1: strong.bundle}, champion=1)
    assert judge_and_promote(weak, 2, registry, GATE, "always").verdict.decision == "refuse"
    assert registry.champion == 2
    registry.bundles[2] = weak.bundle
    promotion = judge_and_promote(strong, 3, registry, GATE, "never")
    assert (promotion.verdict.decision, promotion.record.promoted, registry.champion) == ("promote", False, 2)


def test_who_comes_second_is_judged_against_the_first(weak, strong):
    bundles = {1: weak.bundle, 2: strong.bundle}
    registry, said = Registry(bundles, champion=1, rivals=[2]), []
    promotion = judge_and_promote(strong, 3, registry, GATE, say=said.append)
    assert said == ["another was quicker"]
    assert (promotion.verdict.opponent, promotion.verdict.decision) == ("version 2", "refuse")
    assert registry.champion == 2


def test_a_champion_that_keeps_changing_is_given_up(weak, strong):
    registry = Registry(dict.fromkeys(range(1, 5), weak.bundle), champion=1, rivals=[2, 3, 4])
    promotion = judge_and_promote(strong, 9, registry, GATE)
    assert (promotion.record.promoted, promotion.verdict.decision, registry.champion) == (False, "abstain", 4)
    assert "changed 3 times" in promotion.verdict.reasons[0]


def test_a_champion_that_cannot_be_replayed_makes_it_abstain(weak, strong):
    registry = Registry({1: replace(weak.bundle, catalogue=None)}, champion=1)
    promotion = judge_and_promote(strong, 2, registry, GATE)
    assert (promotion.record.promoted, promotion.verdict.decision) == (False, "abstain")
    assert "cannot be replayed" in promotion.verdict.reasons[0]


def test_a_champion_that_has_seen_the_window_is_noted(weak, strong):
    late = {**weak.bundle.training["split"], "calibration": [0, strong.split.test.start + 1]}
    champion = replace(weak.bundle, training={**weak.bundle.training, "split": late})
    assert "flatters" in verdict_on(strong, Registry({1: champion}), 1, GATE).notes[0]
    assert verdict_on(strong, Registry({1: weak.bundle}), 1, GATE).notes == ()


def test_the_time_of_a_row_is_the_median_of_batches(strong):
    ticks = iter([0, 100_000, 0, 1_000_000, 0, 300_000, 0, 200_000, 0, 400_000])
    features = strong.dataset.features[:10]
    assert microseconds_per_row(Scorer(strong.bundle), features, lambda: next(ticks)) == 30.0
    assert isinstance(features, np.ndarray)
