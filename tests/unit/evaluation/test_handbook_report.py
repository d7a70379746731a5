import json

import numpy as np
import pytest

from paywarden.evaluation.handbook import HandbookFigures
from paywarden.evaluation.handbook_report import HandbookReport, write_handbook_report

FOLDS = [HandbookFigures(0.74, 0.31, 0.88, 0.0025), HandbookFigures(0.70, 0.29, 0.86, 0.0027)]
THEIRS = [HandbookFigures(0.6865, 0.30, 0.87)] * 2
CURVE = (np.array([True, False, True, False]), np.array([2.0, 1.0, 0.5, -1.0]))


def report(check=None, curve=CURVE):
    figures = {"xgboost": {"none": FOLDS, "smote": THEIRS}}
    return HandbookReport(figures, ("2018-08-29", "2018-08-22"), {"train_days": 7}, check, curve)


def test_every_figure_is_in_the_files(tmp_path):
    paths = write_handbook_report(tmp_path, report(THEIRS))
    assert [path.name for path in paths] == ["report.json", "report.md", "figures.png", "curve.png"]
    document = json.loads(paths[0].read_text())
    own = document["results"]["xgboost"]["none"]
    assert own["folds"]["2018-08-22"]["average_precision"] == 0.70
    assert own["average_precision"] == pytest.approx({"mean": 0.72, "sd": 0.02})
    assert document["published"]["XGBoost"]["card_precision"] == 0.303
    words = paths[1].read_text()
    assert "| xgboost | none | 0.7200 ± 0.0200 | 0.3000 ± 0.0100 | 0.8700 ± 0.0100 | 0.00260 ± 0.00010 |" in words
    assert "| XGBoost | as published | 0.687 | 0.303 | 0.869 | – |" in words
    assert all(path.stat().st_size > 5_000 for path in paths[2:])


@pytest.mark.parametrize(
    ("check", "words"),
    [(None, "Not checked"), (THEIRS, "it is theirs"), (FOLDS, "IT IS NOT THEIRS")],
)
def test_it_says_whether_the_evaluation_is_theirs(tmp_path, check, words):
    write_handbook_report(tmp_path, report(check, curve=None))
    assert words in (tmp_path / "report.md").read_text()
    assert not (tmp_path / "curve.png").exists()
