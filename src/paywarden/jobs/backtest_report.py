"""A back-test as files: ``report.json`` for programs, ``report.md`` for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from paywarden.evaluation.costs import major_units
from paywarden.jobs.backtest import FORMER, NEW, Backtest
from paywarden.jobs.backtest_rules import RuleOutcome

_ROWS = (
    ("alerts", "alerts"),
    ("reviews", "reviews"),
    ("declines", "declines"),
    ("frauds_caught", "frauds caught"),
    ("fraud_amount_caught", "fraud caught, amount"),
    ("false_positives", "false positives"),
    ("genuine_amount_hindered", "good money hindered"),
    ("declined_genuine", "declined, no fraud"),
    ("money_saved", "money saved"),
)
_OF_RULES = (
    "alerts",
    "frauds_caught",
    "fraud_amount_caught",
    "false_positives",
    "genuine_amount_hindered",
    "money_saved",
)
_MONEY = {"fraud_amount_caught", "genuine_amount_hindered", "money_saved"}


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
            lines += ["", f"## {title}", "", *_rules(found.rules[which])]
    lines += ["", "Fraud is what a label has called so by the end; an alert on anything else is a false positive, and"]
    lines += ["its amount is good money hindered."]
    return "\n".join(lines) + "\n"


def _rules(rules: Mapping[str, RuleOutcome]) -> list[str]:
    """On what each fired, then what each changes."""
    titles, names = dict(_ROWS), {name: name + (" (shadow)" if one.shadow else "") for name, one in rules.items()}
    lines = ["| name | fired | decided | frauds | their amount | no fraud | their amount |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for name, one in rules.items():
        counts = (one.fired, one.decided, one.frauds, one.fraud_amount, one.genuine, one.genuine_amount)
        told = [major_units(count) if place in (3, 5) else f"{count:,}" for place, count in enumerate(counts)]
        lines.append(f"| {names[name]} | {' | '.join(told)} |")
    lines += [
        "",
        "What each changes: the policy with it minus the policy without it. One in shadow changes nothing yet;",
    ]
    lines += ["its line says what would change if it were in force.", ""]
    lines += [f"| name | {' | '.join(titles[name] for name in _OF_RULES)} | decisions |"]
    lines += ["| --- | " + "---: | " * len(_OF_RULES) + "--- |"]
    for name, one in rules.items():
        effect, changes = asdict(one.effect), ", ".join(f"{what}: {count:,}" for what, count in one.changes.items())
        lines.append(f"| {names[name]} | {' | '.join(_told(n, effect[n]) for n in _OF_RULES)} | {changes or '–'} |")
    return lines


def _told(name: str, value: float) -> str:
    return major_units(value) if name in _MONEY else f"{value:,}"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
