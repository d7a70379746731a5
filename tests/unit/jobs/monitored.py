"""A small simulated deployment: a model trained on half a year, and what it decided in the ten weeks after."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.evaluation.splits import TimeSplit, Window
from paywarden.events.decision import acting, decision_schema
from paywarden.features.replay import replay
from paywarden.features.templates import full_catalogue
from paywarden.jobs.model_reference import model_reference
from paywarden.jobs.monitor import Watched
from paywarden.jobs.observed import Observed
from paywarden.jobs.training_data import History, replayed_dataset
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.policy import DECISIONS
from paywarden.scoring.scorer import Scorer
from paywarden.simulation.world import World
from paywarden.training.boosters import XGBoostTrainer
from paywarden.training.trainer import TrainingSettings, train

DAY = 86_400_000
TRAINED, DAYS = 130, 205
DELAY = 14 * DAY


@dataclass(frozen=True, eq=False)
class Deployment:
    """The events of a world, the vectors that were served, and the model. `first` is when it began to serve."""

    world: World
    transactions: pa.Table
    labels: pa.Table
    vectors: np.ndarray
    watched: Watched

    @property
    def first(self) -> int:
        return self.world.start_at_ms + TRAINED * DAY

    def at(self, day: float) -> int:
        """A moment, in days since the model began to serve."""
        return int(self.first + day * DAY)

    def observed(self, day, *, transactions=None, labels=None, vectors=None, scored=lambda *both: both, history=70):
        """What monitoring sees at a day; the arguments change what was served."""
        transactions = self.transactions if transactions is None else transactions
        labels = self.labels if labels is None else labels
        vectors = self.vectors if vectors is None else vectors
        as_of, received_at = self.at(day), transactions["received_at"].to_numpy()
        known = received_at <= as_of
        served = np.flatnonzero(known & (received_at >= max(self.first, as_of - history * DAY)))
        labels = labels.filter(pc.less_equal(labels["received_at"], as_of))
        decisions = decided(self.watched.bundle, transactions.take(served), vectors[served], scored)
        return Observed(as_of, acting(decisions), transactions.filter(pa.array(known)), labels)


def decided(bundle: ModelBundle, transactions: pa.Table, vectors: np.ndarray, scored) -> pa.Table:
    """The decisions of a bundle on these vectors, as they are archived."""
    scores = Scorer(bundle).score(np.ascontiguousarray(vectors))
    raw, score = scored(scores.raw, scores.score)
    rows = len(vectors)
    columns = {name: transactions[name] for name in ("transaction_id", "occurred_at", "received_at", "amount_base")}
    columns |= {name: transactions[name] for name in transactions.column_names if name.startswith("entity_")}
    columns |= {
        "decision_id": transactions["transaction_id"],
        "source": pa.array(["stream"] * rows),
        "arrived_at": transactions["received_at"],
        "decided_at": transactions["received_at"],
        "raw_score": pa.array(raw),
        "score": pa.array(score),
        "decision": pa.array(np.array(DECISIONS)[bundle.policy.decide(raw)]),
        "bundle_digest": pa.array([bundle.digest] * rows),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]).cast(
            pa.list_(pa.float32())
        ),
    }
    schema = decision_schema(WORLD.schema)
    return pa.table([columns.get(field.name, pa.nulls(rows, field.type)) for field in schema], schema=schema)


WORLD = World(11, cards=700, merchants=200)


@cache
def deployment(seed: int = 11) -> Deployment:
    """The deployment of a seed; made once a session, in some seconds."""
    world = replace(WORLD, seed=seed)
    days = list(world.days(0, DAYS))
    transactions, labels = (
        pa.concat_tables([getattr(day, name) for day in days]) for name in ("transactions", "labels")
    )
    catalogue, trained_at = full_catalogue(world.schema), world.start_at_ms + TRAINED * DAY
    history = History(
        *(table.filter(pc.less(table["received_at"], trained_at)) for table in (transactions, labels)), {}
    )
    dataset = replayed_dataset(history, catalogue, DELAY)
    start, end = world.start_at_ms + 30 * DAY, dataset.as_of // DAY * DAY - DELAY
    test = Window(end - 10 * DAY, end)
    calibration = Window(test.start - DELAY - 7 * DAY, test.start - DELAY)
    selection = calibration.earlier(7 * DAY)
    split = TimeSplit(Window(start, selection.start - DELAY), selection, calibration, test, DELAY)
    settings = TrainingSettings(booster=XGBoostTrainer(threads=2), strategies=("none",))
    bundle = train(dataset, split, settings, catalogue=catalogue).bundle
    reference = model_reference(dataset, history.transactions, split, bundle, settings.compromised_days)
    columns = catalogue.columns(bundle.feature_names)
    vectors = replay(transactions, labels, catalogue).features[:, columns]
    return Deployment(world, transactions, labels, vectors, Watched(1, bundle, reference))
