"""Hyperparameters by Optuna: a seeded search over folds in time, pruned, and continued where it was cut off.

A search is a study in a storage, named by the digest of all that it depends on but its budget: the folds, the trainer,
its search space, the seed. A second run of the same search takes up what the first has finished. Each trial is drawn
from a generator of its own, seeded by how many trials are finished, so that a search that was killed and continued
ends as one that was not. Source: J. Bergstra et al., Algorithms for hyper-parameter optimization (2011), for TPE.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from paywarden.clock import Clock, system_clock
from paywarden.errors import ConfigurationError
from paywarden.evaluation.metrics import average_precision
from paywarden.scoring.canonical import canonical_bytes
from paywarden.training.boosters import BoosterTrainer, Examples, Range

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_SEARCH_VERSION: Final = 1
"""Raised whenever the search below would go another way: studies of another version are not continued."""
_RANDOM_TRIALS: Final = 10  # TPE needs some trials to learn from; Optuna's default
_REPORT_ROUNDS: Final = 10  # a report is a write to the storage, and rounds take milliseconds
_UNPRUNED_TRIALS: Final = 5  # the median of fewer says little; Optuna's default
_UNPRUNED_ROUNDS: Final = 30  # small learning rates begin slowly
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True)
class TuningSettings:
    """The budget of a search, its folds and where it is kept.

    `trials` bounds the finished trials of the study, earlier runs' included, `minutes` the time of this run; either
    may be None, not both. By trials a search is a function of its data and seed; by minutes it is not, since a faster
    machine tries more. `storage` is a URL such as ``sqlite:///tuning.db`` or ``postgresql://user:password@host/db``;
    None keeps the study in memory. One process at a time may work on a study. `folds` are the windows in time that
    each trial is judged on: the selection window, and others that step back from it through training.
    """

    trials: int | None = 30
    minutes: float | None = None
    storage: str | None = field(default=None, repr=False)
    folds: int = 2

    def __post_init__(self) -> None:
        if self.trials is None and self.minutes is None:
            raise ConfigurationError("Tuning without a budget would never end. Give trials, minutes or both.")
        if (self.trials is not None and self.trials < 1) or (self.minutes is not None and self.minutes <= 0):
            raise ConfigurationError(f"Tuning needs at least one trial and some time, got {self}.")
        if self.folds < 1:
            raise ConfigurationError(f"Tuning needs at least one fold, got {self.folds}.")


@dataclass(frozen=True, eq=False)
class Fold:
    """What a trial is fitted on, and the later rows that judge it."""

    train: Examples
    validation: Examples


@dataclass(frozen=True)
class TrialRecord:
    """A finished trial: its place in the search, hyperparameters, and average precision, the mean over the folds.

    A pruned one has no value. `rounds` are those of the first fold: the best, or how many it took to be pruned.
    """

    number: int
    params: Mapping[str, float | int]
    value: float | None
    state: Literal["complete", "pruned"]
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """The trial as a JSON document."""
        return {**asdict(self), "params": dict(self.params)}


@dataclass(frozen=True)
class TuningResult:
    """The best hyperparameters and all trials of the study, in order."""

    params: Mapping[str, float | int]
    value: float
    trials: tuple[TrialRecord, ...]
    study: str

    def to_dict(self) -> dict[str, Any]:
        """The outcome as a JSON document."""
        states = [trial.state for trial in self.trials]
        return {
            "complete": states.count("complete"),
            "params": dict(self.params),
            "pruned": states.count("pruned"),
            "study": self.study,
            "value": self.value,
        }


def tune(
    booster: BoosterTrainer,
    folds: Sequence[Fold],
    settings: TuningSettings,
    seed: int,
    *,
    on_trial: Callable[[TrialRecord], None] = lambda _trial: None,
    say: Callable[[str], None] = lambda _text: None,
    clock: Clock = system_clock,
) -> TuningResult:
    """The hyperparameters with the highest mean average precision over the folds.

    The trainer's own are tried first where its search space holds them: the best is then never worse. `on_trial` gets
    every finished trial of the study in order, those of an earlier run first. Raises ConfigurationError where there is
    nothing to search, or the storage cannot be opened.
    """
    space = booster.search_space()
    if not space:
        raise ConfigurationError(f"The booster {booster.kind!r} has nothing to tune. Leave tuning out.")
    name = _study_name(booster, space, folds, seed)
    study = _open_study(name, settings.storage)
    _give_up_unfinished(study)
    records = _finished(study)
    if records:
        say(f"continuing the search {name} after {len(records)} trials")
    else:
        say(f"searching {', '.join(sorted(space))} on {len(folds)} windows in time")
    for record in records:
        on_trial(record)
    until = None if settings.minutes is None else clock() + int(settings.minutes * _MINUTE_MS)
    while _is_budget_left(len(records), settings.trials, until, clock):
        _try_next(study, booster, space, folds, seed, len(records))
        records = _finished(study)
        on_trial(records[-1])
        say(_words(records, settings.trials))
    return _result(records, name)


def _is_budget_left(done: int, trials: int | None, until: int | None, clock: Clock) -> bool:
    """One trial is made however short the time."""
    return done == 0 or ((trials is None or done < trials) and (until is None or clock() < until))


def _study_name(booster: BoosterTrainer, space: Mapping[str, Range], folds: Sequence[Fold], seed: int) -> str:
    content = hashlib.sha256()
    ranges = {name: asdict(bounds) for name, bounds in space.items()}
    plain = {"booster": booster.to_dict(), "seed": seed, "space": ranges, "version": _SEARCH_VERSION}
    content.update(canonical_bytes(plain))
    for fold in folds:
        for examples in (fold.train, fold.validation):
            content.update(repr((examples.features.shape, tuple(examples.categorical))).encode())
            for array in (examples.features, examples.target, examples.weight):
                content.update(b"none" if array is None else np.ascontiguousarray(array).data)
    return f"paywarden-{content.hexdigest()[:32]}"


def _open_study(name: str, storage: str | None) -> optuna.Study:
    import optuna  # noqa: PLC0415 -- slow to import, and only tuning needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # progress is said by `say`
    pruner = optuna.pruners.MedianPruner(_UNPRUNED_TRIALS, _UNPRUNED_ROUNDS)
    try:
        return optuna.create_study(
            storage=storage, study_name=name, pruner=pruner, direction="maximize", load_if_exists=True
        )
    except Exception as error:  # whatever SQLAlchemy or the database's driver raises: it is about the URL
        raise ConfigurationError(
            f"The storage of tuning cannot be opened ({type(error).__name__}). Check its URL, that the database runs, "
            "and for PostgreSQL that the driver psycopg2 is installed."
        ) from error


def _give_up_unfinished(study: optuna.Study) -> None:
    """A trial that is running now was cut off, by a kill for instance: it is tried again under another number."""
    from optuna.trial import TrialState  # noqa: PLC0415 -- as above

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _try_next(
    study: optuna.Study,
    booster: BoosterTrainer,
    space: Mapping[str, Range],
    folds: Sequence[Fold],
    seed: int,
    done: int,
) -> None:
    import optuna  # noqa: PLC0415 -- as above

    drawn_from = int(np.random.SeedSequence([seed, done]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=_RANDOM_TRIALS, seed=drawn_from)
    own = {name: value for name, value in booster.to_dict().items() if name in space}
    waiting = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))
    if done == 0 and not waiting and all(space[n].low <= own.get(n, np.nan) <= space[n].high for n in space):
        study.enqueue_trial(own)
    trial = study.ask()
    candidate = booster.with_parameters(**{name: _suggested(trial, name, space[name]) for name in sorted(space)})
    value = _value(trial, candidate, folds, seed)
    if value is None:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED, skip_if_finished=True)
    else:
        study.tell(trial, value, skip_if_finished=True)


def _suggested(trial: optuna.Trial, name: str, bounds: Range) -> float | int:
    if bounds.integer:
        return int(trial.suggest_int(name, int(bounds.low), int(bounds.high), log=bounds.log))
    return float(trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log))


def _value(trial: optuna.Trial, candidate: BoosterTrainer, folds: Sequence[Fold], seed: int) -> float | None:
    """Mean average precision over the folds; None where the first one showed that it is not worth going on."""
    values = []
    for number, fold in enumerate(folds):
        watch = _Watch(trial) if number == 0 else None
        fitted = candidate.fit(fold.train, fold.validation, seed, on_round=watch)
        if watch is not None:
            trial.set_user_attr("rounds", watch.rounds if watch.pruned else fitted.rounds)
            if watch.pruned:
                return None
        raw = fitted.booster.predict_margin(fold.validation.features)
        values.append(average_precision(fold.validation.target, raw) or 0.0)
    return float(np.mean(values))


class _Watch:
    """Told of each boosting round, reports some of them, and stops a trial that is below the median of the others."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.rounds = 0
        self.pruned = False
        self._trial = trial
        self._best = 0.0

    def __call__(self, number: int, value: float) -> bool:
        self.rounds, self._best = number + 1, max(self._best, value)
        if number % _REPORT_ROUNDS == 0:
            self._trial.report(self._best, number)
            self.pruned = self._trial.should_prune()
        return self.pruned


def _finished(study: optuna.Study) -> list[TrialRecord]:
    from optuna.trial import TrialState  # noqa: PLC0415 -- as above

    found = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [_record(place, trial) for place, trial in enumerate(sorted(found, key=lambda trial: trial.number))]


def _record(place: int, trial: FrozenTrial) -> TrialRecord:
    complete = trial.state.name == "COMPLETE"
    return TrialRecord(
        number=place,
        params=dict(sorted(trial.params.items())),
        value=trial.value if complete else None,
        state="complete" if complete else "pruned",
        rounds=int(trial.user_attrs.get("rounds", 0)),
    )


def _best(records: Sequence[TrialRecord]) -> tuple[float, TrialRecord]:
    """The highest value and its trial, the earliest of equal ones; the first trial is never pruned."""
    complete = [(record.value, record) for record in records if record.value is not None]
    return max(complete, key=lambda pair: pair[0])


def _result(records: Sequence[TrialRecord], name: str) -> TuningResult:
    value, best = _best(records)
    return TuningResult(params=best.params, value=value, trials=tuple(records), study=name)


def _words(records: Sequence[TrialRecord], trials: int | None) -> str:
    last, (best, _) = records[-1], _best(records)
    of = "" if trials is None else f" of {trials}"
    outcome = f"pruned after {last.rounds} rounds" if last.value is None else f"average precision {last.value:.4f}"
    return f"trial {len(records)}{of}: {outcome}; best so far {best:.4f}"
