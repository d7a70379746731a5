"""The gate's verdict as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from paywarden.training.gate import Check, GateVerdict

_WORDS = {"promote": "Promoted", "refuse": "Refused", "abstain": "Abstained"}


def gate_markdown(verdict: GateVerdict) -> str:
    """The verdict as a Markdown page: the decision, every check with its figures, the segments, notes."""
    figures = verdict.figures
    compared = (
        f"Compared with {verdict.opponent}: not possible."
        if not figures
        else (
            f"Compared with {verdict.opponent} on {figures['rows']:,} transactions of {figures['days']:.1f} days with "
            f"{figures['positives']:,} frauds; either model may alert on {figures['alerts']:,} of them. The measure is "
            f"{verdict.settings.measure.replace('_', ' ')}."
        )
    )
    lines = [
        f"# {_WORDS[verdict.decision]}",
        "",
        compared,
        "",
        *[f"- {reason}" for reason in verdict.reasons],
        *([""] if verdict.reasons else []),
        *_table(verdict.checks, "check"),
        "",
        *(_table(verdict.segments, "segment") if verdict.segments else []),
        *([""] if verdict.segments else []),
        *[f"Note: {note}" for note in verdict.notes],
    ]
    return "\n".join(lines).rstrip() + "\n"


def _table(checks: Sequence[Check], title: str) -> list[str]:
    rows = [
        f"| {check.name} | {'yes' if check.passed else '**no**'} | {_number(check.figure)} | {_number(check.low)} | "
        f"{_number(check.high)} | {_number(check.bound)} |"
        for check in checks
    ]
    return [f"| {title} | passed | figure | from | to | bound |", "| --- | --- | --- | --- | --- | --- |", *rows]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value:.4g}"
