"""A registry with one version and its documents, as training leaves them, on predictions made up for the test."""

import json

import numpy as np
from mlflow import MlflowClient

from paywarden.evaluation.metrics import evaluate
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.report import ReportedWindow, write_report
from paywarden.settings import Settings

DAY_MS = 86_400_000


def predictions(rows=20_000, seed=4):
    random = np.random.default_rng(seed)
    target = random.random(rows) < 0.012
    raw = np.where(target, random.normal(1.5, 2.2, rows), random.normal(-6.0, 1.6, rows))
    return Predictions(
        target=target,
        raw=raw,
        score=1.0 / (1.0 + np.exp(-raw)),
        occurred_at=np.sort(random.integers(0, 14 * DAY_MS, rows)),
        card=random.integers(0, 900, rows),
        amount=np.round(random.lognormal(8.3, 1.1, rows)).astype(np.int64),
        pattern=np.array([None] * rows, dtype=object),
    )


def window(seed, rows):
    found = predictions(rows, seed)
    return ReportedWindow(evaluate(found, float(np.sort(found.raw)[-14 * 12]), 100), found)


def report(folder):
    """The document as the product writes it, with the window that thresholds were chosen on beside the later one."""
    windows = {"validation": window(5, 12_000), "test": window(4, 20_000)}
    return write_report(folder, "A run", windows, resamples=50)[0].read_text()


GATE = {
    "decision": "promote",
    "opponent": "logistic regression on amount and time",
    "checks": [
        {"name": "positives", "passed": True, "figure": 243, "low": None, "high": None, "bound": 200,
         "sentence": "243 frauds have matured; 200 are enough to tell."},
        {"name": "gain", "passed": True, "figure": 812_300, "low": 655_100, "high": 968_400, "bound": 21_400,
         "sentence": "It saves 8,123 more over the window, at least 6,551 with 99 % certainty."},
    ],
}  # fmt: skip


def register(uri, folder):
    wanted, client = Settings().mlflow, MlflowClient(uri)
    experiment = client.create_experiment(wanted.experiment, artifact_location=folder.as_uri())
    run = client.create_run(experiment).info.run_id
    client.log_text(run, report(folder / "report"), "report/report.json")
    client.log_text(run, json.dumps(GATE), "gate.json")
    client.create_registered_model(wanted.model_name)
    tags = {"paywarden.bundle_digest": "b" * 64}
    client.create_model_version(wanted.model_name, f"{folder.as_uri()}/{run}", run, tags=tags)
    client.set_registered_model_alias(wanted.model_name, "champion", "1")
    client.set_terminated(run)
