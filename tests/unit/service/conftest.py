"""The API on a real state that a batch was folded into, with a model made for its features; only Kafka is a list."""

from __future__ import annotations

import dataclasses
import io
import json
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import numpy as np
import pyarrow as pa
import pytest
import uvicorn
import xgboost
from tests.unit.jobs.conftest import engine, events, newer_bundle, newer_engine  # noqa: F401
from tests.unit.jobs.test_serving import Registry

from paywarden import wiring
from paywarden.events.encoding import encode_transactions
from paywarden.features.manifest import BatchManifest
from paywarden.features.replay import replay
from paywarden.features.state import BatchTag
from paywarden.jobs.api_keys import SCOPES
from paywarden.jobs.state_fold import fold_into
from paywarden.scoring.boosters.xgboost import XGBoostBooster
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.calibration import PlattCalibrator
from paywarden.scoring.policy import Policy
from paywarden.scoring.scorer import Scorer
from paywarden.service.api.app import scoring_app
from paywarden.service.audit import audit_log
from paywarden.settings import load_settings
from paywarden.wiring import scoring_api


class Topics:
    """Kafka's place: what was sent, by topic; may be away."""

    def __init__(self):
        self.sent = {}
        self.away = None

    def send_many(self, topic, keys, values):
        if self.away:
            raise self.away
        self.sent.setdefault(topic, []).extend(zip(keys, values, strict=True))

    def flush(self, timeout_seconds=None):
        pass


@dataclasses.dataclass
class Api:
    """A running API and what surrounds it."""

    parts: scoring_api.ScoringParts
    client: httpx.Client
    topics: Topics
    log: io.StringIO
    key: str
    first: pa.Table
    """Transactions that the state does not hold yet, the first of all their keys."""

    def post(self, body, **headers):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post("/v1/score", content=content, headers=headers)

    def transaction(self, row=0, **changes):
        """A message of one of the rows."""
        (message,) = encode_transactions(self.first.slice(row, 1), self.parts.schema)
        return json.loads(message) | changes

    @property
    def lines(self):
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@contextmanager
def running_server(app):
    """A client of the application on a port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=300) as client:
        yield client
    server.should_exit = True
    thread.join()
    listening.close()


TAG = BatchTag(1, 1)


def held_and_first(events):  # noqa: F811
    """The first half, and of the second half the rows that are the first of their card and of their merchant."""
    half = events.transactions.num_rows // 2
    held, later = events.transactions.slice(0, half), events.transactions.slice(half)
    seen, rows = set(), []
    for row, keys in enumerate(
        zip(*(later[name].to_pylist() for name in ("entity_card", "entity_merchant")), strict=True)
    ):
        if not seen & set(keys):
            rows.append(row)
        seen |= set(keys)
    return held, later.take(pa.array(rows))


@pytest.fixture(scope="session")
def bundle(engine, events):  # noqa: F811
    """A model of every sixth feature, whose scores differ from payment to payment."""
    catalogue = engine.catalogue
    names = catalogue.names[::6]
    vectors = replay(events.transactions, events.labels.slice(0, 0), catalogue).features[:, catalogue.columns(names)]
    target = np.argsort(np.argsort(np.nan_to_num(vectors).sum(axis=1))) % 7 < 2
    parameters = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1, "seed": 1}
    trained = xgboost.train(parameters, xgboost.DMatrix(vectors, target), 30)
    raw = trained.predict(xgboost.DMatrix(vectors), output_margin=True)
    return ModelBundle(
        booster_kind="xgboost",
        booster_bytes=XGBoostBooster(trained).to_bytes(),
        feature_names=names,
        contract_digest=catalogue.contract(names).digest,
        state_layout_digest=engine.digest,
        calibrator=PlattCalibrator(slope=1.0, intercept=0.0),
        policy=Policy(*(float(np.quantile(raw, share)) for share in (0.7, 0.9))),
        catalogue=catalogue,
    )


@pytest.fixture(scope="session")
def other_bundle(bundle):
    """The same booster under another policy: another digest."""
    return bundle.with_policy(Policy(review_threshold=0.1))


@pytest.fixture
def folded(tmp_path, engine, events):  # noqa: F811
    """The settings of a deployment whose state holds the first half of the events."""

    def folded(policy=None, **api):
        settings = load_settings(
            policy=policy or {},
            state={"path": tmp_path / "state", "shards": 2},
            stream={"manifests": tmp_path / "manifests"},
            api={"directory": tmp_path / "api", "keys": tmp_path / "keys.json", "timeout_ms": 300_000, **api},
        )
        held, _ = held_and_first(events)
        store = wiring.state_epochs(settings).recipe(engine.digest)()
        lease = store.acquire("me", engine.digest)
        wiring.manifests(settings).write(BatchManifest(TAG.stream_epoch, TAG.batch, (), engine.digest))
        store.begin_batch(lease, TAG)
        fold_into(store, lease, engine, held, events.labels.slice(0, 0), TAG)
        store.release(lease)
        store.close()
        return settings

    return folded


@pytest.fixture
def start(folded, bundle, other_bundle, events, monkeypatch):  # noqa: F811
    """Starts an API with settings of the section ``api``."""
    running = []

    def start(registry=None, clock=None, **api):
        settings = folded(**api)
        registry = registry or Registry(v1=bundle, v2=other_bundle)
        monkeypatch.setattr(wiring, "registry", lambda _: registry)
        topics, log = Topics(), io.StringIO()
        _, key = scoring_api.new_api_key(settings, "test", list(SCOPES), days=None, replaces=None, overlap_days=0)
        logger = audit_log(log)
        context = scoring_api.scoring_parts(settings, logger.warning, **({"clock": clock} if clock else {}))
        parts = dataclasses.replace(context.__enter__(), sink=lambda: topics)
        parts.models.refresh()
        served = running_server(scoring_app(parts, logger))
        client = served.__enter__()
        running.append((served, context))
        return Api(parts, client, topics, log, key, held_and_first(events)[1])

    yield start
    for served, context in running:
        served.__exit__(None, None, None)
        context.__exit__(None, None, None)


@pytest.fixture
def api(start):
    return start()


def expected_scores(api, engine, bundle, events):  # noqa: F811
    """What a replay gives the transactions that come next, by id: raw score, score and decision."""
    held, first = held_and_first(events)
    replayed = replay(pa.concat_tables([held, first]), events.labels.slice(0, 0), engine.catalogue)
    vectors = replayed.features[held.num_rows :][:, engine.catalogue.columns(bundle.feature_names)]
    scores = Scorer(bundle).score(np.ascontiguousarray(vectors))
    return dict(zip(first["transaction_id"].to_pylist(), zip(scores.score, scores.decision, strict=True), strict=True))
