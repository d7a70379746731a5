"""Bring docs/benchmarks.md up to date with a report, figures and plot: `python -m benchmarks.document`.

Only what stands between a block's two marks is written anew; the words around it are for people to keep true.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.plots import draw

REPORT, DOCUMENT = Path("build/bench/report.json"), Path("docs/benchmarks.md")


def main(report: Path = REPORT, document: Path = DOCUMENT) -> None:
    """Write the report's tables into the document, and the plot beside it; tables of a part not measured stay."""
    measured = json.loads(report.read_text())
    text = document.read_text()
    blocks = {
        "figures": f"{_where(measured)}\n\n{_table('figure | median | range over rounds | target', _rows(measured))}"
    }
    exact = measured.get("exactness", {})
    if "features" in exact:
        blocks["windows"] = _table("window | tile | covers", _windows(exact["resolution"]))
        blocks["differences"] = _table(
            "feature | equal rows | median difference | 95 % of rows within", _differences(exact["features"])
        )
        blocks["models"] = _table("inputs | average precision | ROC AUC | card precision@100", _models(exact["models"]))
    for name, block in blocks.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{block}\n{end}{rest.split(end)[1]}"
    document.write_text(text)
    draw(report, document.with_suffix(".svg"))


def _table(header: str, rows: Iterator[str]) -> str:
    return "\n".join([f"| {header} |", f"| {' | '.join(['---'] * (header.count('|') + 1))} |", *rows])


def _windows(resolution: Mapping[str, Any]) -> Iterator[str]:
    for name, window in resolution.items():
        least, most = _span(window["covers_at_least_seconds"]), _span(window["covers_at_most_seconds"])
        yield f"| {name} | {_span(window['tile_seconds'])} | {least} to {most} |"


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0 and (unit != "days" or seconds > size):
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _differences(features: Mapping[str, Any]) -> Iterator[str]:
    for name, found in features.items():
        median, most = found["median_relative_difference"], found["p95_relative_difference"]
        yield f"| {name.replace('_WINDOW', '')} | {found['equal']:.1%} | {median:.1%} | {most:.1%} |"


def _models(models: Mapping[str, Any]) -> Iterator[str]:
    for name, found in models.items():
        cells = (f"{found[m]['mean']:.4f} ± {found[m]['deviation']:.3f}" for m in ("ap", "auc", "cp100"))
        yield f"| {name.replace('_', ' ')} | {' | '.join(cells)} |"


def _where(report: Mapping[str, Any]) -> str:
    machine = report["machine"]
    loads = [report[name]["run"]["load_before"] for name in report if "run" in report[name]]
    busy = f"; load {min(loads)} to {max(loads)} before the parts" if loads else ""
    return f"{machine['cores']} cores, Python {machine['python']}{busy}."


def _rows(report: Mapping[str, Any]) -> Iterator[str]:
    """Every figure with its spread; a part that was skipped, failed or not run gives none."""
    rows_of = {
        "peers": _peers,
        "replay": _replay,
        "training": _training,
        "stream": _stream,
        "world": _world,
        "state": _state,
    }
    for part, rows in rows_of.items():
        measured = report.get(part, {})
        if measured and not {"skipped", "failed"} & set(measured):
            yield from rows({name: value for name, value in measured.items() if name != "run"})


def _peers(peers: Mapping[str, Any]) -> Iterator[str]:
    what = f"seconds, {peers['features']} features, {peers['rows']:,} rows"
    for peer, name in (("polars", "polars"), ("duckdb", "DuckDB")):
        title = f"{name} {peers['versions'][peer]} ÷ replay, {what}"
        yield _row(title, peers[f"{peer}_to_paywarden"], f"{peers['target_ratio']} by the faster")
    for name in ("paywarden", "polars", "duckdb"):
        yield _row(f"the same in CPU seconds: {name}", peers[name]["cpu_seconds"])


def _replay(replay: Mapping[str, Any]) -> Iterator[str]:
    for source, found in replay.items():
        for catalogue in ("core", "full") if isinstance(found, dict) else ():
            title = f"replay, {catalogue} catalogue of {found[catalogue]['features']}, {source}, rows/s"
            target = f"{replay['target_rows_per_second']:,}" if catalogue == "full" else ""
            yield _row(title, found[catalogue]["rows_per_second"], target)


def _training(training: Mapping[str, Any]) -> Iterator[str]:
    what = f"{training['training_rows']:,} rows, {training['features']} features, {training['rounds']} rounds"
    yield _row(f"`train` ÷ bare `xgboost.train`, {what}", training["train_to_bare_xgboost"], training["target_ratio"])
    rate = training["replay_and_train_rows_per_second"]
    yield f"| replay and training of {training['replayed_rows']:,} rows, rows/s | {rate:,} | | |"


def _stream(stream: Mapping[str, Any]) -> Iterator[str]:
    title = f"stream ÷ null passthrough, full catalogue of {stream['features']}"
    yield _row(title, stream["stream_to_plain_passthrough"], str(stream["target_ratio"]))
    yield _row(f"{title}, with the stream's producer options", stream["stream_to_passthrough"])
    yield _row("the stream, rows/s", stream["stream_rows_per_second"])


def _world(world: Mapping[str, Any]) -> Iterator[str]:
    for name, generated in world["generated_per_second_on_one_core"].items():
        yield _row(f"simulated world, {name}, transactions/s on one core", generated, "100,000")
    yield _row("simulated world into Kafka, `acks=all`, events/s", world["into_kafka_per_second"], "50,000")


def _state(state: Mapping[str, Any]) -> Iterator[str]:
    for catalogue, sizes in state.items():
        size = ", ".join(f"{key.removesuffix('_bytes')} {value:,}" for key, value in sizes.items())
        yield f"| bytes of state a key, {catalogue} catalogue | {size} | | card 2,048 |"


def _row(title: str, spread: Mapping[str, Any], target: str | float = "") -> str:
    median, low, high = (_shown(spread[name]) for name in ("median", "min", "max"))
    return f"| {title} | {median} | {low} to {high} | {target} |"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
