"""The reference of a model: histograms of what it was trained and judged on, kept beside it in the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.errors import BundleError, DataError
from paywarden.evaluation.metrics import evaluate
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import TimeSplit, Window
from paywarden.features.replay import replay
from paywarden.jobs.training_data import History, Replayer, replayed_dataset
from paywarden.monitoring.arrivals import entity_codes
from paywarden.monitoring.performance import RESAMPLES, announced_ratio
from paywarden.monitoring.reference import Reference, alert_range, profile_of
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.encoding import is_code
from paywarden.scoring.scorer import Scorer
from paywarden.training.dataset import Dataset
from paywarden.training.examples import known_rows

NAME: Final = "reference.json"


def model_reference(
    dataset: Dataset, transactions: pa.Table, split: TimeSplit, bundle: ModelBundle, compromised_days: int | None
) -> Reference:
    """The reference of a bundle that was trained on this data set, made of these transactions.

    Features are those of all rows from the beginning of training to the end of test. Scores are those of the rows after
    training, since a model is surer of what it has learnt.
    """
    whole = Window(split.train.start, split.test.end)
    rows = np.flatnonzero(whole.contains(dataset.occurred_at))
    occurred_at = dataset.occurred_at[rows]
    columns = [dataset.feature_names.index(name) for name in bundle.feature_names]
    vectors = dataset.features[rows][:, columns]
    found = pc.index_in(dataset.transaction_ids.take(pa.array(rows)), transactions["transaction_id"].combine_chunks())
    entities = [name for name in transactions.column_names if name.startswith("entity_")]
    clusters = [entity_codes(transactions[name].take(found)) for name in entities]
    later = np.flatnonzero(occurred_at >= split.train.end)
    scores = Scorer(bundle).score(vectors[later], dataset.transaction_ids.take(pa.array(rows[later])))
    test, policy = _test(dataset, split, bundle, columns, compromised_days), bundle.policy
    promise = evaluate(
        test,
        policy.review_threshold,
        decline_threshold=policy.decline_threshold,
        resamples=RESAMPLES,
    )
    return Reference(
        start=whole.start,
        end=whole.end,
        columns={
            name: profile_of(vectors[:, place], occurred_at, clusters, categorical=is_code(name))
            for place, name in enumerate(bundle.feature_names)
        },
        score=profile_of(scores.raw, occurred_at[later], [codes[later] for codes in clusters], categorical=False),
        score_days=int(Window(split.train.end, whole.end).days),
        alert_share=alert_range(scores.decision > 0, occurred_at[later]),
        announced=announced_ratio(test),
        promise=promise.to_dict(),
    )


def replayed_reference(history: History, bundle: ModelBundle, replayer: Replayer = replay) -> Reference:
    """The reference of a bundle that none was kept for, from a replay of the history it was trained on.

    Raises BundleError for a bundle without a catalogue or a split.
    """
    training = bundle.training
    if bundle.catalogue is None or "split" not in training:
        raise BundleError("The model bundle carries no catalogue or no split, so it cannot be monitored. Train again.")
    windows = {name: Window(*training["split"][name]) for name in ("train", "selection", "calibration", "test")}
    split = TimeSplit(**windows, label_delay_ms=int(training["split"]["label_delay_ms"]))
    dataset = replayed_dataset(
        history, bundle.catalogue, split.label_delay_ms, int(training["as_of"]), replayer=replayer
    )
    days = training["settings"].get("compromised_days")
    return model_reference(dataset, history.transactions, split, bundle, days)


def read_reference(text: str) -> Reference:
    """The reference that :func:`write_reference` wrote. Raises DataError for what is none."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DataError(f"The reference of the model is no JSON ({error}); it is made anew.") from error
    return Reference.from_dict(document)


def write_reference(reference: Reference, directory: Path) -> Path:
    """The path of the reference as a file."""
    path = directory / NAME
    path.write_bytes(orjson.dumps(reference.to_dict()))
    return path


def _test(
    dataset: Dataset, split: TimeSplit, bundle: ModelBundle, columns: list[int], compromised_days: int | None
) -> Predictions:
    known = known_rows(dataset, split.test, dataset.as_of, compromised_days)
    scores = Scorer(bundle).score(dataset.features[known.index][:, columns], dataset.transaction_ids.take(known.index))
    return Predictions(
        target=known.target,
        raw=scores.raw,
        score=scores.score,
        occurred_at=dataset.occurred_at[known.index],
        card=dataset.card[known.index],
        amount=dataset.amount[known.index],
        pattern=known.pattern,
        segments={name: labels[known.index] for name, labels in dataset.segments.items()},
        weight=known.weight,
    )
