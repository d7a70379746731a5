import json
from dataclasses import replace

import numpy as np
import pytest

from paywarden.evaluation.costs import CostMatrix, money_saved
from paywarden.evaluation.curves import POINTS, calibration_curve, threshold_curve
from paywarden.evaluation.metrics import evaluate
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.report import Contributions, ReportedWindow, write_report
from paywarden.evaluation.segments import amount_bands
from paywarden.training.strategies import StrategyFigures, WindowFigures


def window(rows, fraud_rate):
    random = np.random.default_rng(1)
    target = random.random(rows) < fraud_rate
    raw = random.normal(size=rows) + 3 * target
    predictions = Predictions(
        target=target,
        raw=raw,
        score=1 / (1 + np.exp(-raw)),
        occurred_at=np.arange(rows) * 1_000_000,
        card=np.arange(rows) % 50,
        amount=np.full(rows, 100),
        pattern=np.where(target, "cloned", None),
    )
    return ReportedWindow(evaluate(predictions, 2.0), predictions)


def test_figures_words_and_plots_are_written(tmp_path):
    windows = {"validation": window(5000, 0.05), "test": window(500, 0.1)}
    paths = write_report(tmp_path / "report", "A run", windows, {"bundle": "abc"}, resamples=20)
    assert [path.name for path in paths] == ["report.json", "report.md", "validation.png", "test.png"]
    document = json.loads(paths[0].read_text())
    assert document["windows"]["validation"] == windows["validation"].metrics.to_dict()
    test = document["windows"]["test"]
    assert test["average_precision"] == windows["test"].metrics.average_precision
    assert test["intervals"]["recall"]["low"] <= test["recall"] <= test["intervals"]["recall"]["high"]
    assert document["facts"] == {"bundle": "abc"}
    words = paths[1].read_text()
    assert "| Average precision |" in words
    assert "Card precision@100" in words
    assert f"| cloned | {windows['test'].metrics.frauds} |" in words
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths[2:])


def test_windows_without_fraud_or_rows_are_reported_too(tmp_path):
    paths = write_report(tmp_path, "A poor run", {"genuine": window(50, 0.0), "empty": window(0, 0.0)})
    assert "| Average precision | – | – |" in paths[1].read_text()


def test_equal_runs_give_equal_files(tmp_path):
    first = write_report(tmp_path / "a", "A run", {"test": window(300, 0.1)}, resamples=5)
    second = write_report(tmp_path / "b", "A run", {"test": window(300, 0.1)}, resamples=5)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_curve_says_what_each_threshold_would_give():
    some = window(3_000, 0.05).predictions
    costs = CostMatrix(review_cost=20, chargeback_fee=50, recovered_share=0.5)
    curve = threshold_curve(some, costs)
    assert len(curve["threshold"]) <= POINTS
    assert curve["threshold"][-1] == some.raw.min()
    for place in (0, 40, 300):
        metrics = evaluate(some, curve["threshold"][place])
        found = [float(curve[name][place]) for name in ("precision", "recall", "alerts_per_day")]
        assert found == pytest.approx([metrics.precision, metrics.recall, metrics.alerts_per_day])
        saved = money_saved(some, curve["threshold"][place], costs)
        assert curve["money_saved"][place] == pytest.approx(saved)


def test_calibration_points_hold_every_transaction():
    some = window(3_000, 0.05).predictions
    curve = calibration_curve(some)
    assert curve["rows"].sum() == 3_000
    assert curve["frauds"].sum() == some.target.sum()
    assert (curve["predicted"] * curve["rows"]).sum() == pytest.approx(some.score.sum())
    assert (np.diff(curve["predicted"]) > 0).all()


def test_a_report_begins_with_words_and_ranges(tmp_path):
    some = window(2_000, 0.05)
    reported = ReportedWindow(evaluate(some.predictions, 2.0, resamples=20), some.predictions)
    random = np.random.default_rng(0)
    moved = Contributions(random.normal(size=(30, 3)), random.normal(size=(30, 2)).astype(np.float32), ["a", "b"])
    strategies = [{"strategy": "none", "chosen": True, "test": {"brier": 0.25}}]
    paths = write_report(tmp_path, "A run", {"test": reported}, strategies=strategies, contributions=moved)
    assert [path.name for path in paths[2:]] == ["test.png", "contributions.png"]
    words = paths[1].read_text()
    summary = words.splitlines()[2]
    assert summary.startswith(f"Out of {reported.metrics.frauds} frauds among 2,000 transactions")
    assert "alerts a day" in summary
    assert "95 % intervals" in summary
    assert "| none | yes | 0.2500 |" in words
    interval = reported.metrics.intervals["recall"]
    assert f"| Recall | {reported.metrics.recall:.4f} [{interval.low:.4f}, {interval.high:.4f}] |" in words
    curves = json.loads(paths[0].read_text())["curves"]["test"]
    assert set(curves["by_threshold"]) == {"threshold", "alerts_per_day", "precision", "recall", "money_saved"}


def test_a_label_cannot_break_a_table(tmp_path):
    some = window(200, 0.3).predictions
    odd = replace(some, segments={"channel": np.array(["a|b\n<c>", "d"] * 100, dtype=object)})
    path = write_report(tmp_path, "A run", {"test": ReportedWindow(evaluate(odd, 2.0, resamples=3), odd)})[1]
    assert "| a\\|b &lt;c> | 100 |" in path.read_text()


def test_amount_bands_stand_from_the_lowest_up(tmp_path):
    some = window(200, 0.3).predictions
    bands = amount_bands(np.resize([500, 2_000, 7_000, 20_000, 60_000, 200_000], 200))
    banded = replace(some, segments={"amount_band": bands})
    words = write_report(tmp_path, "A run", {"test": ReportedWindow(evaluate(banded, 2.0, resamples=3), banded)})[1]
    lines = [line.split(" | ")[0] for line in words.read_text().splitlines()]
    first = lines.index("| below 1,000")
    assert lines[first + 1 : first + 3] == ["| 1,000 to 4,999", "| 5,000 to 9,999"]
    assert lines[first + 5] == "| 100,000 and above"


def test_a_wide_table_of_strategies_keeps_what_a_choice_rests_on(tmp_path):
    figures = WindowFigures(0.75, 0.25, 0.0125, 0.0375, 0.0625, 0.0875)
    row = StrategyFigures("smote", True, 77, 1_234, 99, -1.5, figures, replace(figures, average_precision=0.5))
    paths = write_report(tmp_path, "A run", {"test": window(200, 0.3)}, strategies=[row.to_dict()], resamples=0)
    words = paths[1].read_text()
    assert "| smote | yes | 99 | 0.7500 | 0.5000 | 0.2500 | 0.0125 | 0.0375 | 0.0625 |" in words
    odd = [{f"figure {place}": place for place in range(12)}]
    words = write_report(tmp_path, "A run", {}, strategies=odd)[1].read_text()
    assert "| 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 |\n" in words
    assert json.loads(paths[0].read_text())["strategies"] == odd
