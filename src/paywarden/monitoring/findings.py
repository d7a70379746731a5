"""What was found, how grave it is, and the verdict on all of it together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["quiet", "watch", "alarm", "retrain"]
Verdict = Severity
_GRAVEST_FIRST: tuple[Severity, ...] = ("retrain", "alarm", "watch")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was: what of (`kind`, `subject`), how grave, and in words.

    `figure` stands beside the `bound` that it broke. A `fault` is in the data or the service itself (values missing, a
    category that nobody knew, labels that stopped): training on it would teach the fault.
    """

    kind: str
    subject: str
    severity: Severity
    sentence: str
    figure: float | None = None
    bound: float | None = None
    fault: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def verdict_on(findings: Iterable[Finding]) -> Verdict:
    """The verdict: "alarm" where a fault is among the alarms, else "retrain" where the model has decayed.

    Where there is neither, "alarm" for an alarm and "watch" for anything that is worth a look.
    """
    found = list(findings)
    grave = {finding.severity for finding in found}
    if any(finding.fault and finding.severity == "alarm" for finding in found):
        return "alarm"
    for severity in _GRAVEST_FIRST:
        if severity in grave:
            return severity
    return "quiet"


def by_gravity(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first: faults, decay, alarms, what to watch; within one, as they came."""
    rank = {"retrain": 1, "alarm": 2, "watch": 3, "quiet": 4}
    return sorted(findings, key=lambda f: 0 if f.fault and f.severity == "alarm" else rank[f.severity])


def reasons(findings: Sequence[Finding], most: int = 5) -> list[str]:
    """The sentences of the gravest findings of a verdict; the rest is counted."""
    said = [finding.sentence for finding in by_gravity(findings)]
    return said if len(said) <= most else [*said[:most], f"And {len(said) - most} more; the report lists them."]
