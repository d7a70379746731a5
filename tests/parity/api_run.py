"""The scoring API's answers on a state that a stream wrote, without HTTP between them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import xgboost

from paywarden.events.currency import CurrencyTable
from paywarden.events.decision import decode_decisions
from paywarden.events.encoding import encode_transactions
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.events.schema import EventSchema
from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.state import OpenStore
from paywarden.jobs.answer import Answering, Fallback
from paywarden.jobs.live_model import LiveModel
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.state_reading import StateReading
from paywarden.scoring.boosters.xgboost import XGBoostBooster
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.calibration import PlattCalibrator
from paywarden.scoring.policy import Policy
from paywarden.scoring.rules.rule_book import RuleBook
from paywarden.scoring.scorer import Scorer


def model(catalogue: Catalogue, vectors: np.ndarray) -> ModelBundle:
    """A model whose scores differ from payment to payment, and whose alerts are a tenth of them."""
    names = catalogue.names[::7]
    known = np.ascontiguousarray(vectors[:, catalogue.columns(names)])
    parameters = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "seed": 1}
    outcome = np.random.default_rng(4).random(len(known)) < 0.3
    booster = XGBoostBooster(xgboost.train(parameters, xgboost.DMatrix(known, outcome), 12))
    raw = booster.predict_margin(known)
    return ModelBundle(
        booster_kind="xgboost",
        booster_bytes=booster.to_bytes(),
        feature_names=names,
        contract_digest=catalogue.contract(names).digest,
        state_layout_digest=Engine(catalogue).digest,
        calibrator=PlattCalibrator(slope=1.0, intercept=0.0),
        policy=Policy(float(np.quantile(raw, 0.8)), float(np.quantile(raw, 0.9))),
        catalogue=catalogue,
    )


def answers(
    transactions: pa.Table, bundle: ModelBundle, book: RuleBook, schema: EventSchema, recipe: OpenStore
) -> tuple[pa.Table, list[bytes]]:
    """The API's decisions on transactions, as they are on the topic, and its alerts."""
    engine, store = Engine(bundle.catalogue), recipe()
    state = StateReading(store, engine, lambda _: 0, lambda: 5)
    live = LiveModel(ServedModel("1", bundle, engine), Scorer(bundle), state, schema)
    models = SimpleNamespace(current=live, problem=None)
    api = Answering(
        schema, CurrencyTable("EUR"), DEFAULT_LIMITS, models, Fallback(0, "review"), lambda: 5, lambda: book
    )
    read = api.read(encode_transactions(transactions, schema), [5] * transactions.num_rows)
    said = api.score(read.rows)
    store.close()
    alerts = [answer.alert for answer in said if answer.alert is not None]
    return decode_decisions([answer.message for answer in said], schema), alerts
