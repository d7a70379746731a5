"""The report on the handbook's protocol: a table and plots beside the published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from paywarden.evaluation.handbook import PUBLISHED, THEIR_AVERAGE_PRECISION, TOLERANCE, HandbookFigures, summary

_SHOWN: Final = (
    ("average_precision", "AP", 4),
    ("card_precision", "CP@100", 4),
    ("roc_auc", "AUC", 4),
    ("brier", "Brier", 5),
)
_PLOTTED: Final = (("average_precision", "Average precision"), ("card_precision", "Card precision@100"))


@dataclass(frozen=True, eq=False)
class HandbookReport:
    """The figures of each test fold by booster and strategy, beside what they were computed from.

    `check` are the folds' figures with the handbook's own inputs, None where these were not given. `curve` is the
    outcome (bool [N]) and raw score (float64 [N]) of the first booster and strategy on the latest fold.
    """

    figures: Mapping[str, Mapping[str, Sequence[HandbookFigures]]]
    folds: tuple[str, ...]
    plan: Mapping[str, Any]
    check: Sequence[HandbookFigures] | None
    curve: tuple[NDArray[np.bool_], NDArray[np.float64]] | None

    def to_dict(self) -> dict[str, Any]:
        """The report as a JSON document."""
        return {
            "check": None if self.check is None else self._of(self.check),
            "plan": dict(self.plan),
            "published": {name: figures.to_dict() for name, figures in PUBLISHED.items()},
            "results": {
                kind: {strategy: self._of(folds) for strategy, folds in strategies.items()}
                for kind, strategies in self.figures.items()
            },
        }

    def _of(self, folds: Sequence[HandbookFigures]) -> dict[str, Any]:
        by_fold = {name: figures.to_dict() for name, figures in zip(self.folds, folds, strict=True)}
        return {"folds": by_fold, **summary(folds)}


def write_handbook_report(directory: Path, report: HandbookReport) -> list[Path]:
    """The paths of `report.json`, `report.md`, `figures.png` and, where there is a curve, `curve.png`."""
    directory.mkdir(parents=True, exist_ok=True)
    as_json, as_words, bars = (directory / name for name in ("report.json", "report.md", "figures.png"))
    as_json.write_bytes(orjson.dumps(report.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    as_words.write_text(_markdown(report), encoding="utf-8")
    _draw_bars(bars, report)
    if report.curve is None:
        return [as_json, as_words, bars]
    _draw_curve(directory / "curve.png", *report.curve)
    return [as_json, as_words, bars, directory / "curve.png"]


def _markdown(report: HandbookReport) -> str:
    weeks = ", ".join(sorted(report.folds))
    protocol = (
        f"Four test weeks (from {weeks}), each trained on {report.plan['train_days']} days that end a week before, "
        "without cards already known as compromised. ± is the population standard deviation over the four. "
        "Probabilities are calibrated on the four validation folds before."
    )
    lines = [
        "# Paywarden by the Fraud Detection Handbook's protocol",
        "",
        protocol,
        "",
        _check_words(report.check),
        "",
        "| model | strategy | " + " | ".join(words for _, words, _ in _SHOWN) + " |",
        "| --- | --- |" + " ---: |" * len(_SHOWN),
    ]
    for kind, strategies in report.figures.items():
        lines += [f"| {kind} | {strategy} | {_cells(summary(folds))} |" for strategy, folds in strategies.items()]
    for name, figures in PUBLISHED.items():
        values = [getattr(figures, attribute) for attribute, _, _ in _SHOWN]
        shown = " | ".join("–" if value is None else f"{value:.3f}" for value in values)
        lines.append(f"| {name} | as published | {shown} |")
    lines += ["", "![figures](figures.png)", ""]
    if report.curve is not None:
        lines += ["![precision and recall](curve.png)", ""]
    return "\n".join(lines)


def _check_words(check: Sequence[HandbookFigures] | None) -> str:
    if check is None:
        return "Not checked against the handbook's own inputs: give its features with `--features`."
    reached = summary(check)["average_precision"]["mean"]
    is_theirs = abs(reached - THEIR_AVERAGE_PRECISION) <= TOLERANCE
    return (
        f"With the handbook's own 15 inputs and XGBoost parameters this evaluation gives AP {reached:.4f}, where "
        f"{THEIR_AVERAGE_PRECISION} ± {TOLERANCE} is expected: {'it is theirs' if is_theirs else 'IT IS NOT THEIRS'}."
    )


def _cells(found: Mapping[str, Mapping[str, float]]) -> str:
    return " | ".join(
        f"{found[name]['mean']:.{digits}f} ± {found[name]['sd']:.{digits}f}" if name in found else "–"
        for name, _, digits in _SHOWN
    )


def _draw_bars(path: Path, report: HandbookReport) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 -- heavy, and only reports draw
    from matplotlib.figure import Figure  # noqa: PLC0415 -- as above

    strategies = list(dict.fromkeys(name for own in report.figures.values() for name in own))
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    width = 0.8 / len(strategies)
    for axes, (name, words) in zip(figure.subplots(1, 2), _PLOTTED, strict=True):
        for number, strategy in enumerate(strategies):
            found = [summary(own[strategy])[name] for own in report.figures.values() if name in summary(own[strategy])]
            place = np.arange(len(found)) + number * width
            means, errors = [one["mean"] for one in found], [one["sd"] for one in found]
            axes.bar(place, means, width, yerr=errors, capsize=3, label=strategy)
        published = getattr(PUBLISHED["XGBoost"], name)
        axes.axhline(published, color="black", linestyle="--", label="published XGBoost")
        axes.set_xticks(np.arange(len(report.figures)) + (len(strategies) - 1) * width / 2, list(report.figures))
        axes.set(title=f"{words}: mean ± sd of four weeks", ylim=(0, published * 1.5))
    # Below the axes: inside it would hide bars.
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(strategies) + 1)
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})


def _draw_curve(path: Path, target: NDArray[np.bool_], raw: NDArray[np.float64]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 -- as above
    from matplotlib.figure import Figure  # noqa: PLC0415 -- as above

    hits = np.cumsum(target[np.argsort(-raw, kind="stable")])
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.step(hits / hits[-1], hits / np.arange(1, len(hits) + 1), where="post")
    axes.set(
        title="Latest week: precision and recall", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02)
    )
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})
