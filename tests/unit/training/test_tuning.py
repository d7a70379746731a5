import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.unit.training.search import BOOSTER, KILLED_IN, TRIALS, folds, search

from paywarden.errors import ConfigurationError
from paywarden.evaluation.metrics import average_precision
from paywarden.training.tuning import TrialRecord, TuningSettings, tune


@pytest.fixture(scope="module")
def result():
    return search()


def test_the_first_trial_has_the_trainers_own_values_and_the_best_is_never_worse(result):
    own = BOOSTER.to_dict()
    assert dict(result.trials[0].params) == {name: own[name] for name in BOOSTER.search_space()}
    assert result.value == max(trial.value for trial in result.trials if trial.value is not None)
    assert result.value > result.trials[0].value
    values = []
    for fold in folds():
        fitted = BOOSTER.with_parameters(**result.params).fit(fold.train, fold.validation, 5)
        raw = fitted.booster.predict_margin(fold.validation.features)
        values.append(average_precision(fold.validation.target, raw))
    assert result.value == np.mean(values)


def test_values_lie_in_their_ranges(result):
    for trial in result.trials:
        for name, bounds in BOOSTER.search_space().items():
            assert bounds.low <= trial.params[name] <= bounds.high
            assert isinstance(trial.params[name], int) or not bounds.integer
    assert len({tuple(trial.params.items()) for trial in result.trials}) == TRIALS


def test_equal_seeds_search_equally(result):
    assert search().trials == result.trials
    assert search(trials=3, seed=6).trials[1:] != result.trials[1:3]


def test_every_trial_is_told_in_order_and_in_json(result):
    told, said = [], []
    again = search(on_trial=told.append, say=said.append)
    assert tuple(told) == again.trials == result.trials
    assert [trial.number for trial in told] == list(range(TRIALS))
    assert said[0].startswith("searching ")
    assert said[4].startswith("trial 4 of 14: ")
    assert json.loads(json.dumps([trial.to_dict() for trial in told]))[0]["state"] == "complete"
    assert json.loads(json.dumps(again.to_dict())) == again.to_dict()


def test_a_search_goes_on_where_it_stopped(result, tmp_path):
    storage = f"sqlite:///{tmp_path}/tuning.db"
    assert search(storage, trials=5).trials == result.trials[:5]
    told = []
    assert search(storage, on_trial=told.append).trials == result.trials
    assert tuple(told) == result.trials  # the earlier ones too: whoever logs them may have lost them
    assert search(storage, trials=2).trials == result.trials  # nothing is left to do
    assert search(storage, trials=1, seed=6).study != result.study


def test_a_search_that_was_killed_in_a_trial_ends_as_if_it_had_not_been(result, tmp_path):
    storage, marker = f"sqlite:///{tmp_path}/tuning.db", tmp_path / "in-a-trial"
    program = [sys.executable, str(Path(__file__).with_name("search.py")), storage, str(marker)]
    with subprocess.Popen(program, stdin=subprocess.PIPE) as process:
        try:
            while not marker.exists():
                assert process.poll() is None
                signal.sigtimedwait([], 0.05)
        finally:
            process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    told = []
    resumed = search(storage, on_trial=told.append, say=told.append)
    assert told[0] == f"continuing the search {result.study} after {KILLED_IN} trials"
    assert resumed.trials == result.trials
    assert resumed == result


def test_a_trial_below_the_others_is_pruned():
    """A learning rate of a thousandth, tried after good ones, is stopped while its first fold is fitted."""
    patient = BOOSTER.with_parameters(max_rounds=120, learning_rate=0.3)
    found = tune(patient, folds(), TuningSettings(trials=25), 5)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.value is None and 30 <= trial.rounds < 120 for trial in pruned)
    assert found.to_dict()["pruned"] == len(pruned)


def test_minutes_end_a_search_after_one_trial_at_least():
    clock = iter(range(0, 10_000_000, 30_000))  # half a minute each time that somebody looks
    found = tune(BOOSTER, folds(), TuningSettings(trials=None, minutes=2), 5, clock=lambda: next(clock))
    assert 1 < len(found.trials) <= 4
    late = iter([0, *[10**9] * 9])
    assert len(tune(BOOSTER, folds(), TuningSettings(None, 1), 5, clock=lambda: next(late)).trials) == 1


@pytest.mark.parametrize("wrong", [{"trials": None}, {"trials": 0}, {"minutes": 0.0}, {"folds": 0}])
def test_a_budget_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        TuningSettings(**wrong)


def test_a_storage_that_cannot_be_opened_is_said_without_its_password(tmp_path):
    with pytest.raises(ConfigurationError, match="storage of tuning cannot be opened") as raised:
        search(f"sqlite:///{tmp_path}/nowhere/secret.db")
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(TuningSettings(storage="postgresql://me:secret@host/db"))


def test_a_record_compares_by_value():
    assert TrialRecord(0, {"a": 1}, 0.5, "complete", 3) == TrialRecord(0, {"a": 1}, 0.5, "complete", 3)
