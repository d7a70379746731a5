"""What the demo shows at its end: alerts as cases, a login, and a console that goes on while the demo is kept."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import httpx
import pytest
from tests.integration.alerts.decisions import message

from paywarden import wiring
from paywarden.cli.demo import _show_cases
from paywarden.settings import Settings
from paywarden.wiring.demo_console import USER, demo_console, make_demo_login, take_demo_alerts


@pytest.fixture
def settings(kafka, tmp_path):
    stem = f"demo{time.time_ns()}"
    topics = {name: f"{stem}.{name}" for name in ("alerts", "predictions", "labels")}
    made = Settings(
        kafka={"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
        cases={"database": f"sqlite:///{tmp_path / 'cases.sqlite'}"},
        mlflow={"tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"},
    )
    wiring.make_topics(made)
    return made


@pytest.fixture
def send(settings):
    topics = settings.kafka.topics

    def send(*values):
        with wiring.kafka_sink(settings) as sink:
            for topic in (topics.predictions, topics.alerts):
                sink.send_many(topic, [None] * len(values), values)
            sink.flush()

    return send


def environment(settings):
    return {
        "PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "PAYWARDEN_KAFKA__TOPICS": json.dumps(settings.kafka.topics.model_dump()),
        "PAYWARDEN_CASES__DATABASE": settings.cases.database.get_secret_value(),
        "PAYWARDEN_MLFLOW__TRACKING_URI": settings.mlflow.tracking_uri,
    }


def test_the_demos_end_says_where_the_console_will_be(settings, capsys):
    _show_cases(SimpleNamespace(settings=settings), keep=False)
    said = capsys.readouterr().out
    assert f"`paywarden console --database {settings.cases.database.get_secret_value()}`" in said
    assert f"console: http://127.0.0.1:{settings.console.port}/   log in as {USER} with " in said


def test_alerts_are_cases_and_the_console_shows_them_while_it_is_kept(settings, send, tmp_path):
    send(message("t1"), message("t2", entity_card="card0000BBBB"), message("t3", entity_card="card0000BBBB"))
    found = take_demo_alerts(settings)
    assert (found["alerts"], found["cases"]) == (3, 2)
    password = make_demo_login(settings)
    with (
        demo_console(settings, tmp_path, environment(settings)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        assert client.post("/login", data={"name": USER, "password": password}).headers["location"] == "/queue"
        assert client.get("/queue").text.count("data-case=") == 2
        send(message("t4", entity_card="card0000CCCC"))
        deadline = time.monotonic() + 120
        while client.get("/queue").text.count("data-case=") < 3:
            assert time.monotonic() < deadline, (tmp_path / "alerts.log").read_text()
            time.sleep(0.1)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    assert password not in (tmp_path / "console.log").read_text()
