"""A back-test as files: ``report.json`` for programs, ``report.md`` for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from paywarden.evaluation.costs import major_units
from paywarden.jobs.backtest import FORMER, NEW, Backtest

_ROWS = (
    ("alerts", "alerts"),
    ("reviews", "reviews"),
    ("declines", "declines"),
    ("frauds_caught", "frauds caught"),
    ("fraud_amount_caught", "fraud caught, amount"),
    ("false_positives", "false positives"),
    ("declined_genuine", "declined, no fraud"),
    ("money_saved", "money saved"),
)
_MONEY = {"fraud_amount_caught", "money_saved"}


def write_backtest(found: Backtest, directory: Path) -> list[Path]:
    """The paths of ``report.json`` and ``report.md`` in the directory, made if absent."""
    directory.mkdir(parents=True, exist_ok=True)
    written = {"report.json": json.dumps(found.to_dict(), indent=1) + "\n", "report.md": words_of(found)}
    for name, text in written.items():
        (directory / name).write_text(text)
    return [directory / name for name in written]


def words_of(found: Backtest) -> str:
    """The report as Markdown."""
    summary = (
        f"{found.payments:,} payments from {_time(found.since)} to {_time(found.until)} (UTC), with {found.frauds:,} "
        f"known frauds of {major_units(found.fraud_amount)}, by model version {found.model_version}. "
        f"{found.changed:,} decisions differ."
    )
    lines = [
        "# Back-test of a policy",
        "",
        summary,
        "",
        "| | in force | new | difference |",
        "| --- | ---: | ---: | ---: |",
    ]
    before, after = asdict(found.outcomes[FORMER]), asdict(found.outcomes[NEW])
    for name, title in _ROWS:
        told = [_told(name, value) for value in (before[name], after[name], after[name] - before[name])]
        lines.append(f"| {title} | {' | '.join(told)} |")
    if found.changes:
        lines += ["", "Decisions that differ:", ""]
        lines += [f"- {change}: {count:,}" for change, count in found.changes.items()]
    for which, title in ((NEW, "Lists and rules of the new policy"), (FORMER, "Lists and rules in force")):
        if found.rules[which]:
            lines += ["", f"## {title}", "", "| name | fired | frauds | their amount | decided |"]
            lines += ["| --- | ---: | ---: | ---: | ---: |"]
            for name, one in found.rules[which].items():
                shadow = " (shadow)" if one.shadow else ""
                amount = major_units(one.fraud_amount)
                lines.append(f"| {name}{shadow} | {one.fired:,} | {one.frauds:,} | {amount} | {one.decided:,} |")
    lines += ["", "Fraud is what a label has called so by the end; an alert on anything else is a false positive."]
    return "\n".join(lines) + "\n"


def _told(name: str, value: float) -> str:
    return major_units(value) if name in _MONEY else f"{value:,}"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
