"""The model card: what a version was made of, how good it is, and what it is not for.

Source of the form: M. Mitchell et al., Model cards for model reporting (2019). Equal bundles and verdicts give equal
cards: times and run ids stay with the registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from paywarden.evaluation.splits import DAY_MS
from paywarden.scoring.bundle import ModelBundle
from paywarden.training.gate import GateVerdict

_WINDOWS = ("train", "selection", "calibration", "test")
_USE = (
    "To rank and decide on card payments while they are in flight: approve, hand to an analyst, or decline, by the "
    "thresholds below. Not for judging people, and not for payments of another kind than it was trained on."
)
_LIMITS = (
    "It ranks payments like those of its training window; a new kind of fraud is found as far as it resembles the old.",
    "Figures rest on transactions whose outcome was known: what was declined and never judged is not among them.",
    "Probabilities are calibrated on the calibration window; where the rate of fraud moves, they move late.",
    "The test window is later than all that chose the model, and one window: its intervals say what chance does to it.",
)


def model_card(bundle: ModelBundle, verdict: GateVerdict | None = None) -> str:
    """The card of a version in Markdown."""
    training = bundle.training
    booster = training.get("settings", {}).get("booster", {})
    made = (
        f"Bundle `{bundle.digest}`: {bundle.booster_kind} on {len(bundle.feature_names)} features, imbalance strategy "
        f"{training.get('strategy', 'none')}, {training.get('rounds', '?')} rounds."
    )
    lines = [
        "# Model card",
        "",
        made,
        "",
        "## Intended use",
        "",
        _USE,
        "",
        *_section("Data", _data(bundle)),
        *_section("Windows", _windows(training)),
        *_section("Thresholds", _plain(bundle.policy.to_dict())),
        *_section("Figures", _figures(bundle.metrics)),
        *_section("Strategies", _strategies(training)),
        *_section("Gate", _gate(verdict)),
        *_section("Hyperparameters", _plain(booster)),
        *_section("Limits", [f"- {limit}" for limit in _LIMITS]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def short_description(bundle: ModelBundle, verdict: GateVerdict | None = None) -> str:
    """A few lines for the registry's own page."""
    test = bundle.metrics.get("test", {})
    figures = ", ".join(
        f"{name.replace('_', ' ')} {_value(test[name])}"
        for name in ("average_precision", "roc_auc", "card_precision", "precision", "recall")
        if test.get(name) is not None
    )
    said = (
        "" if verdict is None else f" Gate: {verdict.decision} against {verdict.opponent}. {' '.join(verdict.reasons)}"
    )
    return f"{bundle.booster_kind}, {len(bundle.feature_names)} features. Test window: {figures}.{said}"[:2000]


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""] if lines else []


def _data(bundle: ModelBundle) -> list[str]:
    maturity = bundle.training.get("maturity")
    lines = _plain(dict(bundle.data_versions))
    lines.append(f"- known as of: {_at(bundle.training.get('as_of'))}")
    if isinstance(maturity, Mapping):
        lines += _plain(maturity, "maturity: ")
    return lines


def _windows(training: Mapping[str, Any]) -> list[str]:
    split, rows, frauds = (training.get(name, {}) for name in ("split", "rows", "frauds"))
    if not split:
        return []
    lines = ["| window | from (UTC) | to | rows | frauds |", "| --- | --- | --- | ---: | ---: |"]
    for name in [name for name in _WINDOWS if name in split]:
        start, end = (_at(bound) for bound in split[name])
        lines += [f"| {name} | {start} | {end} | {rows.get(name, 0):,} | {frauds.get(name, 0):,} |"]
    return [*lines, "", f"Label delay: {split.get('label_delay_ms', 0) / DAY_MS:g} days."]


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    """A row a figure, with its interval where the metrics hold one ("intervals": name → low, high)."""
    test, validation = metrics.get("test", {}), metrics.get("validation", {})
    intervals = test.get("intervals") or {}
    lines = ["| figure | test | interval | validation |", "| --- | ---: | --- | ---: |"]
    lines += [
        f"| {name} | {_value(value)} | {_interval(intervals.get(name))} | {_value(validation.get(name))} |"
        for name, value in sorted(test.items())
        if isinstance(value, (int, float))
    ]
    if len(lines) == 2:
        return []
    for title in ("recall_by_pattern", "frauds_by_pattern", "segments"):
        if test.get(title):
            lines += ["", f"{title.replace('_', ' ')}:", "", *_plain(test[title])]
    return lines


def _strategies(training: Mapping[str, Any]) -> list[str]:
    found = training.get("strategies") or []
    names = list(dict.fromkeys(name for some in found for name in some if not isinstance(some[name], Mapping)))
    if not names:
        return []
    head = ["| " + " | ".join(names) + " |", "| " + " | ".join("---" for _ in names) + " |"]
    return [*head, *["| " + " | ".join(_value(some.get(name)) for name in names) + " |" for some in found]]


def _gate(verdict: GateVerdict | None) -> list[str]:
    if verdict is None:
        return []
    lines = [f"Decision: {verdict.decision}, against {verdict.opponent}.", ""]
    lines += [f"- {'passed' if check.passed else 'failed'}: {check.sentence}" for check in verdict.checks]
    return lines + [f"- segment {check.sentence}" for check in verdict.segments]


def _plain(document: Mapping[str, Any], prefix: str = "") -> list[str]:
    return [f"- {prefix}{name}: {_value(value)}" for name, value in _leaves(document)]


def _leaves(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in sorted(document):
        value = document[name]
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _interval(found: Any) -> str:  # noqa: ANN401 -- of a JSON document
    if not isinstance(found, Mapping) or "low" not in found or "high" not in found:
        return ""
    return f"{_value(found['low'])} to {_value(found['high'])}"


def _value(value: Any) -> str:  # noqa: ANN401 -- as above
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _at(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "–"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")
