"""What monitoring found, in files: a page to read, a document for programs, metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from paywarden.jobs.monitor import Monitored
from paywarden.monitoring.drift import Drift, worst_first
from paywarden.monitoring.exposition import Metric, exposition
from paywarden.monitoring.findings import by_gravity
from paywarden.monitoring.page import folded, listed, page, section, table, tile
from paywarden.monitoring.performance import Compared
from paywarden.monitoring.plots import delays_plot, drift_plot, scores_plot, weeks_plot

_VERDICTS: Final = {
    "quiet": ("Quiet", "The model serves what it was trained for, as well as it promised."),
    "watch": ("Watch", "Something moves. It is within what was seen before, or not certain yet."),
    "alarm": (
        "Alarm",
        "Something is wrong with what comes in or how it is served. Find out what before training.",
    ),
    "retrain": ("Retrain", "The model no longer finds what it promised. Train a challenger on later data."),
}
_TILES: Final = {"average_precision": "average precision", "recall": "frauds found", "precision": "precision"}
_SHOWN_FEATURES: Final = 12
_MS_A_SECOND: Final = 1000.0


def write_reports(found: Monitored, directory: Path) -> list[Path]:
    """The paths of report.html, report.json and metrics.prom, in this order."""
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.html": page(f"Paywarden monitoring: {found.verdict}", _body(found)).encode(),
        "report.json": orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2),
        "metrics.prom": metrics_of(found).encode(),
    }
    paths = []
    for name, content in contents.items():
        draft = directory / f".{name}.draft"
        draft.write_bytes(content)
        paths.append(draft.replace(directory / name))  # whole or not at all: a collector may read at any moment
    return paths


def metrics_of(found: Monitored) -> str:
    """The gauges of a look, as Prometheus reads them."""
    verdicts = [({"verdict": name}, float(name == found.verdict)) for name in _VERDICTS]
    drifts = [(_labels(drift), drift) for each in found.drifts.values() for drift in each]
    judged = found.performance
    whole = [one for one in judged.compared if one.segment is None] if judged else []
    sides = [(one, "now", one.now) for one in whole] + [(one, "promised", one.promised) for one in whole]
    parity = found.parity
    metrics = [
        Metric("verdict", "1 for the present verdict.", verdicts),
        Metric("as_of_seconds", "What was known, as Unix time.", [({}, found.as_of / _MS_A_SECOND)]),
        Metric("model_version", "The version that serves.", [({}, float(found.version))]),
        Metric("findings", "Findings by severity.", _counted(found)),
        Metric("psi", "Distance of a column to the training window.", [(at, drift.psi) for at, drift in drifts]),
        Metric("drift_ratio", "The same in units of its limit.", [(at, drift.ratio) for at, drift in drifts]),
        Metric("alerts_per_day", "Alerts a day of the last week.", _present({}, found.alerts.get("per_day_7d"))),
        Metric("matured", "A figure on matured labels.", [({"figure": o.name, "side": s}, v) for o, s, v in sides]),
        Metric("calibration_ratio", "Announced over actual frauds.",
               [({}, judged.calibration["ratio"])] if judged and judged.calibration else []),
        Metric("label_delay_days", "Median delay of labels.", [({}, found.shift.median_days)] if found.shift else []),
        Metric("labels_3d", "Fraud labels of three days.", [({}, float(found.flow.arrived))] if found.flow else []),
        Metric("vectors_differing", "Served vectors unlike a replay's.",
               [({}, parity.vectors_differing / max(parity.compared, 1))] if parity else []),
    ]  # fmt: skip
    return exposition(metrics)


def _body(found: Monitored) -> Iterator[str]:
    title, words = _VERDICTS[found.verdict]
    yield (
        f'<header class="{found.verdict}"><h1>{title}</h1><p>{words}</p>'
        f"<p>Version {found.version}, as known at {_time(found.as_of)} UTC</p></header>"
    )
    yield f'<div class="tiles">{"".join(_tiles(found))}</div>'
    said = [(finding.severity, finding.sentence) for finding in by_gravity(found.findings)]
    said += [("quiet", note) for note in found.notes]
    yield section("What was found", "" if said else "Nothing that is out of the ordinary.", listed(said))
    yield from _performance(found)
    yield from _drift(found)
    yield from _labels_part(found)
    yield (
        f"<footer>Bundle {found.bundle_digest[:16]}. Training window {_time(found.reference.start)[:10]} to "
        f"{_time(found.reference.end)[:10]}. How to read this page: docs/monitoring.md.</footer>"
    )


def _tiles(found: Monitored) -> Iterator[str]:
    whole = {one.name: one for one in found.performance.compared if one.segment is None} if found.performance else {}
    for name, what in _TILES.items():
        if name in whole:
            one = whole[name]
            yield tile(f"{one.now:.2f}", what, f"promised {one.promised:.2f}")
    if found.performance and found.performance.calibration:
        ratio = found.performance.calibration
        yield tile(f"{ratio['ratio']:.2f}", "announced for each fraud", f"{ratio['promised']:.2f} when tested")
    if "per_day_7d" in found.alerts:
        yield tile(f"{found.alerts['per_day_7d']:,.0f}", "alerts a day", "last week")
    worst = worst_first(found.drifts)
    if worst:
        yield tile(f"{worst[0].ratio:.2f}", "of its limit: furthest drift", worst[0].column)
    if found.parity:
        share = found.parity.vectors_differing / max(found.parity.compared, 1)
        yield tile(f"{1 - share:.2%}", "served as replayed", f"{found.parity.compared:,} vectors")


def _performance(found: Monitored) -> Iterator[str]:
    judged = found.performance
    if judged is None:
        return
    whole = {one.name: one for one in judged.compared if one.segment is None}
    words = (
        f"{judged.metrics.rows:,} payments with {judged.metrics.frauds:,} frauds have matured and are judged together. "
        "Green is what the gate promised."
    )
    head = ("", "now", "95 % interval", "promised", "its interval", "lost", "standard errors")
    plot = weeks_plot(judged.weeks, whole) if judged.weeks else ""
    yield section("Performance on matured labels", words, plot, table(head, map(_row, whole.values())))
    segments = sorted((one for one in judged.compared if one.segment), key=lambda one: -one.z)[:12]
    if segments:
        bad = [any(f.kind == "segment" and f.subject == one.segment for f in found.findings) for one in segments]
        yield section("Segments", "Those that are furthest below their promise.", table(head, map(_row, segments), bad))


def _row(one: Compared) -> tuple[str, ...]:
    name = one.name.replace("_", " ") if one.segment is None else f"{one.segment}: {one.name.replace('_', ' ')}"
    now, promised = one.interval, one.promised_interval
    return (name, f"{one.now:.3f}", f"{now.low:.3f} to {now.high:.3f}", f"{one.promised:.3f}",
            f"{promised.low:.3f} to {promised.high:.3f}", f"{one.lost:.0%}", f"{one.z:.1f}")  # fmt: skip


def _drift(found: Monitored) -> Iterator[str]:
    worst = worst_first(found.drifts)
    if not worst:
        return
    words = (
        "Each feature's distance to the training window over the last day and the last week; drift begins where that "
        "is several times what is usual for the feature."
    )
    head = ("feature", "window", "PSI", "limit", "KS", "moved (tenths)", "absent", "at most before", "new categories")
    rows = [
        (drift.column, f"{drift.days} d", f"{drift.psi:.3f}", f"{drift.limit:.2f}", f"{drift.ks:.3f}",
         "–" if drift.wasserstein is None else f"{drift.wasserstein:.2f}", f"{drift.absent:.1%}",
         f"{drift.absent_before:.1%}", f"{drift.new:.1%}" if drift.new else "–")
        for drift in worst
    ]  # fmt: skip
    bad = [drift.ratio >= 1 for drift in worst]
    shown = table(head, rows[:_SHOWN_FEATURES], bad)
    rest = folded("All columns", table(head, rows, bad)) if len(rows) > _SHOWN_FEATURES else ""
    yield section(f"Drift of {len(worst)} columns", words, drift_plot(worst), shown, rest)
    if found.scores and len(found.predictions):
        plot = scores_plot(found.scores, found.predictions)
        yield section("Scores", "A tenth of the payments fell into each bar when the model was tested.", plot)


def _labels_part(found: Monitored) -> Iterator[str]:
    shift = found.shift
    if shift is None or found.delays is None:
        return
    words = f"Half of them took {shift.median_days:.1f} days of late, and {shift.median_days_before:.1f} before."
    if found.flow:
        words += f" {found.flow.arrived:,} came in the last three days; {found.flow.usual:,.0f} are usual."
    yield section("Labels", words, delays_plot(found.delays))


def _counted(found: Monitored) -> list[tuple[dict[str, str], float]]:
    severities = [finding.severity for finding in found.findings]
    return [({"severity": name}, float(severities.count(name))) for name in ("watch", "alarm", "retrain")]


def _labels(drift: Drift) -> dict[str, str]:
    return {"column": drift.column, "days": str(drift.days)}


def _present(labels: dict[str, str], value: float | None) -> list[tuple[dict[str, str], float]]:
    return [] if value is None else [(labels, value)]


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / _MS_A_SECOND, UTC).strftime("%Y-%m-%d %H:%M")
