"""A version judged later, from what its bundle records: the verdict of training in one go, and what follows from it."""

from dataclasses import replace

import pytest
from tests.unit.jobs.contests import GATE, Registry

from paywarden.errors import BundleError, ChampionMoved, NotJudged
from paywarden.features.replay import replay
from paywarden.jobs.judge import Judge, contest_of, promote_by_gate, promote_judging_again
from paywarden.jobs.promotion import judge_and_promote
from paywarden.jobs.verdict_record import VerdictRecord, standing


@pytest.fixture
def judge_of(contested):
    """Gives the judge of a registry, who is to ask for the history that the bundle names."""

    def judge_of(registry, asked=None):
        def history(until):
            (asked if asked is not None else []).append(until)
            return contested

        return Judge(registry, history, GATE, replay, timer=iter(range(0, 10**9, 1000)).__next__)

    return judge_of


def test_the_verdict_is_the_one_of_training_in_one_go(weak, strong, judge_of):
    bundles = {1: weak.bundle, 2: strong.bundle, 3: strong.bundle}
    registry, asked = Registry(bundles, champion=1), []
    at_once = judge_and_promote(strong, 2, registry, GATE, "never")
    later = judge_of(registry, asked).judge(3)
    assert later == at_once.record
    assert later.decision == "promote"
    assert registry.documents[3] == registry.documents[2]
    assert registry.champion == 1
    assert asked == [strong.bundle.data_versions]


def test_cards_that_training_left_out_are_left_out_again(strong, contested):
    settings = {**strong.bundle.training["settings"], "compromised_days": None}
    bundle = replace(strong.bundle, training={**strong.bundle.training, "settings": settings})
    assert contest_of(bundle, contested, replay, lambda: 0).compromised_days is None
    assert contest_of(strong.bundle, contested, replay, lambda: 0).compromised_days == 14


def test_only_what_could_be_known_at_the_time_is_known(strong, contested):
    then = strong.bundle.training["as_of"] - 86_400_000
    bundle = replace(strong.bundle, training={**strong.bundle.training, "as_of": then})
    assert contest_of(bundle, contested, replay, lambda: 0).dataset.as_of == then


def test_a_bundle_that_does_not_say_what_it_was_trained_on_is_not_judged(weak, strong, judge_of):
    training = {name: value for name, value in strong.bundle.training.items() if name != "as_of"}
    registry = Registry({1: weak.bundle, 2: replace(strong.bundle, training=training)}, champion=1)
    with pytest.raises(BundleError, match="does not record its as_of"):
        judge_of(registry).judge(2)
    registry = Registry({1: weak.bundle, 2: replace(strong.bundle, catalogue=None)}, champion=1)
    with pytest.raises(BundleError, match="no catalogue"):
        judge_of(registry).judge(2)


def test_the_verdict_is_obeyed_once(weak, strong, judge_of):
    registry = Registry({1: weak.bundle, 2: strong.bundle}, champion=1)
    with pytest.raises(NotJudged, match="models judge 2"):
        promote_by_gate(registry, 2)
    judge_of(registry).judge(2)
    assert not promote_by_gate(registry, 2, dry_run=True).promoted
    assert registry.champion == 1
    for _ in range(2):
        record = promote_by_gate(registry, 2)
        assert (record.promoted, record.champion, registry.champion) == (True, 1, 2)
        assert VerdictRecord.of_tags(registry.tags[2]) == record
    assert registry.tags[2]["paywarden.gate.promoted"] == "yes"


def test_who_is_refused_is_not_promoted(weak, strong, judge_of):
    registry = Registry({1: strong.bundle, 2: weak.bundle}, champion=1)
    judge_of(registry).judge(2)
    record = promote_by_gate(registry, 2)
    assert (record.decision, record.promoted, registry.champion) == ("refuse", False, 1)
    assert "was refused by the gate; version 1 goes on serving. " in record.words(2)


def test_a_verdict_against_a_former_champion_promotes_nothing_until_it_is_judged_again(weak, strong, judge_of):
    registry = Registry({1: weak.bundle, 2: strong.bundle, 3: weak.bundle, 4: strong.bundle}, champion=1)
    judge = judge_of(registry)
    judge.judge(2)
    registry.champion = 3
    with pytest.raises(ChampionMoved):
        promote_by_gate(registry, 2)
    assert registry.champion == 3
    again = promote_judging_again(judge, 2)
    assert (again.promoted, again.champion, registry.champion) == (True, 3, 2)
    judge.judge(4)
    registry.champion = 1
    judge.judge(4)
    registry.champion = 2
    record = promote_judging_again(judge, 4)
    assert (record.decision, record.opponent, record.promoted) == ("refuse", "version 2", False)


def test_who_serves_keeps_its_verdict(weak, strong, judge_of):
    registry = Registry({1: weak.bundle, 2: strong.bundle}, champion=1)
    with pytest.raises(NotJudged):
        judge_of(registry).judge(1)
    judge_of(registry).judge(2)
    registry.champion = 2  # promoted by a try that was killed before it could say so
    assert judge_of(registry).judge(2).promoted
    assert VerdictRecord.of_tags(registry.tags[2]).promoted


def test_what_became_of_a_version_is_told_as_it_is_now():
    record = VerdictRecord("promote", "version 1", 1, "", promoted=True)
    refused = VerdictRecord("refuse", "version 1", 1, "Too weak.", promoted=False)
    assert standing(2, None, None) == "version 2 was not judged by the gate; none serves"
    assert standing(2, record, 2) == "version 2 is champion; version 1 is the previous one"
    assert standing(2, record, 3) == "version 2 was champion for a time; version 3 serves"
    assert standing(2, refused, 1) == "version 2 was refused by the gate; version 1 goes on serving. Too weak."
    by_hand = "version 2 is champion; version 1 is the previous one. The gate would not have promoted it: Too weak."
    assert standing(2, refused, 2) == by_hand


def test_reasons_too_long_for_a_tag_leave_a_record_that_can_be_read():
    record = VerdictRecord("refuse", "version 1", 1, "x" * 9000, promoted=False)
    assert len(record.to_tags()["paywarden.gate.record"]) < 5000
    assert VerdictRecord.of_tags(record.to_tags()).decision == "refuse"
