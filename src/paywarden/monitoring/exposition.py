"""Metrics in Prometheus's text format, for its node exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metric:
    """A gauge: its name without the prefix, what it says, and its values by labels."""

    name: str
    help: str
    values: Iterable[tuple[Mapping[str, str], float]] = field(default_factory=tuple)


def exposition(metrics: Iterable[Metric]) -> str:
    """The text of these metrics, each prefixed with ``paywarden_monitor_``; one without a value is left out."""
    lines = []
    for metric in metrics:
        name, values = f"paywarden_monitor_{metric.name}", list(metric.values)
        if values:
            lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} gauge"]
            lines += [f"{name}{_labels(labels)} {value:.10g}" for labels, value in values]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + inner + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
