"""What the gate said of a version, as it stays with the version: documents, tags, and one tag that is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

from paywarden.scoring.bundle import ModelBundle
from paywarden.training.gate import Decision, GateVerdict
from paywarden.training.gate_report import gate_markdown
from paywarden.training.model_card import model_card, short_description

_RECORD: Final = "paywarden.gate.record"
_LONGEST_REASONS: Final = 3000  # a tag takes 5,000 characters, and a JSON document cut short is none


class Describing(Protocol):
    """The registry, as far as something can be added to a version."""

    def describe(
        self,
        number: int,
        *,
        documents: Mapping[str, str | Mapping[str, Any]],
        tags: Mapping[str, str],
        description: str | None = None,
    ) -> None:
        """Add documents (file name → text, or a JSON document) to the run, and tags and words to the version."""


@dataclass(frozen=True)
class VerdictRecord:
    """The decision on a version, against whom, and what was done.

    ``champion`` is the version that it was judged against, None for the floor; ``opponent`` says so in words,
    ``reasons`` why it is not promoted. ``promoted`` tells whether it was made champion, by whatever right.
    """

    decision: Decision
    opponent: str
    champion: int | None
    reasons: str
    promoted: bool

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> VerdictRecord | None:
        """The record among a version's tags; None where it was not judged yet."""
        return cls(**json.loads(tags[_RECORD])) if _RECORD in tags else None

    def to_tags(self) -> dict[str, str]:
        """The tags: one holds all of it, since tags are written one by one; the others are for searching and eyes."""
        cut = {**asdict(self), "reasons": self.reasons[:_LONGEST_REASONS]}
        return {
            _RECORD: json.dumps(cut, sort_keys=True),
            "paywarden.gate": self.decision,
            "paywarden.gate.promoted": "yes" if self.promoted else "no",
            "paywarden.gate.against": self.opponent,
            "paywarden.gate.reasons": self.reasons,
        }

    def words(self, version: int) -> str:
        """What became of the version, in a sentence or two."""
        before = self.champion
        instead = "there was none before" if before is None else f"version {before} is the previous one"
        if self.promoted:
            words = f"version {version} is champion; {instead}"
            overruled = "" if self.decision == "promote" else f". The gate would not have promoted it: {self.reasons}"
            return words + overruled
        serves = "none serves" if before is None else f"version {before} goes on serving"
        said = {"promote": "passed the gate, but was not to be promoted", "refuse": "was refused by the gate"}
        outcome = said.get(self.decision, "was not judged: the gate abstains")
        return f"version {version} {outcome}; {serves}. {self.reasons}".rstrip()


def standing(version: int, record: VerdictRecord | None, champion: int | None) -> str:
    """What became of a version in words, given which one serves now."""
    if record is None:
        judged = f"version {version} was not judged by the gate"
    elif record.promoted and champion != version:
        judged = f"version {version} was champion for a time"
    else:
        return replace(record, promoted=champion == version).words(version)
    return judged + (f"; version {champion} serves" if champion is not None else "; none serves")


def record_of(verdict: GateVerdict, champion: int | None, *, promoted: bool) -> VerdictRecord:
    """The record of a verdict against the champion of that version."""
    return VerdictRecord(verdict.decision, verdict.opponent, champion, " ".join(verdict.reasons), promoted)


def write_verdict(
    registry: Describing, version: int, bundle: ModelBundle, verdict: GateVerdict, record: VerdictRecord
) -> None:
    """The verdict is with the version: gate.json and gate.md, the model card, the description, and the tags."""
    gain = next((check for check in verdict.checks if check.name == "gain"), None)
    registry.describe(
        version,
        documents={
            "gate.json": verdict.to_dict(),
            "gate.md": gate_markdown(verdict),
            "model_card.md": model_card(bundle, verdict),
        },
        tags={
            "paywarden.gate.measure": verdict.settings.measure,
            "paywarden.gate.gain": str(gain.figure if gain else None),
            "paywarden.gate.interval": f"{gain.low} to {gain.high}" if gain else "not compared",
            "paywarden.gate.margin": str(gain.bound if gain else None),
            **record.to_tags(),
        },
        description=short_description(bundle, verdict),
    )
