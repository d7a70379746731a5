"""Judge and promote a version that was registered before: the contest is made again from what its bundle records.

The bundle names the Kafka offsets that training read up to, the moment of what could be known, its windows and which
cards were left out, so that the verdict is the one that training would have given in one go, whatever has been archived
or compacted since.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from paywarden.errors import BundleError, ChampionMoved, NotJudged
from paywarden.evaluation.splits import TimeSplit
from paywarden.features.replay import replay
from paywarden.jobs.promotion import (
    Aliases,
    Contest,
    PromoteMode,
    Registered,
    judge_and_promote,
    mark_promoted,
    require_catalogue,
)
from paywarden.jobs.training_data import History, Replayer, Versions, replayed_dataset
from paywarden.jobs.verdict_record import VerdictRecord
from paywarden.scoring.bundle import ModelBundle
from paywarden.training.gate import GateSettings


class Tagged(Registered, Protocol):
    """A version with what was written to it."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""


class Registry(Aliases, Protocol):
    """The registry, as far as versions are judged after their training."""

    def find(self, reference: str | int) -> Tagged:
        """The version of that number, or under that alias."""


@dataclass(frozen=True)
class Judge:
    """Gives verdicts on versions of a registry.

    ``history`` reads the lake up to the Kafka offsets (by ``topic/partition``) that a bundle records; ``settings`` is
    what the gate asks for now; ``timer`` gives nanoseconds.
    """

    registry: Registry
    history: Callable[[Versions], History]
    settings: GateSettings
    replayer: Replayer = replay
    timer: Callable[[], int] = time.perf_counter_ns
    say: Callable[[str], None] = lambda _text: None

    def judge(self, version: int, mode: PromoteMode = "never") -> VerdictRecord:
        """The verdict on the version, written to it; the version is promoted if the mode asks for it.

        A version that serves already keeps the verdict it has. Raises NotJudged where it has none, BundleError where
        the bundle does not say what it was trained on.
        """
        if _serves(self.registry, version):
            return mark_promoted(self.registry, version, _own_record(self.registry, version))
        bundle = self.registry.get(version)
        self.say(f"replaying what version {version} was trained on")
        contest = contest_of(bundle, self.history(bundle.data_versions), self.replayer, self.timer)
        return judge_and_promote(contest, version, self.registry, self.settings, mode, self.say).record


def promote_by_gate(registry: Registry, version: int, *, dry_run: bool = False) -> VerdictRecord:
    """Make the version champion if its verdict says so; what was done, and why.

    Raises NotJudged where it has no verdict, ChampionMoved where another version serves by now than the one it was
    judged against. With ``dry_run`` no alias moves.
    """
    record = _own_record(registry, version)
    if not dry_run and _serves(registry, version):
        return mark_promoted(registry, version, record)  # of a promotion that was killed right after, too
    if dry_run or record.decision != "promote":
        return record
    registry.promote(version, over=record.champion)
    return mark_promoted(registry, version, record)


def promote_judging_again(judge: Judge, version: int) -> VerdictRecord:
    """As :func:`promote_by_gate`; where the champion has moved, the version is judged against the new one."""
    try:
        return promote_by_gate(judge.registry, version)
    except ChampionMoved as moved:
        judge.say(str(moved))
        return judge.judge(version, "gate")


def contest_of(bundle: ModelBundle, history: History, replayer: Replayer, timer: Callable[[], int]) -> Contest:
    """What the judgement of a bundle rests on, as it was when the bundle was trained on this history."""
    training = bundle.training
    split, as_of = _recorded(training, "split"), _recorded(training, "as_of")
    compromised_days = _recorded(training, "settings").get("compromised_days")
    catalogue = require_catalogue(bundle)
    dataset = replayed_dataset(history, catalogue, split["label_delay_ms"], as_of, replayer=replayer)
    return Contest(bundle, dataset, history, TimeSplit.from_dict(split), compromised_days, replayer, timer)


def _serves(registry: Registry, version: int) -> bool:
    champion = registry.find_champion()
    return champion is not None and champion.version == version


def _own_record(registry: Registry, version: int) -> VerdictRecord:
    record = VerdictRecord.of_tags(registry.find(version).tags)
    if record is None:
        raise NotJudged(
            f"Version {version} was never judged by the gate. `paywarden models judge {version}` compares it with the "
            "champion; a version that serves already cannot be judged any more."
        )
    return record


def _recorded(training: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 -- of a JSON document
    if name not in training:
        raise BundleError(f"The bundle does not record its {name}, so its contest cannot be made again; train again.")
    return training[name]
