"""What two models differ in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paywarden.scoring.bundle import ModelBundle


def differences(first: ModelBundle, second: ModelBundle) -> list[tuple[str, str, str, str]]:
    """A row for each thing in which the bundles differ: its name, both values, and the change of a number.

    Settings, windows, data versions, thresholds and figures come by dotted name; features as those that only one has.
    """
    before, after = dict(_leaves(_document(first))), dict(_leaves(_document(second)))
    rows = [
        (name, _value(before.get(name)), _value(after.get(name)), _change(before.get(name), after.get(name)))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]
    return rows + _features(first.feature_names, second.feature_names)


def _document(bundle: ModelBundle) -> dict[str, Any]:
    return {
        "booster": bundle.booster_kind,
        "bundle": bundle.digest[:12],
        "feature_contract": bundle.contract_digest[:12],
        "state_layout": bundle.state_layout_digest[:12],
        "policy": bundle.policy.to_dict(),
        "training": {name: value for name, value in bundle.training.items() if name != "strategies"},
        "data": dict(bundle.data_versions),
        "metrics": dict(bundle.metrics),
    }


def _leaves(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _features(first: tuple[str, ...], second: tuple[str, ...]) -> list[tuple[str, str, str, str]]:
    rows = [(f"feature {name}", "yes", "–", "") for name in sorted(set(first) - set(second))]
    return rows + [(f"feature {name}", "–", "yes", "") for name in sorted(set(second) - set(first))]


def _change(before: Any, after: Any) -> str:  # noqa: ANN401 -- of JSON documents
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (before, after))
    return f"{after - before:+.4g}" if numbers else ""


def _value(value: Any) -> str:  # noqa: ANN401 -- as above
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
