import json

import numpy as np

from paywarden.evaluation.metrics import evaluate
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.report import ReportedWindow, write_report


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
    paths = write_report(tmp_path / "report", "A run", windows, {"bundle": "abc"})
    assert [path.name for path in paths] == ["report.json", "report.md", "validation.png", "test.png"]
    document = json.loads(paths[0].read_text())
    assert document["windows"]["test"] == windows["test"].metrics.to_dict()
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
    first = write_report(tmp_path / "a", "A run", {"test": window(300, 0.1)})
    second = write_report(tmp_path / "b", "A run", {"test": window(300, 0.1)})
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
