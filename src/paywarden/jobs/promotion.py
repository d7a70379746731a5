"""Promotion: a registered challenger is compared with what serves, and takes its place if the gate says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal, Protocol

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import BundleError, ChampionMoved, DataError
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import TimeSplit
from paywarden.features.catalogue import Catalogue
from paywarden.jobs.serving import engine_of
from paywarden.jobs.training_data import History, Replayer, replayed_dataset
from paywarden.jobs.verdict_record import Describing, VerdictRecord, record_of, write_verdict
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.scorer import Scorer
from paywarden.training.dataset import Dataset
from paywarden.training.examples import KnownRows, known_rows, predictions_of
from paywarden.training.floor import floor_predictions
from paywarden.training.gate import GateSettings, GateVerdict, judge, unjudged

PromoteMode = Literal["gate", "always", "never"]
_ATTEMPTS: Final = 3
_TIMED_ROWS: Final = 1000
_TIMINGS: Final = 5
_NO_NOTES: Final[Sequence[str]] = ()
_FLOOR: Final = "logistic regression on amount and time"


class Registered(Protocol):
    """A version in the registry."""

    @property
    def version(self) -> int:
        """Its number."""


class Aliases(Describing, Protocol):
    """The registry, as far as promotion needs it."""

    def find_champion(self) -> Registered | None:
        """The version that serves, if there is one."""

    def get(self, reference: str | int) -> ModelBundle:
        """The verified bundle of a version."""

    def promote(self, version: int, *, over: int | None) -> None:
        """Make it champion in the place of `over`; raises ChampionMoved where that one serves no longer."""


@dataclass(frozen=True)
class Contest:
    """What the judgement of one challenger, given by its ``bundle``, rests on.

    ``split`` and ``compromised_days`` are those that it was trained with; ``history`` is replayed again where the
    champion computes other features. ``timer`` gives nanoseconds.
    """

    bundle: ModelBundle
    dataset: Dataset
    history: History
    split: TimeSplit
    compromised_days: int | None
    replayer: Replayer
    timer: Callable[[], int]


@dataclass(frozen=True)
class Promotion:
    """What the gate said, and what was done about it."""

    verdict: GateVerdict
    record: VerdictRecord


def judge_and_promote(
    contest: Contest,
    version: int,
    registry: Aliases,
    settings: GateSettings,
    mode: PromoteMode = "gate",
    say: Callable[[str], None] = lambda _text: None,
) -> Promotion:
    """The verdict on a registered version, written to the version, which is promoted if the mode asks for it.

    "gate" promotes what the gate promotes, "always" whatever it says, "never" nothing. Where another training was
    promoted meanwhile, the version is judged again, against that one; after three times the gate abstains.
    """
    for _ in range(_ATTEMPTS):
        champion = registry.find_champion()
        former = champion.version if champion else None
        promotion = _recorded(contest, version, registry, verdict_on(contest, registry, former, settings), former)
        if mode == "never" or (mode == "gate" and promotion.record.decision != "promote"):
            return promotion
        try:
            registry.promote(version, over=former)
        except ChampionMoved as moved:
            say(str(moved))
        else:
            return replace(promotion, record=mark_promoted(registry, version, promotion.record))
    reason = (
        f"The champion changed {_ATTEMPTS} times while this version was judged; judge it again when others are done."
    )
    verdict = unjudged(promotion.verdict.opponent, reason, settings)
    return _recorded(contest, version, registry, verdict, promotion.record.champion)


def mark_promoted(registry: Describing, version: int, record: VerdictRecord) -> VerdictRecord:
    """The record of a version that was promoted by now, written to the version."""
    promoted = replace(record, promoted=True)
    registry.describe(version, documents={}, tags=promoted.to_tags())
    return promoted


def verdict_on(contest: Contest, registry: Aliases, champion: int | None, settings: GateSettings) -> GateVerdict:
    """The verdict against the champion of that version, or against the floor where there is none."""
    dataset, split = contest.dataset, contest.split
    known = known_rows(dataset, split.test, dataset.as_of, contest.compromised_days)
    scorer = Scorer(contest.bundle)
    challenger = _scored(scorer, dataset, known)
    if champion is None:
        train = known_rows(dataset, split.train, split.train_cutoff, None)
        floor = floor_predictions(dataset, train.index, train.target, challenger)
        opponent, scored, both, notes = _FLOOR, floor, np.arange(len(known.index)), _NO_NOTES
    else:
        opponent = f"version {champion}"
        try:
            bundle = registry.get(champion)
            scored, both = _scored_by_champion(bundle, contest, known.index, challenger)
        except (BundleError, DataError) as error:
            return unjudged(opponent, f"The champion cannot be replayed on these data: {error}", settings)
        notes = _notes(bundle, split)
    return judge(
        scored,
        challenger.of(both),
        settings,
        days=split.test.days,
        microseconds_per_row=microseconds_per_row(scorer, dataset.features[known.index[:_TIMED_ROWS]], contest.timer),
        opponent=opponent,
        notes=notes,
    )


def _recorded(
    contest: Contest, version: int, registry: Describing, verdict: GateVerdict, champion: int | None
) -> Promotion:
    record = record_of(verdict, champion, promoted=False)
    write_verdict(registry, version, contest.bundle, verdict, record)
    return Promotion(verdict, record)


def microseconds_per_row(scorer: Scorer, features: NDArray[np.float32], timer: Callable[[], int]) -> float:
    """How long the scorer takes for one row of these (float32 [n, F]) as a batch: the median of five times."""
    scorer.score(features)  # compiles and warms up
    taken = []
    for _ in range(_TIMINGS):
        began = timer()
        scorer.score(features)
        taken.append(timer() - began)
    return median(taken) / 1000.0 / max(len(features), 1)


def _scored(scorer: Scorer, dataset: Dataset, known: KnownRows) -> Predictions:
    """The rows as the served bundle scores them, with the outcomes that are known of them."""
    scores = scorer.score(dataset.features[known.index])
    return predictions_of(dataset, known, scores.raw, scores.score)


def _scored_by_champion(
    bundle: ModelBundle, contest: Contest, rows: NDArray[np.int64], challenger: Predictions
) -> tuple[Predictions, NDArray[np.int64]]:
    """The champion's predictions of those rows that it knows, too, and which of the rows these are."""
    dataset, mine = contest.dataset, contest.dataset
    catalogue = require_catalogue(bundle)
    if bundle.contract_digest != dataset.contract_digest or bundle.state_layout_digest != dataset.state_layout_digest:
        mine = replayed_dataset(
            contest.history, catalogue, dataset.label_delay_ms, dataset.as_of, replayer=contest.replayer
        )
    ids = dataset.transaction_ids.take(rows)
    place = pc.index_in(ids, value_set=mine.transaction_ids.combine_chunks()).fill_null(-1).to_numpy().astype(np.int64)
    both = np.flatnonzero(place >= 0)
    columns = [mine.feature_names.index(name) for name in bundle.feature_names]
    scores = Scorer(bundle).score(np.ascontiguousarray(mine.features[place[both]][:, columns]))
    return replace(challenger.of(both), raw=scores.raw, score=scores.score), both


def require_catalogue(bundle: ModelBundle) -> Catalogue:
    """What computes the bundle's features, still as when it was trained. Raises BundleError where nothing does."""
    if bundle.catalogue is None:
        raise BundleError("The model carries no catalogue of features, so nothing can be replayed for it; train again.")
    engine = engine_of(bundle.catalogue)
    bundle.require_contract(bundle.catalogue.contract(bundle.feature_names).digest, engine.digest)
    return bundle.catalogue


def _notes(champion: ModelBundle, split: TimeSplit) -> Sequence[str]:
    """A champion that has learnt from the window is flattered by it."""
    windows = champion.training.get("split", {})
    seen = [windows[name][1] for name in ("train", "selection", "calibration") if name in windows]
    if seen and max(seen) > split.test.start:
        return ("The champion has learnt from a part of this window, which flatters it: a refusal says less.",)
    return _NO_NOTES
